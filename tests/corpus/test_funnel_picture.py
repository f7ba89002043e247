"""The picture of the funnel: well-formed, its bars in proportion, whatever the reasons say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.corpus.funnel import STEPS, Row
from mathlm.corpus.funnel_picture import render

SVG = "{http://www.w3.org/2000/svg}"
REASONS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40),
    st.integers(1, 10**10),
    max_size=7,
)


def bars(picture):
    """By the height at which they stand, the widths of each bar's parts and what they are of."""
    found: dict[str, list[tuple[float, str]]] = {}
    for part in ElementTree.fromstring(picture).iter(f"{SVG}rect"):
        title = part.find(f"{SVG}title")
        if title is not None:
            found.setdefault(part.get("y", ""), []).append((float(part.get("width")), title.text))
    return list(found.values())


@given(st.lists(st.tuples(st.integers(0, 10**10), REASONS), max_size=4))
def test_each_bar_is_all_that_came_in(counts):
    rows = []
    for step, (kept, dropped) in zip(STEPS, counts, strict=False):
        row = Row(step, "web", kept)
        row.dropped.update(dropped)
        rows.append(row)
    found = bars(render([row.as_json() for row in rows]))
    shown = [row for row in rows if row.taken_in]
    assert len(found) == len(shown)
    for row, parts in zip(shown, found, strict=True):
        assert sum(width for width, _ in parts) == pytest.approx(470, abs=0.1)
        assert parts[0][0] == pytest.approx(470 * row.kept / row.taken_in, abs=0.01)
        assert len(parts) == 1 + len(row.dropped)


def test_sources_are_added_up():
    rows = [
        {"step": "read", "source": name, "kept": 3, "dropped": {}, "failed": {"empty": n}}
        for n, name in enumerate("ab")
    ]
    picture = render(rows)
    assert "7 → 6" in picture
    assert "empty: 1" in picture
