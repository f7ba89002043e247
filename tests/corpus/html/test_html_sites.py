"""Formulas as single sites and tools write them, and settings of delimiters in odd spellings."""

from __future__ import annotations

import pytest

from mathlm.corpus.html import extract

PROSE = "This paragraph has enough ordinary words to be taken for the content of the page."


def kinds(body: str, head: str = "") -> list[tuple[str, bool]]:
    """The formulas of a page: LaTeX, and whether they are displays."""
    html = f"<html><head><title>T</title>{head}</head><body><p>{PROSE}</p>{body}</body></html>"
    return [(f.latex, f.display) for f in extract(html).formulas]


def katex(tex: str) -> str:
    return (
        "<span class='katex'><span class='katex-mathml'><math><semantics><mi>x</mi><annotation "
        f"encoding='application/x-tex'>{tex}</annotation></semantics></math></span>"
        "<span class='katex-html' aria-hidden='true'>x</span></span>"
    )


SITES = {
    "Codeforces": (
        "<p>Given $$$n$$$ and $$$a_1, \\ldots$$$ of $$$aab$$$.</p><p>$$$$$$ s = 1 $$$$$$</p>",
        [("n", False), ("a_1, \\ldots", False), ("aab", False), ("s = 1", True)],
    ),
    "Codeforces, older": (
        '<p>the <span class="tex-span"><i>a</i><sub class="lower-index"><i>i</i></sub> ≤ 5</span> '
        'of <span class="tex-span"><i>n</i></span></p>',
        [("a_{i} \\leq 5", False), ("n", False)],
    ),
    "AtCoder": (
        "<p>Given <var>A_1</var> with <var>1 \\leq N</var> and the <var>file_name</var> "
        "of <var>name=value</var>.</p>",
        [("A_1", False), ("1 \\leq N", False)],
    ),
    "Canvas": (
        '<p>Let <img class="equation_image" title="a_1+b" src="/equation_images/a_1%252Bb" '
        'alt="LaTeX: a_1+b" data-equation-content="a_1+b"><span class="hidden-readable"><math>'
        "<mi>a</mi></math></span> and <img class='equation_image' alt='LaTeX: x'> be</p>",
        [("a_1+b", False), ("x", False)],
    ),
    "Substack": (
        '<p>so</p><div class="latex-rendered" data-attrs="{&quot;persistentExpression&quot;:'
        '&quot;x = \\\\frac{1}{2}&quot;}" data-component-name="LatexBlockToDOM"></div>'
        '<div class="latex-rendered" data-attrs="[1"></div>',
        [("x = \\frac{1}{2}", True)],
    ),
    "GitHub": (
        '<p>Let <math-renderer class="js-inline-math">$`n_1`$</math-renderer> be</p>'
        '<math-renderer class="js-display-math">$$y=1$$</math-renderer>',
        [("n_1", False), ("y=1", True)],
    ),
    "AoPS": (
        '<p>Find <img class="latex" alt="$E$" src="//latex.artofproblemsolving.com/a.png"> of '
        '<img class="latexcenter" alt="\\begin{align*}a&=b\\end{align*}" src="b.png"> so</p>',
        [("E", False), ("\\begin{align*}a&=b\\end{align*}", True)],
    ),
    "codecogs": (
        '<p>as <img src="https://latex.codecogs.com/svg.image?\\inline&space;\\bg{white}y_1"> and '
        '<img src="https://www.codecogs.com/eqnedit.php?latex=z#0"> so</p>',
        [("y_1", False), ("z", False)],
    ),
    "Physics Forums without its settings": (
        "<p>Let ##x^2## be and ##n## so, ## a heading ## and #1.</p>",
        [("x^2", False), ("n", False)],
    ),
    "XenForo": (
        "<p>Let [MATH]y^2[/MATH] be and [imath]z[/imath] with [TEX]w[/TEX]</p>",
        [("y^2", False), ("z", False), ("w", True)],
    ),
    "edX": ("<p>so [mathjaxinline]x[/mathjaxinline] and [mathjax]y=1[/mathjax]</p>",
            [("x", False), ("y=1", True)]),
    "Zhihu and Khan, alone in its paragraph": (
        '<p>so <span class="ztext-math" data-tex="x^2"></span> and</p>'
        '<p><span class="tex" data-expr="y=mx+b"></span></p>',
        [("x^2", False), ("y=mx+b", True)],
    ),
    "MathML that says nothing, alone in its paragraph": (
        "<p>so <math><mi>y</mi><mo>=</mo><mn>1</mn></math> is</p><div class='equation'><math>"
        "<mi>y</mi><mo>=</mo><mn>1</mn></math></div>",
        [("y = 1", False), ("y = 1", True)],
    ),
    "scripts in dollars": ("<p>Let $x<sub>i</sub>$ and $f(x)=x<sup>2</sup>$ be</p>",
                           [("x_{i}", False), ("f(x)=x^{2}", False)]),
    "Docusaurus": (f"<p>Let {katex('x^2')} be</p><span class='katex-display'>{katex('y')}</span>",
                   [("x^2", False), ("y", True)]),
    "Brainly": (
        '<p>is <img src="https://tex.z-dn.net/?f=%5Cfrac%7B1%7D%7B2%7D" class="latex-formula"> so',
        [("\\frac{1}{2}", False)],
    ),
    "Study.com": ("<p>Let {eq}\\displaystyle x^2{/eq} be {a}.</p>", [("x^2", False)]),
    "Varsity Tutors": (
        '<p>is <img src="/formula_image/image/1/gif.latex" alt="\\displaystyle x=\\frac{1}{2}"> '
        '<img src="g.png" alt="The graph of \\sin"> <img src="f.png" alt="C:\\docs\\beta"></p>',
        [("x=\\frac{1}{2}", False)],
    ),
    "LaTeX2HTML": (
        '<p>is <img src="img1.png" alt="$ x$"> <div class="mathdisplay"><img src="img2.png" '
        'alt="\\begin{displaymath}z=1\\end{displaymath}"></div>', [("x", False), ("z=1", True)],
    ),
    "MathQuill": (
        '<p>is <span class="mathquill-embedded-latex">x</span> and <span '
        'class="mathquill-embedded-latex">\\dfrac{1}{2}</span></p>',
        [("x", False), ("\\dfrac{1}{2}", False)],
    ),
    "Math is Fun": (
        '<p>x = <span class="intbl"><em>−b ± b<sup>2</sup></em><strong>2a</strong></span></p>',
        [("\\frac{-b \\pm b^{2}}{2a}", False)],
    ),
    "Typora": (
        '<p>so <mjx-container><svg><g data-mml-node="math"><g data-mml-node="mi"><path data-c='
        '"1D465"></path></g></g></svg></mjx-container><script type="math/tex">x</script> is</p>',
        [("x", False)],
    ),
    "a document for each formula": (
        "<p>so \\documentclass[12pt]{minimal} \\begin{document}$$x^2$$\\end{document} is and "
        "\\documentclass{article} \\begin{document} words \\end{document}</p>",
        [("x^2", False)],
    ),
    "LessWrong": (
        '<p>so <span class="mjx-chtml"><span><span class="mjx-math" aria-label="x^2">'
        '<span aria-hidden="true">x</span></span></span></span> is</p><span class="mjx-chtml '
        'MJXc-display"><span class="mjx-math" aria-label="y"></span></span>',
        [("x^2", False), ("y", True)],
    ),
    "GeeksforGeeks": ("<p>Given [Tex]\\frac{a}{b} [/Tex]and so</p>", [("\\frac{a}{b}", False)]),
    "other renderers": (
        '<p>so <img src="https://math.jianshu.com/math?formula=x%5E2%2B1" class="math-inline"> and '
        '<img src="https://www.nowcoder.com/equation?tex=x%5E2&amp;preview=true"> or <img '
        'src="https://latex.csdn.net/eq?y_1"> is</p>',
        [("x^2+1", False), ("x^2", False), ("y_1", False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SITES)
def test_site(name: str) -> None:
    body, expected = SITES[name]
    assert kinds(body) == expected


MATHJAX = "<script>MathJax = {tex: {inlineMath: [%s]}}</script>"
KATEX = "<script>renderMathInElement(document.body, {delimiters: [%s]})</script>"
SETTINGS = [
    (MATHJAX % "// the usual\n['$', '$'], /* and */ ['\\\\(', '\\\\)']", "the $dog$", ["dog"]),
    (MATHJAX % "\n// ['$', '$'],\n['@', '@']", "a $dog$ and @x@", ["x"]),
    (MATHJAX % "['\\(', '\\)'], [`%`, `%`]", "a (bracket) and \\(x\\), %y%", ["x", "y"]),
    (KATEX % "{display: false, left: '@', right: '@'}", "so @x+1@", ["x+1"]),
    (
        "<script>MathJax.Hub.Config({asciimath2jax: {delimiters: [['\\\\$', '\\\\$']]}})</script>",
        "as \\$x/2\\$ in AsciiDoctor",
        ["\\frac{x}{2}"],
    ),
    ("<script>$('a').animate({left: '10', right: '10'}); display = 1</script>", "10 x 10", []),
]


@pytest.mark.parametrize(("head", "text", "expected"), SETTINGS)
def test_settings_of_delimiters(head: str, text: str, expected: list[str]) -> None:
    assert [latex for latex, _ in kinds(f"<p>{text}</p>", head)] == expected


def test_escapes_alone_are_mathematics() -> None:
    text = "<p>pays $\\$100$ for $50\\%$ of $\\#A$, or $1\\,000$, never \\$5 and \\$7</p>"
    assert [latex for latex, _ in kinds(text)] == ["\\$100", "50\\%", "\\#A", "1\\,000"]


@pytest.mark.parametrize(
    "text",
    [
        "the cells A$1 and B$2:B$10",
        "Prices: $$ is cheap, $$$ is dear, and $$$$ is for kings.",
        "between $3bn; US$ and HK$10",
        "the $$$ CASH $$$ of it",
        "## Not ## a formula",
        "tokens A##B##C of a macro",
        "an {eq} alone and {eq}",
    ],
)
def test_what_only_looks_like_delimiters(text: str) -> None:
    assert text in extract(f"<p>{PROSE}</p><p>{text}</p>").text


def test_pipes_in_cells_of_tables() -> None:
    html = (
        "<table><tr><th>$|x|$</th><th>b</th></tr><tr><td>$\\|v\\|$</td><td><code>a|b</code></td>"
        "</tr><tr><td>$P(A|B)$</td><td>a|b</td></tr></table>"
    )
    assert extract(f"<p>{PROSE}</p>{html}").text.endswith(
        "| $\\vert x\\vert$ | b |\n| --- | --- |\n| $\\Vert v\\Vert$ | `a\\|b` |\n"
        "| $P(A\\vert B)$ | a\\|b |"
    )


def test_cells_that_span_rows() -> None:
    html = (
        "<table><tr><th>a</th><th>b</th><th>c</th></tr><tr><td rowspan=3>1</td><td>2</td><td "
        "rowspan=2>3</td></tr><tr><td>4</td></tr><tr><td>5</td><td>6</td></tr></table>"
    )
    assert extract(f"<p>{PROSE}</p>{html}").text.endswith(
        "| 1 | 2 | 3 |\n|  | 4 |  |\n|  | 5 | 6 |"
    )


@pytest.mark.parametrize("sign", ["¶", "#", "§"])
def test_a_heading_without_its_link_to_itself(sign: str) -> None:
    html = f'<h2 id="s">On $x$<a class="anchor-link" href="#s">{sign}</a></h2><p>{PROSE}</p>'
    assert extract(html).text.startswith("## On $x$\n")


@pytest.mark.parametrize("tag", ["<script src='a.js'/>", "<title/>", "<style/>"])
def test_elements_of_xhtml_that_end_themselves(tag: str) -> None:
    head = f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head>{tag}</head>'
    assert extract(f"{head}<body><p>{PROSE}</p></body></html>").text == PROSE


def test_the_heading_of_the_site_is_not_that_of_the_page() -> None:
    html = (
        '<h1><a href="/">Site</a></h1><div><h1>On primes</h1><div class="entry-content">'
        f"<p>{PROSE}</p><p>{PROSE}</p><p>{PROSE}</p></div></div>"
    )
    assert extract(html).text.startswith(f"# On primes\n\n{PROSE}")


def test_numbers_of_items() -> None:
    html = '<ol><li>a</li><li value="5">b</li><li value="²">c</li></ol>'
    assert extract(f"<p>{PROSE}</p>{html}").text.endswith("1. a\n5. b\n6. c")
