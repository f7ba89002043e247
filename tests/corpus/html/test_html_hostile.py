"""Whatever a page holds, extraction gives a value: broken, deep, huge, mutated, not HTML at all."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.processes import Pool
from mathlm.corpus.html import Extraction, extract, extract_file, extract_item

FORMS = Path(__file__).with_name("forms.jsonl").read_bytes()
MILLION = 1_000_000


def check(result: Extraction) -> None:
    """What holds for every result."""
    assert (result.reason is None) == bool(result.text)
    assert result.reason != "error", result.detail
    result.text.encode("utf-8")
    place = 0
    for formula in result.formulas:
        assert formula.latex.strip()
        place = result.text.index(formula.latex.split("\n")[0][:20], place)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"<html><body></body></html>", "empty"),
        (b"<script>alert(1)</script>", "empty"),
        (b"%PDF-1.4\n%\xe2\xe3", "not_html"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not_html"),
        (b"PK\x03\x04 archive", "not_html"),
        (bytes(range(20)) * 50, "not_html"),
        (b"x" * 2000, "too_large"),
        (b"<b></b>" * 120, "too_many_nodes"),
    ],
)
def test_reasons(page: bytes, reason: str) -> None:
    result = extract(page, max_bytes=1500, max_nodes=100)
    assert (result.text, result.reason) == ("", reason)


def test_a_picture_by_its_header() -> None:
    assert extract(b"<p>text</p>", content_type="image/png").reason == "not_html"
    assert extract(b"<p>text</p>", content_type="application/xhtml+xml").reason is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: "<div>" * MILLION,
        lambda: "<div>" * 15_000 + "deep text" + "</div>" * 15_000,
        lambda: "<b><i>" * 10_000,
        lambda: "<p>" * 100_000,
        lambda: "<table><tr><td>" * 5_000,
        lambda: "<a href=x>" * 20_000,
        lambda: "<ul><li>" * 5_000 + "text",
        lambda: "<blockquote>" * 3_000 + "text",
        lambda: "<math>" + "<mrow>" * 20_000 + "<mi>x</mi>",
        lambda: "<span class=katex>" * 2_000,
        lambda: "<svg><foreignObject>" * 3_000,
        lambda: "</p>" * 100_000,
        lambda: "<" * 100_000,
        lambda: "<!--" * 50_000,
        lambda: "<p>" + "$" * 100_000,
        lambda: "<p>" + "$x" * 20_000,
        lambda: "<p>" + "\\begin{align}" * 3_000,
        lambda: "<p>" + "{" * 50_000 + "$",
        lambda: "<p>" + "`" * 50_000,
        lambda: "<p>" + "\\(" * 20_000,
        lambda: "<p>" + "x<sup>2</sup>" * 3_000,
        lambda: "<p>" + "a" * 500_000 + "<sub>1</sub>",
        lambda: "<img src='http://latex.codecogs.com/gif.latex?" + "%5C" * 20_000 + "'>",
        lambda: "<p>\x00\x07\x1b\ud800\udfff\ufdd0\ufffe text</p>",
        lambda: "<p>\u202eright to left\u202c</p>",
        lambda: "<td>cell</td><li>item</li></table></ul>",
        lambda: "<pre>" + "```\n" * 1000,
        lambda: "<table><tr>" + "<td colspan=99999999>x</td>" * 20 + "</tr><tr><td>a<td>b</table>",
        lambda: "<ol start=-99999999999999999999><li>x</ol>",
    ],
)
def test_hostile_pages_end_soon(make: Callable[[], str]) -> None:
    page = make()
    start = time.process_time()
    check(extract(page))
    assert time.process_time() - start < 12


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=300))
def test_anything(page: bytes | str) -> None:
    result = extract(page)
    check(result)
    assert extract(page) == result


def mutated(page: bytes, random_: random.Random) -> bytes:
    """The page with some of its bytes cut out, doubled, swapped or replaced."""
    data = bytearray(page)
    for _ in range(random_.randrange(1, 12)):
        start = random_.randrange(max(1, len(data)))
        end = min(len(data), start + random_.choice((1, 2, 20, 500)))
        kind = random_.randrange(5)
        if kind == 0:
            del data[start:end]
        elif kind == 1:
            data[start:start] = data[start:end]
        elif kind == 2:
            data[start:end] = random_.randbytes(end - start)
        elif kind == 3:
            data[start:start] = random_.choice(
                (b"<div>" * 50, b"</div>" * 50, b"<math>", b"$$", b"\\[", b"<table>", b"\x00",
                 b"<script>", b"<!--", b"</body>", b"<template>", b"\xff\xfe", b"<plaintext>")
            )  # fmt: skip
        else:
            data = data[:start] if random_.random() < 0.2 else data
    return bytes(data)


def test_mutated_forms() -> None:
    for seed in range(200):
        check(extract(mutated(FORMS, random.Random(seed))))


@pytest.mark.data
def test_mutated_pages(data_dir: Path) -> None:
    pages = sorted((data_dir / "web" / "webkit_bench" / "origin").glob("*.html"))
    small = [path.read_bytes() for path in pages if path.stat().st_size < 60_000]
    for seed in range(80):
        generator = random.Random(seed)
        check(extract(mutated(generator.choice(small), generator)))


@pytest.mark.slow
@pytest.mark.data
def test_many_mutated_pages_in_the_pool(data_dir: Path) -> None:
    pages = sorted((data_dir / "web" / "webkit_bench" / "origin").glob("*.html"))
    contents = [path.read_bytes() for path in pages]

    def items() -> object:
        for seed in range(4_000):
            generator = random.Random(seed)
            yield {"html": mutated(generator.choice(contents), generator)}

    with Pool("mathlm.corpus.html:extract_item", workers=2, timeout_s=30) as pool:
        outcomes = list(pool.map(items(), group=20))  # type: ignore[arg-type]
    assert len(outcomes) == 4_000
    assert all(outcome.done for outcome in outcomes)


def test_the_pool_gives_the_same(tmp_path: Path) -> None:
    page = b"<p>The formula $x^2$ stands here.</p>"
    path = tmp_path / "page.html"
    path.write_bytes(page)
    expected = extract(page)
    with Pool("mathlm.corpus.html:extract_file", timeout_s=60) as pool:
        assert pool.run({"path": str(path)}).value == expected
        assert pool.run({"html": page}).value == expected
    assert extract_item({"html": page}) == expected
    assert extract_file({"path": str(tmp_path / "none")}).reason == "error"


def test_a_hundred_megabytes_are_refused_at_once() -> None:
    start = time.process_time()
    assert extract(b"<p>" + b"a" * 100 * 2**20).reason == "too_large"
    assert time.process_time() - start < 1


def test_the_same_in_processes_with_other_hash_seeds() -> None:
    code = (
        "import sys; from pathlib import Path; from mathlm.corpus.html import extract;"
        "sys.stdout.buffer.write(extract(Path(sys.argv[1]).read_bytes()).model_dump_json().encode())"
    )
    path = Path(__file__).with_name("forms.jsonl")
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    "body",
    [
        "&#xFDD0;0&#xFDD2; x<sup>&#xfdd4;2</sup> <code>&#64977;7&#xfdd2;</code> &#1;&#x1f;&#xFFFE;",
        '<img class="tex" alt="x_1&#xfdd0;5&#xfdd2;"> $y$',
        '<span data-tex="x_1&amp;#xFDD0;0&amp;#xFDD2;"></span> $y$',
        '<mjx-container><mjx-math><mjx-mi><mjx-c class="mjx-cFDD0"></mjx-c></mjx-mi></mjx-math>'
        "</mjx-container>",
        '<mjx-container><mjx-math><mjx-mi><mjx-c class="mjx-cD800"></mjx-c></mjx-mi></mjx-math>'
        "</mjx-container>",
        "$$ x <code>&#xfdd3;</code> <br> \\(y\\) $$",
    ],
)
def test_marks_of_ours_cannot_come_from_a_page(body: str) -> None:
    result = extract(f"<h1>T</h1><p>Let $z$ be in words that are long enough to count: {body}</p>")
    everything = result.text + "".join(f.latex for f in result.formulas)
    assert not [c for c in everything if (c < " " and c != "\n") or "\ufdd0" <= c <= "\ufdef"]
    assert not [c for c in everything if "\ud800" <= c < "\ue000" or c == "\ufffe"]
    for formula in result.formulas:
        assert formula.latex in result.text


@pytest.mark.parametrize(
    "markup",
    [
        "<mjx-mrow>" * 3000,
        "<mjx-mfrac><mjx-frac><mjx-num>" * 2000,
        "<mjx-mfrac></mjx-mfrac><mjx-msup></mjx-msup><mjx-mroot><mjx-sqrt></mjx-sqrt></mjx-mroot>",
        "<mjx-mtable><mjx-labels></mjx-labels></mjx-mtable><mjx-mlabeledtr></mjx-mlabeledtr>",
        '<g data-mml-node="math">' + '<g data-mml-node="msup">' * 3000,
        '<g data-mml-node="math"><g data-mml-node="mfrac"></g><g data-mml-node="mroot"></g></g>',
        '<g data-mml-node="math">' + '<g data-mml-node="mtable"><g data-labels="1">' * 300,
    ],
)
def test_broken_output_of_mathjax(markup: str) -> None:
    inside = f"<svg>{markup}</svg>" if "data-mml" in markup else f"<mjx-math>{markup}</mjx-math>"
    page = f"<h1>T</h1><p>Words of a paragraph.</p><mjx-container>{inside}</mjx-container>"
    result = extract(page)
    assert result.reason is None
    assert result.text.startswith("# T\n\nWords of a paragraph.")


@pytest.mark.parametrize(
    "markup",
    [
        '<span class="mord">' * 3000,
        '<span class="msupsub"></span>',
        '<span class="mfrac"></span><span class="sqrt"></span><span class="mtable"></span>',
        '<span class="op-limits"><span class="vlist-t"><span class="vlist"></span></span></span>',
        '<span class="accent"><span class="vlist-t"><span class="vlist"><span>x</span></span>',
        '<span class="mord"><span class="vlist-t"></span></span><span class="delimsizing"></span>',
        '<span class="mord">\ue020</span><svg></svg>',
    ],
)
def test_broken_output_of_katex(markup: str) -> None:
    html = f'<span class="katex"><span class="katex-html" aria-hidden="true">{markup}</span></span>'
    result = extract(f"<h1>T</h1><p>Words of a paragraph. {html}</p>")
    assert result.reason is None
    assert result.text.startswith("# T\n\nWords of a paragraph.")


def test_annotations_within_content_markup_are_not_the_formula() -> None:
    math = (
        "<math><semantics><mi>x</mi><annotation-xml encoding='MathML-Content'><semantics><ci>x</ci>"
        "<annotation encoding='application/x-tex'>no</annotation></semantics></annotation-xml>"
        "<annotation encoding='application/X-TeX; mode=inline'>x_1</annotation></semantics></math>"
    )
    result = extract(f"<h1>T</h1><p>Words of a paragraph with {math} in it.</p>")
    assert [f.latex for f in result.formulas] == ["x_1"]


@pytest.mark.parametrize(
    "unit", ["\\begin{align}", "\\begin {align}", "x<a\\b ", "<i>x</i><sup>2</sup>"]
)
def test_many_openings_take_linear_time(unit: str) -> None:
    def seconds(count: int) -> float:
        page = f"<h1>T</h1><p><span class='texhtml'>{unit * count}</span></p>"
        start = time.process_time()
        extract(page)
        return time.process_time() - start

    seconds(100)
    assert seconds(8000) < 20 * seconds(1000) + 0.5


@pytest.mark.parametrize("unit", ["$${", "##{", "$x\\text{", "[tex]{", "$$$", "$$ is cheap "])
def test_many_open_delimiters_take_linear_time(unit: str) -> None:
    start = time.process_time()
    extract(f"<h1>T</h1><p>{unit * 8000}</p>")
    assert time.process_time() - start < 3
