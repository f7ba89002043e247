"""Structure that survives as Markdown, and surroundings that do not."""

from __future__ import annotations

import pytest

from mathlm.corpus.html import extract

PROSE = "This paragraph has enough ordinary words to be taken for the content of the page."

CASES = {
    "heading": ("<h2>Title <em>here</em></h2>", "## Title here"),
    "line break": ("<p>one<br>two</p>", "one\ntwo"),
    "white space": ("<p>one\n   two\t three&nbsp;four</p>", "one two three four"),
    "list": ("<ul><li>a<li>b</ul>", "- a\n- b"),
    "numbered": ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b"),
    "nested": ("<ul><li>a<ol><li>x<li>y</ol></li><li>b</li></ul>",
               "- a\n  1. x\n  2. y\n- b"),
    "display in a list": ("<ol><li>Let $$x=1$$ be</li></ol>", "1. Let\n\n   $$x=1$$\n\n   be"),
    "quote": ("<blockquote><p>said $x$</p><p>so</p></blockquote>", "> said $x$\n>\n> so"),
    "code": ('<pre><code class="language-python">def f(x):\n    return x_1  # $x$\n</code></pre>',
             "```python\ndef f(x):\n    return x_1  # $x$\n```"),
    "highlighted code": ('<div class="highlight-c"><pre>a<span>*</span>b;</pre></div>',
                         "```c\na*b;\n```"),
    "code span": ("<p>call <code>f($x$)</code> now</p>", "call `f($x$)` now"),
    "code span with ticks": ("<p>a <code>x`y</code></p>", "a `` x`y ``"),
    "fence in code": ("<pre>```\nx\n```</pre>", "````\n```\nx\n```\n````"),
    "table": ("<table><tr><th>n</th><th>$n^2$</th></tr><tr><td>2</td><td>4|5</td></tr></table>",
              "| n | $n^2$ |\n| --- | --- |\n| 2 | 4\\|5 |"),
    "spans": ("<table><tr><th colspan=2>ab</th><th>c</th></tr><tr><td>1<td>2<td>3</table>",
              "| ab |  | c |\n| --- | --- | --- |\n| 1 | 2 | 3 |"),
    "layout table": ("<table><tr><td><p>left words</p><ul><li>x</ul></td><td>right</table>",
                     "left words\n\n- x\n\nright"),
    "definitions": ("<dl><dt>Group</dt><dd>a set with $\\cdot$</dd></dl>",
                    "Group\n\n: a set with $\\cdot$"),
    "types of Docutils": (
        '<dl><dt>x<span class="classifier">float</span></dt><dt>y<span '
        'class="classifier-delimiter"> : </span><span class="classifier">int</span></dt></dl>',
        "x : float\n\ny : int"),
    "theorem by class": ('<div class="theorem"><p>Every $n$ is nice.</p></div>',
                         "**Theorem.** Every $n$ is nice."),
    "theorem that says so": ('<div class="theorem"><p><b>Theorem 2.</b> So $n$.</p></div>',
                             "Theorem 2. So $n$."),
    "LaTeXML theorem": ('<div class="ltx_theorem ltx_theorem_lemma"><h6 class="ltx_title">Lemma 3'
                        ".</h6><p>So.</p></div>", "###### Lemma 3.\n\nSo."),
    "footnote": ('<p>said<sup id="r1"><a href="#fn1">1</a></sup> so</p>', "said[^1] so"),
    "notes": ('<ol><li id="fn1">See <i>there</i> <a href="#r1">↩</a></li></ol>',
              "[^1]: See there"),
    "Wikipedia's notes": ('<p>So<sup id="cite_ref-2"><a href="#cite_note-Euler-2">[2]</a></sup></p>'
                          '<ol><li id="cite_note-Euler-2"><a href="#cite_ref-2">^</a> Euler</ol>',
                          "So[^2]\n\n[^2]: Euler"),
    "display in a paragraph": ("<p>We have $$x^2=1.$$ Therefore</p>",
                               "We have\n\n$$x^2=1.$$\n\nTherefore"),
    "rows of display": ("<p>\\[\\begin{aligned}a\\\\\nb\\end{aligned}\\]</p>",
                        "$$\n\\begin{aligned}a\\\\\nb\\end{aligned}\n$$"),
    "formula in a heading": ("<h3>On $\\pi$ and $$x$$</h3>", "### On $\\pi$ and $$x$$"),
    "LaTeXML equation": (
        '<table class="ltx_equation ltx_eqn_table"><tr><td></td><td><math alttext="a=b" '
        'display="block"><mi>a</mi></math></td><td>(7)</td></tr></table>', "$$a=b$$\n\n(7)"),
    "no escaping": ("<p>a_b * c &lt; d # e [f]</p>", "a_b * c < d # e [f]"),
    "quotation": ("<p><q>so</q></p>", "“so”"),
    "spoiler": ('<div class="spoiler" style="display:none"><p>The answer is 4.</p></div>',
                "The answer is 4."),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_structure(name: str) -> None:
    body, expected = CASES[name]
    text = extract(f"<article><p>{PROSE}</p>{body}<p>{PROSE}</p></article>").text
    assert text == f"{PROSE}\n\n{expected}\n\n{PROSE}"


SURROUNDINGS = {
    "navigation": "<nav><a href=/a>Home</a> <a href=/b>About</a></nav>",
    "menu by class": '<div class="main-menu"><ul><li><a href=a>Home</a><li>x</ul></div>',
    "cookie notice": '<div id="cookie-consent">We use cookies to make this site better.</div>',
    "share bar": '<div class="social-share">Share this <a href=x>Tweet</a></div>',
    "link farm": "<ul><li><a href=1>First</a><li><a href=2>Second</a><li><a href=3>3rd</a></ul>",
    "script": "<script>var x = '$y$';</script>",
    "style": "<style>p { color: red }</style>",
    "footer": "<footer>Copyright of somebody</footer>",
    "aside": "<aside>Read this other thing as well</aside>",
    "hidden": '<div style="display: none">Hidden words</div>',
    "comment": "<!-- a comment $x$ -->",
    "form": "<select><option>Choose one</option></select><button>Send</button>",
    "drawing": "<svg><text>drawn</text></svg>",
    "picture": '<img src="cat.jpg" alt="A cat">',
    "role": '<div role="navigation">Go somewhere else</div>',
    "related": '<section class="related-posts"><h3>Related</h3><p>Another post</p></section>',
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_go(name: str) -> None:
    page = f"<body>{SURROUNDINGS[name]}<div class='post'><p>{PROSE}</p><p>{PROSE}</p></div></body>"
    assert extract(page).text == f"{PROSE}\n\n{PROSE}"


def test_the_content_is_found_among_columns() -> None:
    page = (
        "<title>T | Site</title><header><h1>T</h1></header><div class=columns><div class=left>"
        f"<p>Short.</p></div><div id=content>{f'<p>{PROSE}</p>' * 5}</div></div>"
    )
    result = extract(page)
    assert result.text == "# T\n\n" + "\n\n".join([PROSE] * 5)
    assert result.title == "T | Site"


def test_a_class_name_alone_cannot_remove_the_page() -> None:
    assert PROSE in extract(f'<div class="sidebar menu footer"><p>{PROSE}</p></div>').text
    assert PROSE in extract(f"<body class='no-cookies has-sidebar'><p>{PROSE}</p></body>").text


def test_a_page_of_few_words_is_kept() -> None:
    assert extract("<p>Only $x$.</p>").text == "Only $x$."
    assert extract("plain text").text == "plain text"


def test_a_page_that_is_all_navigation_is_not_empty() -> None:
    page = "<nav><ul><li><a href=1>One</a><li><a href=2>Two</a><li><a href=3>Three</a></ul></nav>"
    assert extract(page).text == "- One\n- Two\n- Three"


def test_permalinks_in_headings_go() -> None:
    page = f'<h2>Limits<a class="headerlink" href="#l">¶</a></h2><p>{PROSE}</p>'
    assert extract(page).text == f"## Limits\n\n{PROSE}"


SHORT = "A short piece that names nothing."
LONG = "These are words of a paragraph that is long enough. " * 30


@pytest.mark.parametrize(
    "html",
    [
        f'<section id="recommendations"><h2>Recommendations</h2><p>{SHORT}</p></section>',
        f'<div class="math" id="equation-jump"><p>{SHORT}</p></div>',
        f'<dl><dt id="gui.widgets.Button">{SHORT}</dt></dl>',
        f'<div><pre><a href="">{SHORT}</a> <a href="">b</a> <a href="">c</a></pre></div>',
        f"<section><p>{SHORT} It holds \\(x\\).</p></section>",
        f'<aside class="topic"><p>{SHORT}</p></aside>',
        f'<div class="sidebar"><div class="titlepage"><p>Note</p></div><p>{SHORT}</p></div>',
        f'<aside class="sidebar"><p class="sidebar-title">Tip</p><p>{SHORT}</p></aside>',
        f'<h2><span><a href="">a</a>::<a href="">b</a>::<a href="">{SHORT}</a></span></h2>',
        f'<div class="fragment"><div class="line"><a href="">{SHORT}</a> <a href="">b</a>'
        ' <a href="">c</a></div></div>',
        '<table><tr><td><span>(</span><a href="">f</a> <span>(</span><a href="">g</a>'
        f' <span>(</span><a href="">{SHORT}</a></td></tr></table>',
        f'<table class="memberdecls"><tr><td><a href="">{SHORT}</a> <a href="">b</a>'
        ' <a href="">c</a></td></tr></table>',
        f'<ul><li><a href="">{LONG[:40]}</a></li><li><a href="">{LONG[:40]}</a></li>'
        f'<li><a href="">{LONG[:40]}</a> {SHORT} <span class="math">\\(x^2\\)</span></li></ul>',
    ],
)
def test_what_only_looks_like_surroundings_stays(html: str) -> None:
    page = f"<main><h1>T</h1>{html}<section><p>{LONG}</p><p>{LONG}</p></section></main>"
    assert SHORT in extract(page).text


def test_code_beside_the_words_about_it_stays() -> None:
    code = "\n".join(f"<span>template</span> f{n}(<a href=''>T{n}</a>);" for n in range(20))
    words = f"<div class=refsect1><h3>Description</h3><p>{PROSE}</p><p>{PROSE}</p></div>"
    page = f"<div class=refentry><h2>f</h2><pre class=synopsis>{code}</pre>{words}</div>"
    assert "template f19(T19);" in extract(page).text


def test_what_stands_before_a_long_section_stays() -> None:
    section = f"<section><h2>Options</h2><p>{LONG}</p></section>"
    page = f"<div class=page><h1>T</h1><p>{SHORT}</p>{section}</div>"
    assert extract(page).text.startswith(f"# T\n\n{SHORT}\n\n## Options")


def test_links_alone_do_not_save_a_sidebar() -> None:
    links = "".join(f"<li><a href='{n}'>Chapter {n} of the book</a></li>" for n in range(60))
    main = "<main><h1>f(x)</h1><p>Wrapper of f.</p></main>"
    page = f"<div class=sidebar><ul>{links}</ul></div>{main}"
    assert extract(page).text == "# f(x)\n\nWrapper of f."


def test_a_footer_about_rights_goes_from_a_page_of_few_words() -> None:
    rights = f"© 2026 The authors. {SHORT} It is licensed under the GNU Free Documentation License."
    page = f"<h1>T</h1><p>{SHORT}</p><div class=footer><p>{rights}</p></div>"
    assert extract(page).text == f"# T\n\n{SHORT}"
    kept = page.replace("©", "").replace("licensed", "given")
    assert "The authors." in extract(kept).text


def test_a_name_without_a_heading_is_believed() -> None:
    html = f'<div id="recommendations"><p>{SHORT}</p></div><nav><p>{SHORT}</p></nav>'
    assert SHORT not in extract(f"<main><h1>T</h1>{html}<p>{LONG}</p></main>").text


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ('<pre class="rouge highlight"><code data-lang="python">x</code></pre>', "python"),
        ('<pre class="src src-c">x</pre>', "c"),
        ('<pre class="highlight tsx"><code>x</code></pre>', "tsx"),
        ('<pre class="sourceCode haskell"><code>x</code></pre>', "haskell"),
        ('<pre class="highlight language-go">x</pre>', "go"),
    ],
)
def test_language_of_code(html: str, language: str) -> None:
    assert f"```{language}\nx\n```" in extract(f"<h1>T</h1><p>Words.</p>{html}").text


def test_lines_of_doxygen() -> None:
    html = '<div class="fragment"><div class="line">a</div><div class="line">  b</div></div>'
    assert "```\na\n  b\n```" in extract(f"<h1>T</h1><p>Words.</p>{html}").text


@pytest.mark.parametrize(
    "html",
    [
        '<aside class="footnote brackets" role="doc-footnote"><p>A note on it.</p></aside>',
        '<aside class="admonition theorem"><p>Theorem</p><p>A note on it.</p></aside>',
    ],
)
def test_asides_of_the_text_stay(html: str) -> None:
    words = "These are words of a paragraph that is long enough. " * 20
    assert "A note on it." in extract(f"<main><h1>T</h1><p>{words}</p>{html}</main>").text
    other = '<aside class="promo"><p>A note on it.</p></aside>'
    assert "A note on it." not in extract(f"<main><h1>T</h1><p>{words}</p>{other}</main>").text
