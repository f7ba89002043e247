"""AsciiMath's symbols and their LaTeX.

Source: the tables of symbols at asciimath.org (Jipsen).
"""

from __future__ import annotations

from mathlm.corpus.html.nodes import words


def _pairs(text: str) -> dict[str, str]:
    names = text.split()
    return dict(zip(names[::2], names[1::2], strict=True))


_SAME = words("""
alpha beta chi delta epsilon varepsilon eta gamma iota kappa lambda mu nu omega phi varphi pi psi
rho sigma tau theta vartheta upsilon xi zeta Delta Gamma Lambda Omega Phi Pi Psi Sigma Theta Xi
sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh coth exp log ln det dim gcd lim min
max ker deg Pr inf sup sum prod int oint cdot ast star times div circ oplus otimes odot wedge vee
cap cup bowtie ltimes rtimes setminus ne le ge leq geq prec succ preceq succeq in notin subset
supset subseteq supseteq equiv cong approx propto sim neg implies iff forall exists bot top vdash
models partial nabla infty emptyset therefore because angle triangle pm mp cdots ldots vdots ddots
diamond square aleph to rightarrow leftarrow uparrow downarrow Rightarrow Leftarrow mapsto quad
qquad frown lfloor rfloor lceil rceil langle rangle hbar ell dagger perp parallel
""")
_OTHER = r"""
lcm \operatorname{lcm} mod \operatorname{mod} lub \operatorname{lub} glb \operatorname{glb} sech
\operatorname{sech} csch \operatorname{csch} Sin \operatorname{Sin} Cos \operatorname{Cos} Tan
\operatorname{Tan} lt < gt > not \neg grad \nabla del \partial prime ' rarr \rightarrow larr
\leftarrow uarr \uparrow darr \downarrow harr \leftrightarrow rArr \Rightarrow lArr \Leftarrow
hArr \Leftrightarrow dx dx dy dy dz dz dt dt xx \times oo \infty nn \cap uu \cup nnn \bigcap uuu
\bigcup vv \vee vvv \bigvee AA \forall EE \exists CC \mathbb{C} NN \mathbb{N} QQ \mathbb{Q} RR
\mathbb{R} ZZ \mathbb{Z} TT \top O/ \emptyset
"""
_SIGNS = r"""
** \ast *** \star // / \\ \setminus -: \div |>< \ltimes ><| \rtimes |><| \bowtie @ \circ o+ \oplus
ox \otimes o. \odot ^^ \wedge ^^^ \bigwedge != \ne <= \le >= \ge mlt \ll mgt \gg -< \prec -lt
\prec >- \succ -<= \preceq >-= \succeq !in \notin sub \subset sup \supset sube \subseteq supe
\supseteq -= \equiv ~= \cong ~~ \approx ~ \sim prop \propto => \implies <=> \iff _|_ \bot |--
\vdash |== \models -> \to >-> \rightarrowtail ->> \twoheadrightarrow |-> \mapsto +- \pm -+ \mp ...
\ldots :. \therefore :' \because /_ \angle /_\ \triangle O/ \emptyset := := * \cdot |__ \lfloor
__| \rfloor |~ \lceil ~| \rceil ' ' % \% # \# & \& $ \$
"""
NAMED: dict[str, str] = {
    **{name: f"\\{name}" for name in sorted(_SAME)},
    **_pairs(_OTHER),
    "and": "\\text{ and }",
    "or": "\\text{ or }",
    "if": "\\text{ if }",
}
"""Words and what they stand for."""
MARKS: dict[str, str] = {
    **_pairs(_SIGNS),
    "\\ ": "\\ ",
}
"""Signs made of several characters, and single ones that LaTeX writes otherwise."""
UNARY: dict[str, str] = _pairs("""
sqrt sqrt hat hat bar overline overline overline ul underline underline underline vec vec tilde
tilde dot dot ddot ddot overarc overparen ubrace underbrace underbrace underbrace obrace overbrace
overbrace overbrace cancel cancel bb mathbf mathbf mathbf sf mathsf mathsf mathsf bbb mathbb
mathbb mathbb cc mathcal mathcal mathcal tt mathtt mathtt mathtt fr mathfrak mathfrak mathfrak
""")
"""Commands of one argument."""
FENCED = {"abs": ("|", "|"), "norm": ("\\|", "\\|")}
FENCED |= {"floor": ("\\lfloor", "\\rfloor"), "ceil": ("\\lceil", "\\rceil")}
BINARY = words("frac root stackrel overset underset color")
TEXT = words("text mbox class id")
LEFT = _pairs(r"( ( [ [ { \{ (: \langle << \langle langle \langle {: .")
RIGHT = _pairs(r") ) ] ] } \} :) \rangle >> \rangle rangle \rangle :} .")
