"""Real pages with checked references: formulas found, right and single; content kept; commands."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.corpus.html import extract


@pytest.mark.data
def test_scores(data_dir: Path, scoring: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    pages = scoring.load(data_dir / "web")
    scores = scoring.fidelity(pages)
    with capsys.disabled():
        print(f"\n{len(pages)} pages: {json.dumps(scores)}")
    assert len(pages) == 54
    assert scores["formula_recall"] >= 0.975
    assert scores["formula_precision"] >= 0.985
    assert scores["doubled"] <= 0.005
    assert scores["display_right"] >= 0.965
    assert scores["content_f1"] >= 0.815


@pytest.mark.data
def test_formula_fixtures(
    data_dir: Path, scoring: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_dir / "web" / "ccmath"
    expected_count = found_count = 0
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        case = json.loads(line)
        result = extract((folder / case["page"]).read_bytes(), url=case["base_url"])
        ours = [scoring.normal_form(f.latex) for f in result.formulas]
        for kind in ("display", "inline"):
            path = folder / case[kind]
            if not case[kind] or not path.is_file():
                continue
            for latex in filter(None, path.read_text(encoding="utf-8").split("\n")):
                expected_count += 1
                wanted = scoring.normal_form(latex)
                found = any(wanted in one for one in ours)
                found_count += found
    with capsys.disabled():
        print(f"\nformula fixtures: {found_count} of {expected_count} found")
    assert (found_count, expected_count) >= (740, 762)


def test_a_reference_agrees_with_itself(scoring: ModuleType) -> None:
    for latex in ("\\frac{a}{b}", "\\left( x \\right)", "x_{1}^{2}", "a\\;b", "\\text{if } x"):
        once = scoring.normal_form(latex)
        assert scoring.normal_form(once) == once
    assert scoring.normal_form("\\left(\\dfrac ab\\right)") == scoring.normal_form("(\\frac{a}{b})")
    assert scoring.normal_form("x^2") != scoring.normal_form("x_2")


@pytest.fixture
def pages(tmp_path: Path) -> list[str]:
    """Three pages: a good one, one without text, one that is no page."""
    contents = (b"<title>T</title><p>Let $x^2$ be.</p>", b"<script>1</script>", b"%PDF-1.5")
    paths = []
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.html"
        path.write_bytes(content)
        paths.append(str(path))
    return paths


def test_command_json(pages: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", *pages, "--json", "--workers", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["source"] for line in lines] == pages
    assert [line["reason"] for line in lines] == [None, "empty", "not_html"]
    assert lines[0] == {
        "source": pages[0],
        "text": "Let $x^2$ be.",
        "title": "T",
        "formulas": [{"latex": "x^2", "display": False}],
        "charset": "utf-8",
        "reason": None,
    }


def test_command_text(pages: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", pages[0]]) == 0
    assert capsys.readouterr().out == "Let $x^2$ be.\n"
    assert main(["extract", *pages[:2]]) == 0
    output = capsys.readouterr()
    assert f"==> {pages[0]} <==" in output.out
    assert "no text: empty" in output.err


@pytest.mark.parametrize(
    "words", [["missing.html"], ["."], ["-", "-"], ["a.html", "b.html", "--url", "http://x"]]
)
def test_command_mistakes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", *words]) == 2
    assert capsys.readouterr().out == ""


def test_the_mistake_is_a_user_error() -> None:
    from mathlm.cli import build_parser

    args = build_parser("extract").parse_args(["missing.html"])
    with pytest.raises(UserError, match=r"cannot read missing\.html"):
        args.run(args)
