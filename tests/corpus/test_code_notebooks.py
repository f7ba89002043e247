"""Notebooks to Markdown, and code sources of many languages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.stage import StageContext
from mathlm.corpus.code.notebooks import to_markdown
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.source_config import CodeSource
from mathlm.corpus.sources import list_items
from mathlm.corpus.stage import run


def notebook(*cells, **more):
    return json.dumps({"cells": list(cells), "nbformat": 4, **more})


def prose(source):
    return {"cell_type": "markdown", "source": source}


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([prose(["# One\n", "$x$"])], "# One\n$x$\n"),
        ([prose("a ![plot](p.png) b <img src='x'> c")], "a  b  c\n"),
        ([prose("a <script>alert(1)</script> b <IFRAME src=x></IFRAME>c")], "a  b c\n"),
        ([code("1 + 1", {"data": {"text/plain": "2"}})], "```python\n1 + 1\n```\n\n```\n2\n```\n"),
        ([code("p()", {"text": ["a\n", "b"]})], "```python\np()\n```\n\n```\na\nb\n```\n"),
        (
            [code("plot()", {"text": "kept?"}, {"data": {"image/png": "iVBO", "text/plain": "F"}})],
            "```python\nplot()\n```\n",
        ),
        ([code("1/0", {"output_type": "error", "traceback": ["x"]})], "```python\n1/0\n```\n"),
        ([code("s = '```'")], "````python\ns = '```'\n````\n"),
        ([code(""), prose(""), 3, {"cell_type": "markdown"}], "\n"),
    ],
)
def test_cells(cells, expected):
    assert to_markdown(notebook(*cells)) == expected


def test_format_three_and_other_languages():
    cell = {"cell_type": "code", "input": "f(x) = x", "outputs": [{"text": "f"}]}
    old = json.dumps({"worksheets": [{"cells": [cell]}], "nbformat": 3})
    assert to_markdown(old) == "```python\nf(x) = x\n```\n\n```\nf\n```\n"
    julia = notebook(code("1"), metadata={"language_info": {"name": "julia"}})
    assert to_markdown(julia) == "```julia\n1\n```\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"cells": 3}', "[" * 100_000])
def test_what_is_no_notebook(text):
    assert to_markdown(text) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "cell_type", "source", "outputs", "data", "text", "metadata"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["cells", "worksheets", "metadata"]), json_values))
def test_any_json_is_read_or_refused(value):
    text = to_markdown(json.dumps(value))
    assert text is None or text.endswith("\n")


@pytest.mark.data
def test_real_notebooks_keep_their_words(data_dir):
    paths = sorted((data_dir / "sources" / "jupyter").rglob("*.ipynb"))
    assert len(paths) == 45
    for path in paths:
        text = to_markdown(path.read_text(encoding="utf-8"))
        assert text is not None
        assert "data:image" not in text or "base64" not in text
        assert len(text) < len(path.read_bytes())


@pytest.mark.data
def test_a_stage_over_seventeen_languages(data_dir, tmp_path):
    sources = {"stack": {"kind": "code", "folders": [str(data_dir / "sources")], "held_out": 0}}
    config = CorpusConfig.model_validate({"sources": sources, "mode": "paper"})
    run(StageContext("corpus", tmp_path), config)
    rows = {row["step"]: row for row in json.loads((tmp_path / "funnel.json").read_text())}
    labels = (data_dir / "sources" / "labels.jsonl").read_text().splitlines()
    expected = sum(json.loads(line)["expected"] == "keep" for line in labels)
    assert rows["read"]["kept"] == len(labels)
    assert rows["filter"]["kept"] == expected


def test_unknown_languages_are_told():
    source = CodeSource(folders=(), languages=("lean", "cobol"))
    with pytest.raises(UserError, match="no such language: cobol"):
        list_items(source, Progress(quiet=True))
