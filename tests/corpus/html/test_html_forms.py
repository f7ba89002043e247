"""The 31 forms in which pages keep formulas, and many variants: each once, of the right kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mathlm.corpus.html import extract

FORMS = [
    json.loads(line)
    for line in Path(__file__).with_name("forms.jsonl").read_text(encoding="utf-8").splitlines()
]


def page(body: str, head: str = "") -> str:
    return (
        f"<!DOCTYPE html><html><head>{head}</head><body><h1>A page</h1><p>It begins with words "
        f"that no formula needs.</p>{body}<p>It ends with an ordinary paragraph.</p></body></html>"
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['form']}-{form['name']}")
def test_form(form: dict[str, Any]) -> None:
    result = extract(page(form["html"]))
    assert [f.latex for f in result.formulas if not f.display] == form.get("inline", [])
    assert [f.latex for f in result.formulas if f.display] == form.get("display", [])
    for piece in form.get("contains", ["is positive"] if form["form"] not in (6, 25) else []):
        assert piece in result.text
    for formula in result.formulas:
        mark = f"$${formula.latex}$$" if formula.display else f"${formula.latex}$"
        assert result.text.count(mark) == 1


def test_the_forms_are_all_there() -> None:
    assert {form["form"] for form in FORMS} == set(range(1, 32))


MATHJAX = "<script>MathJax = {tex: {inlineMath: [['@', '@'], ['\\\\(', '\\\\)']]}}</script>"
TEX2JAX = (
    '<script type="text/x-mathjax-config">MathJax.Hub.Config({tex2jax: {inlineMath: [["$","$"],'
    ' ["\\\\(","\\\\)"]], displayMath: [["$$","$$"], ["££","££"]]}});</script>'
)
KATEX = (
    '<script>renderMathInElement(document.body, {delimiters: [{left: "$$", right: "$$", display: '
    'true}, {left: "##", right: "##", display: false}]});</script>'
)
ASCII = '<script src="https://cdn/mathjax/MathJax.js?config=AM_HTMLorMML"></script>'


@pytest.mark.parametrize(
    ("head", "body", "inline", "display"),
    [
        (MATHJAX, "Let @a+b@ be.", ["a+b"], []),
        (TEX2JAX, "Let $speed$ be $v$ and ££x=1££ so.", ["speed", "v"], ["x=1"]),
        (KATEX, "Let ##a^2## be and $$b$$ too.", ["a^2"], ["b"]),
        (ASCII, "Let `a_1` be `sum`.", ["a_{1}", "\\sum"], []),
        ("", "Run `foo_bar` and `x = y();` now.", [], []),
        ("", "[tex]x^2[/tex] and [math]y[/math]", ["y"], ["x^2"]),
        ("", "$latex e^{i\\pi}$ here", ["e^{i\\pi}"], []),
        ("", "A price of \\$5 and $z$ units", ["z"], []),
        ("", "$a_1<b$ and $c$", ["a_1<b", "c"], []),
        ("", "$\\{x : x > 0\\}$", ["\\{x : x > 0\\}"], []),
        ("", "$x$-axis and $n$th, $(x,y)$ and $2$", ["x", "n", "(x,y)", "2"], []),
        ("", "see \\begin{eqnarray*}a&=&b\\end{eqnarray*}", [],
         ["\\begin{eqnarray*}a&=&b\\end{eqnarray*}"]),
        ("", "see \\begin{itemize}\\item a\\end{itemize}", [], []),
        ("", "an open $x^2 without end", [], []),
        ("", "$$a$$ and then $b$.", ["b"], ["a"]),
    ],
)  # fmt: skip
def test_delimiters(head: str, body: str, inline: list[str], display: list[str]) -> None:
    result = extract(page(f"<p>{body}</p>".replace("<b", "&lt;b"), head))
    assert [f.latex for f in result.formulas if not f.display] == inline
    assert [f.latex for f in result.formulas if f.display] == display


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $7.",
        "from $10 to $20 a month, $240 a year",
        "US$5 and A$7",
        "between $5-$10 (or $3/$4)",
        "$1.5 million and $2 billion",
        "I paid ($5), she ($7).",
        "earn $100,000 a year, or about $50/hour",
        "cost $20 (that is $5 each)",
        "set $HOME or ${PATH} and $USER",
        "$1,000 in cash = $50 in coins",
        "prices: $5, $10, $15, $20",
    ],
)
@pytest.mark.parametrize("head", ["", MATHJAX])
def test_money_is_left_alone(text: str, head: str) -> None:
    result = extract(page(f"<p>{text}</p>", head))
    assert text in result.text
    assert result.formulas == ()


CHTML = (
    '<mjx-container class="MathJax" jax="CHTML"><mjx-math '
    'class="MJX-TEX"><mjx-msubsup><mjx-mi class="mjx-i"><mjx-c class="mjx-c1D465 '
    'TEX-I"></mjx-c></mjx-mi><mjx-script><mjx-mi size="s"><mjx-c class="mjx-c1D457 '
    'TEX-I"></mjx-c></mjx-mi><mjx-spacer></mjx-spacer><mjx-mi size="s"><mjx-c '
    'class="mjx-c1D456 TEX-I"></mjx-c></mjx-mi></mjx-script></mjx-msubsup><mjx-mo '
    'class="mjx-n"><mjx-c class="mjx-c2B"></mjx-c></mjx-mo><mjx-mfrac><mjx-frac><mjx-num><mjx'
    '-nstrut></mjx-nstrut><mjx-mn><mjx-c class="mjx-c31"></mjx-c></mjx-mn></mjx-num><mjx-dbox'
    "><mjx-dtable><mjx-line></mjx-line><mjx-row><mjx-den><mjx-dstrut></mjx-dstrut><mjx-mn><mj"
    'x-c class="mjx-c32"></mjx-c></mjx-mn></mjx-den></mjx-row></mjx-dtable></mjx-dbox></mjx-f'
    "rac></mjx-mfrac></mjx-math></mjx-container>"
)
SVG = (
    '<mjx-container class="MathJax" jax="SVG" display="true"><svg><g '
    'transform="scale(1,-1)"><g data-mml-node="math"><g data-mml-node="msubsup"><g '
    'data-mml-node="mi"><path data-c="1D465"></path></g><g data-mml-node="mi" '
    'transform="translate(605,497.8) scale(0.707)"><path data-c="1D457"></path></g><g '
    'data-mml-node="mi" transform="translate(605,-293.8) scale(0.707)"><path '
    'data-c="1D456"></path></g></g><g data-mml-node="mo"><path data-c="3D"></path></g><g '
    'data-mml-node="msqrt"><g transform="translate(853,0)"><g data-mml-node="mn"><path '
    'data-c="32"></path></g></g><g data-mml-node="mo"><path '
    'data-c="221A"></path></g><rect></rect></g></g></g></svg></mjx-container>'
)

KATEX_HTML = (
    '<span class="katex"><span class="katex-html" aria-hidden="true"><span '
    'class="katex-base"><span class="katex-strut"></span><span class="mord"><span '
    'class="mord mathnormal">x</span><span class="msupsub"><span class="vlist-t '
    'vlist-t2"><span class="vlist-r"><span class="vlist"><span style="top:-2.4231em;"><span'
    ' class="pstrut"></span><span class="katex-sizing reset-size6 size3 mtight"><span '
    'class="mord mathnormal mtight">i</span></span></span><span '
    'style="top:-3.1809em;"><span class="pstrut"></span><span class="katex-sizing '
    'reset-size6 size3 mtight"><span class="mord mathnormal '
    'mtight">j</span></span></span></span><span class="vlist-s"></span></span><span '
    'class="vlist-r"><span '
    'class="vlist"><span></span></span></span></span></span></span><span '
    'class="mspace"></span><span class="mrel">=</span><span '
    'class="mspace"></span></span><span class="katex-base"><span '
    'class="katex-strut"></span><span class="mord"><span class="mopen '
    'nulldelimiter"></span><span class="mfrac"><span class="vlist-t vlist-t2"><span '
    'class="vlist-r"><span class="vlist"><span style="top:-2.655em;"><span '
    'class="pstrut"></span><span class="katex-sizing reset-size6 size3 mtight"><span '
    'class="mord mtight"><span class="mord mtight">2</span></span></span></span><span '
    'style="top:-3.23em;"><span class="pstrut"></span><span class="frac-line" '
    'style="border-bottom-"></span></span><span style="top:-3.394em;"><span '
    'class="pstrut"></span><span class="katex-sizing reset-size6 size3 mtight"><span '
    'class="mord mtight"><span class="mord '
    'mtight">1</span></span></span></span></span><span class="vlist-s"></span></span><span '
    'class="vlist-r"><span class="vlist"><span></span></span></span></span></span><span '
    'class="mclose nulldelimiter"></span></span></span></span></span>'
)
KATEX_SUM = (
    '<span class="katex-display"><span class="katex"><span class="katex-html" '
    'aria-hidden="true"><span class="katex-base"><span class="katex-strut"></span><span '
    'class="mop op-limits"><span class="vlist-t vlist-t2"><span class="vlist-r"><span '
    'class="vlist"><span style="top:-1.8723em;"><span class="pstrut"></span><span '
    'class="katex-sizing reset-size6 size3 mtight"><span class="mord mtight"><span '
    'class="mord mathnormal mtight">i</span><span class="mrel mtight">=</span><span '
    'class="mord mtight">1</span></span></span></span><span style="top:-3.05em;"><span '
    'class="pstrut"></span><span><span class="mop op-symbol '
    'large-op">∑</span></span></span><span style="top:-4.3em;"><span '
    'class="pstrut"></span><span class="katex-sizing reset-size6 size3 mtight"><span '
    'class="mord mtight"><span class="mord mathnormal '
    'mtight">n</span></span></span></span></span><span class="vlist-s"></span></span><span '
    'class="vlist-r"><span class="vlist"><span></span></span></span></span></span><span '
    'class="mspace"></span><span class="mord sqrt"><span class="vlist-t vlist-t2"><span '
    'class="vlist-r"><span class="vlist"><span class="svg-align" style="top:-3em;"><span '
    'class="pstrut"></span><span class="mord" style="padding-left:0.833em;"><span '
    'class="mord mathnormal">i</span></span></span><span style="top:-2.9236em;"><span '
    'class="pstrut"></span><span class="hide-tail"><svg xmlns="http://www.w3.org/2000/svg" '
    'width="400em" height="1.08em" viewBox="0 0 400000 1080" preserveAspectRatio="xMinYMin '
    'slice"></svg></span></span></span><span class="vlist-s"></span></span><span '
    'class="vlist-r"><span '
    'class="vlist"><span></span></span></span></span></span></span></span></span></span>'
)
KATEX_DRAWN = (
    '<span class="katex"><span class="katex-html" aria-hidden="true"><span '
    'class="katex-base"><span class="katex-strut"></span><span class="mord '
    'katex-accent"><span class="vlist-t"><span class="vlist-r"><span class="vlist"><span '
    'style="top:-3em;"><span class="pstrut"></span><span class="mord '
    'mathnormal">v</span></span><span style="top:-3em;"><span class="pstrut"></span><span '
    'class="accent-body" style="left:-0.2077em;"><span class="katex-overlay"><svg '
    'xmlns="http://www.w3.org/2000/svg" width="0.471em" height="0.714em" viewBox="0 0 471 '
    '714" preserveAspectRatio="xMinYMin"></svg></span></span></span></span></span></span></'
    "span></span></span></span>"
)

VARIANTS = {
    "MathJax 2 output and its script": (
        '<span class="MathJax_Preview">x^2</span><span class="MathJax" id="MathJax-Element-1-Frame"'
        ' data-mathml="&lt;math&gt;&lt;mi&gt;x&lt;/mi&gt;&lt;/math&gt;"><nobr>x2</nobr></span>'
        '<script type="math/tex" id="MathJax-Element-1">x^2</script>',
        [("x^2", False)],
    ),
    "MathJax 2 display": (
        '<div class="MathJax_Display"><span class="MathJax">y</span></div>'
        '<script type="math/tex; mode=display">% <![CDATA[\ny=1 %]]></script>',
        [("y=1", True)],
    ),
    "MathJax 3 display": (
        '<mjx-container display="true"><mjx-math></mjx-math><mjx-assistive-mml display="block">'
        '<math display="block"><mi>y</mi></math></mjx-assistive-mml></mjx-container>',
        [("y", True)],
    ),
    "MathJax 4": ('<mjx-container><mjx-math data-latex="x^2"></mjx-math></mjx-container>',
                  [("x^2", False)]),
    "MathJax 3 before typesetting": (
        '<mjx-container display="true"><formula>\\vec{F}=m\\vec{a}</formula></mjx-container>',
        [("\\vec{F}=m\\vec{a}", True)],
    ),
    "KaTeX without tags": (
        '<span class="katex"><span class="katex-mathml">\n\n lim x\n\n \\lim_{x} x\n\n </span>'
        '<span class="katex-html">lim</span></span>',
        [("\\lim_{x} x", False)],
    ),
    "Pandoc": ('<span class="math inline">\\(a^2\\)</span> <span class="math display">\\[b\\]'
               "</span>", [("a^2", False), ("b", True)]),
    "Pandoc for KaTeX": ('<span class="math inline">\\alpha</span>', [("\\alpha", False)]),
    "WordPress KaTeX": ('<span class="wp-katex-eq katex-display" data-display="true">x^2</span>',
                        [("x^2", True)]),
    "data-expr": ('<span class="tex" data-expr="\\frac{1}{2}"></span>', [("\\frac{1}{2}", False)]),
    "Zhihu": ('<img eeimg="1" src="https://www.zhihu.com/equation?tex=x%5E2" alt="x^2">',
              [("x^2", False)]),
    "image alone": ('</p><p><img class="latex" alt="x^2+y^2=z^2" src="a.png"></p><p>',
                    [("x^2+y^2=z^2", True)]),
    "mathtex": ('<img src="/cgi-bin/mathtex.cgi?\\frac{a}{b}">', [("\\frac{a}{b}", False)]),
    "alt in dollars": ('<img src="f.png" alt="$x+1$">', [("x+1", False)]),
    "a photograph": ('<img src="f.png" alt="A dog on a = sign">', []),
    "mathjax tag": ("<mathjax>#x/2#</mathjax>", [("\\frac{x}{2}", False)]),
    "MathML script": ('<script type="math/mml"><math><mi>q</mi></math></script>', [("q", False)]),
    "prefix of one's own": (
        '<q:math xmlns:q="http://www.w3.org/1998/Math/MathML"><q:mi>x</q:mi></q:math>',
        [("x", False)],
    ),
    "area": ("an area of 5 km<sup>2</sup>, the 1<sup>st</sup> of 3", []),
    "chemistry": ("H<sub>2</sub>O is wet", []),
    "spaced powers": ("a<sup>2</sup> + b<sup>2</sup> = c<sup>2</sup> holds",
                      [("a^{2} + b^{2} = c^{2}", False)]),
    "greek power": ("2π<sup>n</sup> holds", [("2\\pi^{n}", False)]),
    "end of a string": ("compile(r'a$'), b_{x}, compile(r'b$'), c", []),
    "linked footnote": ('C99<a href="#FOOT1"><sup>15</sup></a> and x', []),
    "footnote": ('as said<sup><a href="#fn1">1</a></sup> above', []),
    "commented TeX": ('<script type="math/tex">a % b\n+ c</script>', [("a + c", False)]),
    "Pandoc for KaTeX, a matrix": (
        '<span class="math inline">\\begin{pmatrix}1\\end{pmatrix}</span>',
        [("\\begin{pmatrix}1\\end{pmatrix}", False)],
    ),
    "Pandoc without a renderer": (
        '<span class="math inline"><em>e</em><sup><em>i</em><em>π</em></sup>+log <em>n</em></span>',
        [("e^{i\\pi}+\\log n", False)],
    ),
    "Wikipedia in plain HTML": (
        '<span class="texhtml"><i>x</i><sub>1</sub> &lt; 2π</span>', [("x_{1} < 2\\pi", False)]
    ),
    "GladTeX": ('<eq env="math">x_1</eq> or <eq env="displaymath">x</eq>',
                [("x_1", False), ("x", True)]),
    "docutils": ('<tt class="math">2n</tt></p><pre class="math">\nE = mc\n</pre><p>',
                 [("2n", False), ("E = mc", True)]),
    "Texinfo": ("<em class='math'>a/b</em>", [("a/b", False)]),
    "code of the language math": (
        '<code class="language-math math-inline">n</code></p><pre><code class="language-math '
        'math-display">n!</code></pre><p>', [("n", False), ("n!", True)],
    ),
    "a listing of LaTeX": ('</p><pre class="latex">\\frac{1}{2}</pre><p>', []),
    "KaTeX as MathML": (
        '<span class="katex"><math display="block"><semantics><mi>x</mi><annotation encoding='
        '"application/x-tex">x</annotation></semantics></math></span>', [("x", True)],
    ),
    "Doxygen": ('<img class="formulaInl" alt="$n$" src="form_1.png">', [("n", False)]),
    "Sphinx, an image": (
        '<img class="math" src="a.png" alt="2n"></p><div class="math"><p><img src="b.png" '
        'alt="E = mc^2"></p></div><p>', [("2n", False), ("E = mc^2", True)],
    ),
    "Sphinx, a numbered image": (
        '</p><div class="math"><p><span class="eqno">(1)</span><img src="b.png" alt="E = mc^2">'
        "</p></div><p>", [("E = mc^2", True)],
    ),
    "Sphinx, an image of rows": (
        '</p><div class="math"><p><img src="b.png" alt="a &amp;= b\\\\c &amp;= d"></p></div><p>',
        [("\\begin{split}a &= b\\\\c &= d\\end{split}", True)],
    ),
    "Sphinx, one block after the other": (
        '</p><div class="math">\\begin{align}a\\end{align}</div>\n<div class="math">'
        "\\begin{align}b\\end{align}</div><p>",
        [("\\begin{align}a\\end{align}", True), ("\\begin{align}b\\end{align}", True)],
    ),
    "Sphinx, a needless split": (
        "\\[\\begin{split}\\begin{pmatrix}1\\\\2\\end{pmatrix}\\end{split}\\]",
        [("\\begin{pmatrix}1\\\\2\\end{pmatrix}", True)],
    ),
    "Sphinx, a split of rows": (
        "\\[\\begin{split}a\\\\b\\end{split}\\]", [("\\begin{split}a\\\\b\\end{split}", True)]
    ),
    "TeX4ht": ("\\begin {align}a\\end {align}", [("\\begin{align}a\\end{align}", True)]),
    "TeX the World": ("[;x^2;]", [("x^2", False)]),
    "script in a script": ("2<sup>2<sup>n</sup></sup> holds", [("2^{2^{n}}", False)]),
    "script of a set": ("{x<sup>2</sup>} holds", [("\\{x^{2}\\}", False)]),
    "Greek script": ("e<sup>iπ</sup> holds", [("e^{i\\pi}", False)]),
    "line break within": ("\\[a<br>=b\\]", [("a\n=b", True)]),
    "formula within": ('$$x\\tag{<script type="math/tex">y</script>}$$', [("x\\tag{y}", True)]),
    "code within": ("$a=<code>b_1</code>$", [("a=b_1", False)]),
    "relation like a tag": ("\\(a<b\\) and \\(i<n_1\\)", [("a<b", False), ("i<n_1", False)]),
    "MathJax 3, CommonHTML alone": (CHTML, [("x_{i}^{j} + \\frac{1}{2}", False)]),
    "MathJax 3, SVG alone": (SVG, [("x_{i}^{j} = \\sqrt{2}", True)]),
    "KaTeX, HTML alone": (KATEX_HTML, [("x_{i}^{j} = \\frac{1}{2}", False)]),
    "KaTeX, HTML alone, display": (KATEX_SUM, [("\\sum_{i = 1}^{n}\\sqrt{i}", True)]),
    "KaTeX, HTML alone, a drawn accent": (KATEX_DRAWN, []),
    "MathJax 3, an error": (
        '<mjx-container><mjx-math><mjx-merror><mjx-mtext></mjx-mtext></mjx-merror></mjx-math>'
        "</mjx-container>", [],
    ),
    "KaTeX in eq": (
        '<eq><span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi><annotation'
        ' encoding="application/x-tex">x</annotation></semantics></math></span></span></eq>',
        [("x", False)],
    ),
    "KaTeX, an error": ('<span class="katex-error" title="no">\\foo{x}</span>',
                        [("\\foo{x}", False)]),
    "LaTeXML, rows": (
        '<table class="ltx_equationgroup ltx_eqn_table"><tr class="ltx_eqn_row"><td class="'
        'ltx_eqn_center_padleft"></td><td><math alttext="a_1"></math></td><td><math alttext="=b_1">'
        '</math></td></tr><tr><td class="ltx_eqn_center_padleft"></td><td></td><td><math '
        'alttext="=c_1"></math></td></tr></table>',
        [("\\begin{aligned}\na_1 & =b_1 \\\\\n & =c_1\n\\end{aligned}", True)],
    ),
    "LaTeXML, an array": ('<math alttext="\\begin{array}[]{c}a\\end{array}"></math>',
                          [("\\begin{array}{c}a\\end{array}", False)]),
    "a dollar of its own": ('<img class="tex" alt="a_1$">', [("a_1\\$", False)]),
    "Unicode in an image": ('<img class="math" alt="x ∈ ℝ" src="a.png">',
                            [("x \\in \\mathbb{R}", False)]),
    "only space": ("before $\\quad$ after", []),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name: str) -> None:
    body, expected = VARIANTS[name]
    result = extract(page(f"<p>Here we have {body} in the text.</p>"))
    assert [(f.latex, f.display) for f in result.formulas] == expected, result.text


def test_sup_on_words_and_notes() -> None:
    body = '<p>5 km<sup>2</sup> on the 1<sup>st</sup> as said<sup><a href="#fn1">1</a></sup> it</p>'
    assert "5 km^2 on the 1st as said[^1] it" in extract(page(body)).text
