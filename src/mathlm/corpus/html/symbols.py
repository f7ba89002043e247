"""Unicode mathematics to LaTeX commands, and the roles that characters play in a formula.

Not a font table: letters of mathematical alphabets (𝐀, 𝔸, 𝒜) are worked out from their names.
Source: the names of LaTeX, amsmath and amssymb (Pakin, "The Comprehensive LaTeX Symbol List").
"""

from __future__ import annotations

import functools
import unicodedata

from mathlm.corpus.html.nodes import words

_GREEK = """
α alpha β beta γ gamma δ delta ε varepsilon ϵ epsilon ζ zeta η eta θ theta ϑ vartheta ι iota κ
kappa ϰ varkappa λ lambda μ mu µ mu ν nu ξ xi π pi ϖ varpi ρ rho ϱ varrho σ sigma ς varsigma τ
tau υ upsilon ϕ phi φ varphi χ chi ψ psi ω omega ϝ digamma Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi
Π Pi Σ Sigma ϒ Upsilon Υ Upsilon Φ Phi Ψ Psi Ω Omega ∆ Delta Ω Omega ı imath ȷ jmath ℓ ell ℏ
hbar ℘ wp ℜ Re ℑ Im ℵ aleph ℶ beth ℷ gimel ℸ daleth ∂ partial ∇ nabla ∞ infty ∅ emptyset ⌀
varnothing ∀ forall ∃ exists ∄ nexists ¬ neg ⊤ top ⊥ bot ∠ angle ∡ measuredangle ∢
sphericalangle △ triangle □ square ■ blacksquare ◊ lozenge ♠ spadesuit ♡ heartsuit ♢ diamondsuit
♣ clubsuit ♭ flat ♮ natural ♯ sharp ð eth ℧ mho ✓ checkmark † dagger ‡ ddagger § S ¶ P £ pounds
© copyright Å mathring{A} ★ bigstar ◯ bigcirc ⃝ bigcirc ▲ blacktriangle ▼ blacktriangledown ⧫
blacklozenge ∎ blacksquare ϶ backepsilon Ϝ digamma ∁ complement ⅁ Game Ⅎ Finv ◇ Diamond ▵
vartriangle ▿ triangledown ◻ square ◼ blacksquare ◎ circledcirc Ω Omega Å mathring{A}
"""
_BINARY = """
± pm ∓ mp × times ÷ div ∗ ast ⋆ star ∘ circ ∙ bullet • bullet · cdot ⋅ cdot ∩ cap ∪ cup ⊎ uplus
⊓ sqcap ⊔ sqcup ∨ vee ∧ wedge ∖ setminus ≀ wr ⋄ diamond ⊕ oplus ⊖ ominus ⊗ otimes ⊘ oslash ⊙
odot ⊚ circledcirc ⊛ circledast ⊝ circleddash ⊞ boxplus ⊟ boxminus ⊠ boxtimes ⊡ boxdot ⨿ amalg ⋉
ltimes ⋊ rtimes ⋋ leftthreetimes ⋌ rightthreetimes ⋎ curlyvee ⋏ curlywedge ⋒ Cap ⋓ Cup ∔ dotplus
⊼ barwedge ⊻ veebar ⌅ barwedge ⌆ doublebarwedge ⋇ divideontimes ⊺ intercal △ bigtriangleup ▽
bigtriangledown ◃ triangleleft ▹ triangleright
"""
_RELATIONS = """
≤ leq ≥ geq ≠ neq ≪ ll ≫ gg ⋘ lll ⋙ ggg ≡ equiv ≈ approx ≅ cong ≃ simeq ∼ sim ∝ propto ≐ doteq ≑
Doteq ≜ triangleq ≔ coloneqq ≕ eqqcolon ≺ prec ≻ succ ⪯ preceq ⪰ succeq ≼ preccurlyeq ≽
succcurlyeq ⊂ subset ⊃ supset ⊆ subseteq ⊇ supseteq ⊊ subsetneq ⊋ supsetneq ⋐ Subset ⋑ Supset ⊏
sqsubset ⊐ sqsupset ⊑ sqsubseteq ⊒ sqsupseteq ∈ in ∋ ni ∉ notin ⊢ vdash ⊣ dashv ⊨ models ⊩ Vdash
⊪ Vvdash ⊬ nvdash ⊭ nvDash ∣ mid ∤ nmid ∥ parallel ∦ nparallel ⟂ perp ⌣ smile ⌢ frown ≍ asymp ⋈
bowtie ≦ leqq ≧ geqq ⩽ leqslant ⩾ geqslant ≲ lesssim ≳ gtrsim ⪅ lessapprox ⪆ gtrapprox ≶ lessgtr
≷ gtrless ⋚ lesseqgtr ⋛ gtreqless ≮ nless ≯ ngtr ≰ nleq ≱ ngeq ≨ lneqq ≩ gneqq ≁ nsim ≇ ncong ⊀
nprec ⊁ nsucc ⊄ not\\subset ⊅ not\\supset ⊈ nsubseteq ⊉ nsupseteq ≢ not\\equiv ≉ not\\approx ≄
not\\simeq ∌ not\\ni ≊ approxeq ⊲ vartriangleleft ⊳ vartriangleright ⊴ trianglelefteq ⊵
trianglerighteq ⋪ ntriangleleft ⋫ ntriangleright ≖ eqcirc ≗ circeq ≏ bumpeq ≎ Bumpeq ∽ backsim ⋍
backsimeq ⋔ pitchfork ∵ because ∴ therefore ≬ between ⋞ curlyeqprec ⋟ curlyeqsucc ≾ precsim ≿
succsim ⪷ precapprox ⪸ succapprox ≓ risingdotseq ≒ fallingdotseq ⊸ multimap ⫅ subseteqq ⫆
supseteqq ⫋ subsetneqq ⫌ supsetneqq ⪇ lneq ⪈ gneq ⋦ lnsim ⋧ gnsim ⋖ lessdot ⋗ gtrdot ← leftarrow
→ rightarrow ↑ uparrow ↓ downarrow ↔ leftrightarrow ↕ updownarrow ⇐ Leftarrow ⇒ Rightarrow ⇑
Uparrow ⇓ Downarrow ⇔ Leftrightarrow ⇕ Updownarrow ↦ mapsto ⟼ longmapsto ⟵ longleftarrow ⟶
longrightarrow ⟷ longleftrightarrow ⟸ Longleftarrow ⟹ Longrightarrow ⟺ Longleftrightarrow ↩
hookleftarrow ↪ hookrightarrow ↼ leftharpoonup ↽ leftharpoondown ⇀ rightharpoonup ⇁
rightharpoondown ⇌ rightleftharpoons ⇋ leftrightharpoons ↗ nearrow ↘ searrow ↙ swarrow ↖ nwarrow
⇝ rightsquigarrow ↝ leadsto ↠ twoheadrightarrow ↞ twoheadleftarrow ↣ rightarrowtail ↢
leftarrowtail ⇄ rightleftarrows ⇆ leftrightarrows ⇉ rightrightarrows ⇇ leftleftarrows ⇈
upuparrows ⇊ downdownarrows ↾ upharpoonright ⇂ downharpoonright ↿ upharpoonleft ⇃
downharpoonleft ⇚ Lleftarrow ⇛ Rrightarrow ↶ curvearrowleft ↷ curvearrowright ↺ circlearrowleft
↻ circlearrowright ↭ leftrightsquigarrow ↚ nleftarrow ↛ nrightarrow ↮ nleftrightarrow ⇍
nLeftarrow ⇏ nRightarrow ⇎ nLeftrightarrow ↰ Lsh ↱ Rsh ↫ looparrowleft ↬ looparrowright ⇢
dashrightarrow ⇠ dashleftarrow ≂ eqsim ⊧ models ⋠ npreceq ⋡ nsucceq ⋨ precnsim ⋩ succnsim ∊ in ∍
ni ⋬ ntrianglelefteq ⋭ ntrianglerighteq ⊮ nVdash ⊯ nVDash ◁ lhd ▷ rhd ⪕ eqslantless ⪖ eqslantgtr
⪉ lnapprox ⪊ gnapprox ⪹ precnapprox ⪺ succnapprox ⪋ lesseqqgtr ⪌ gtreqqless ⨝ Join
"""
_BIG = """
∑ sum ∏ prod ∐ coprod ∫ int ∬ iint ∭ iiint ⨌ iiiint ∮ oint ∯ oiint ∰ oiiint ⋂ bigcap ⋃ bigcup ⋀
bigwedge ⋁ bigvee ⨁ bigoplus ⨂ bigotimes ⨀ bigodot ⨄ biguplus ⨆ bigsqcup
"""
_OTHER = """
… ldots ⋯ cdots ⋮ vdots ⋱ ddots ⟨ langle ⟩ rangle 〈 langle 〉 rangle 〈 langle 〉 rangle ⌊ lfloor ⌋
rfloor ⌈ lceil ⌉ rceil ‖ | ∥ parallel ⟦ llbracket ⟧ rrbracket ⟮ lgroup ⟯ rgroup ⎰ lmoustache ⎱
rmoustache ⌜ ulcorner ⌝ urcorner ⌞ llcorner ⌟ lrcorner √ surd # # $ $ % % & & _ _ { { } } \\
backslash
"""


def _table(text: str) -> dict[str, str]:
    words = text.split()
    return {c: f"\\{name}" for c, name in zip(words[::2], words[1::2], strict=True)}


BINARY = frozenset(_table(_BINARY)) | frozenset("+-−*/")
RELATIONS = frozenset(_table(_RELATIONS)) | frozenset("=<>:")
BIG = frozenset(_table(_BIG))
SYMBOLS: dict[str, str] = {
    **_table(_GREEK),
    **_table(_BINARY),
    **_table(_RELATIONS),
    **_table(_BIG),
    **_table(_OTHER),
    "∷": "::",
    "⩴": "::=",
    "⩵": "==",
    "∹": "-:",
    "⨯": "\\times",
    "‼": "!!",
    "⁇": "??",
    "≔": ":=",
    "−": "-",
    "‐": "-",
    "‑": "-",
    "–": "-",
    "—": "-",
    "∕": "/",
    "⁄": "/",
    "∶": ":",
    "ˆ": "\\hat{}",
    "~": "\\sim",
    "^": "\\hat{}",
    "′": "'",
    "″": "''",
    "‴": "'''",
    "⁗": "''''",
    "‵": "\\backprime",
    "°": "^{\\circ}",
    "ⅆ": "d",
    "ⅅ": "D",
    "ⅇ": "e",
    "ⅈ": "i",
    "ⅉ": "j",
    "\u2061": "",
    "\u2062": "",
    "\u2063": "",
    "\u2064": "",
    "\u200b": "",
    "\u200c": "",
    "\u200d": "",
    "\u2060": "",
    "\u00ad": "",
    "\ufe00": "",
    "\ufe01": "",
    "⧵": "\\setminus",
    "∖": "\\setminus",
    "\u00a0": "~",
    "\u2009": "\\,",
    "\u200a": "\\,",
    "\u2006": "\\,",
    "\u202f": "\\,",
    "\u2005": "\\:",
    "\u205f": "\\:",
    "\u2004": "\\;",
    "\u2002": "\\enspace",
    "\u2003": "\\quad",
    "△": "\\triangle",
}
FUNCTIONS = words(
    """
    arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf
    limsup ln log max min Pr sec sin sinh sup tan tanh
    """
)
LIMIT_FUNCTIONS = words("det gcd inf lim liminf limsup max min Pr sup")
OVER_ACCENTS = {
    "^": "hat",
    "ˆ": "hat",
    "\u0302": "hat",
    "~": "tilde",
    "˜": "tilde",
    "∼": "tilde",
    "\u0303": "tilde",
    "¯": "bar",
    "ˉ": "bar",
    "‾": "bar",
    "_": "bar",
    "―": "bar",
    "-": "bar",
    "−": "bar",
    "\u0304": "bar",
    "\u0305": "bar",
    "→": "vec",
    "\u20d7": "vec",
    "⟶": "vec",
    "˙": "dot",
    "\u0307": "dot",
    ".": "dot",
    "¨": "ddot",
    "\u0308": "ddot",
    "ˇ": "check",
    "\u030c": "check",
    "˘": "breve",
    "\u0306": "breve",
    "´": "acute",
    "\u0301": "acute",
    "`": "grave",
    "\u0300": "grave",
    "˚": "mathring",
    "\u030a": "mathring",
    "\u20db": "dddot",
    "\u20dc": "ddddot",
}
WIDE_ACCENTS = {"hat": "widehat", "tilde": "widetilde", "bar": "overline", "vec": "overrightarrow"}
OVER_STRETCHED = {
    "⏞": "overbrace",
    "︷": "overbrace",
    "⏜": "overparen",
    "←": "overleftarrow",
    "↔": "overleftrightarrow",
    "⎴": "overbracket",
}
UNDER_STRETCHED = {
    "⏟": "underbrace",
    "︸": "underbrace",
    "_": "underline",
    "¯": "underline",
    "‾": "underline",
    "\u0332": "underline",
    "→": "underrightarrow",
    "←": "underleftarrow",
    "↔": "underleftrightarrow",
    "⏝": "underparen",
    "⎵": "underbracket",
    "―": "underline",
}
OPENING = {
    "(": "(",
    "[": "[",
    "{": "\\{",
    "⟨": "\\langle",
    "\u2329": "\\langle",
    "\u3008": "\\langle",
    "⌊": "\\lfloor",
    "⌈": "\\lceil",
    "⟦": "\\llbracket",
}
CLOSING = {
    ")": ")",
    "]": "]",
    "}": "\\}",
    "⟩": "\\rangle",
    "\u232a": "\\rangle",
    "\u3009": "\\rangle",
    "⌋": "\\rfloor",
    "⌉": "\\rceil",
    "⟧": "\\rrbracket",
}
BARS = {"|": "|", "∣": "|", "❘": "|", "‖": "\\|", "∥": "\\|", "/": "/"}
VARIANTS = {
    "normal": "mathrm",
    "bold": "mathbf",
    "bold-italic": "boldsymbol",
    "double-struck": "mathbb",
    "script": "mathcal",
    "bold-script": "mathcal",
    "fraktur": "mathfrak",
    "bold-fraktur": "mathfrak",
    "sans-serif": "mathsf",
    "bold-sans-serif": "mathsf",
    "sans-serif-italic": "mathsf",
    "sans-serif-bold-italic": "mathsf",
    "monospace": "mathtt",
    "italic": "mathit",
}
# The words in Unicode names of mathematical letters; longer ones first.
_ALPHABETS = (
    ("SANS-SERIF BOLD ITALIC", "boldsymbol"),
    ("SANS-SERIF BOLD", "mathsf"),
    ("SANS-SERIF ITALIC", "mathsf"),
    ("SANS-SERIF", "mathsf"),
    ("BOLD ITALIC", "boldsymbol"),
    ("BOLD SCRIPT", "mathcal"),
    ("BOLD FRAKTUR", "mathfrak"),
    ("DOUBLE-STRUCK", "mathbb"),
    ("BLACK-LETTER", "mathfrak"),
    ("FRAKTUR", "mathfrak"),
    ("SCRIPT", "mathcal"),
    ("MONOSPACE", "mathtt"),
    ("BOLD", "mathbf"),
    ("ITALIC", ""),
)


@functools.lru_cache(maxsize=4096)
def symbol(character: str) -> str:
    """LaTeX for one character: its command, its letter in a mathematical alphabet, or itself."""
    known = SYMBOLS.get(character)
    if known is not None:
        return known
    if character < "\u2100":
        return character
    return _alphabetic(character) or character


def _alphabetic(character: str) -> str | None:
    name = unicodedata.name(character, "")
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    if kind != "<font>" or " " in code:
        return None
    plain = chr(int(code, 16))
    words = name.removeprefix("MATHEMATICAL ")
    for prefix, command in _ALPHABETS:
        if words.startswith(prefix):
            inner = SYMBOLS.get(plain, plain)
            if not command:
                return inner
            if inner.startswith("\\"):
                return f"\\boldsymbol{{{inner}}}"
            return f"\\{command}{{{inner}}}"
    return None
