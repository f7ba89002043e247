"""The funnel as a picture: for each step what came in, and what became of it.

Every bar is the whole of what came into its step, so that steps that keep one page in a hundred can
still be read. A plain SVG without scripts, fonts or links: it stands in the dataset card, and
shows wherever Markdown with images does.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mathlm.corpus.funnel import STEPS, Row

_WIDTH, _ROW, _TOP = 860, 48, 34
_BAR_X, _BAR_WIDTH, _BAR_HEIGHT = 170, 470, 18
_KEPT = "#1d6fb8"
_LOST = ("#d9822b", "#e6a561", "#efc498", "#f6dfc6")
"""Of the commonest reasons; the last one stands for all others too."""
_MAX_LINE = 96
"""Characters of the line of reasons below a bar."""


class _Step(NamedTuple):
    name: str
    taken_in: int
    kept: int
    lost: list[tuple[str, int]]
    """Reasons and counts, the commonest first."""


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `funnel.json`, all sources together, as SVG."""
    steps = [step for name in STEPS if (step := _sum(name, rows)).taken_in]
    height = _TOP + _ROW * len(steps) + 8
    first, last = (steps[0].taken_in, steps[-1].kept) if steps else (0, 0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"'
        f' height="{height}" font-family="system-ui, sans-serif" font-size="13" role="img">',
        f"<title>{first:,} documents came in, {last:,} are kept</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(),
    ]
    for number, step in enumerate(steps):
        lines += _bar(step, _TOP + _ROW * number)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _sum(name: str, rows: Sequence[Mapping[str, Any]]) -> _Step:
    """One step over all sources."""
    whole = Row(name, "")
    for row in rows:
        if row["step"] == name:
            whole.add(Row.of(row))
    lost = sorted((whole.dropped + whole.failed).items(), key=lambda pair: (-pair[1], pair[0]))
    return _Step(name, whole.taken_in, whole.kept, lost)


def _legend() -> Iterator[str]:
    for x, colour, text in ((_BAR_X, _KEPT, "kept"), (_BAR_X + 70, _LOST[0], "dropped or failed")):
        yield f'<rect x="{x}" y="10" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="20" fill="#333333">{text}</text>'


def _bar(step: _Step, top: int) -> Iterator[str]:
    yield (
        f'<text x="{_BAR_X - 10}" y="{top + 14}" text-anchor="end" fill="#111111">'
        f"{step.name.replace('_', ' ')}</text>"
    )
    x = float(_BAR_X)
    for number, (label, count) in enumerate([("kept", step.kept), *step.lost]):
        width = _BAR_WIDTH * count / step.taken_in
        colour = _LOST[min(number, len(_LOST)) - 1] if number else _KEPT
        yield (
            f'<rect x="{x:.2f}" y="{top}" width="{width:.2f}" height="{_BAR_HEIGHT}"'
            f' fill="{colour}"><title>{html.escape(label)}: {count:,}</title></rect>'
        )
        x += width
    share = 100 * step.kept / step.taken_in
    yield (
        f'<text x="{_BAR_X + _BAR_WIDTH + 12}" y="{top + 14}" fill="#111111">'
        f"{step.taken_in:,} → {step.kept:,}  ({share:.3g} %)</text>"
    )
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in step.lost)
    if len(reasons) > _MAX_LINE:
        reasons = reasons[: _MAX_LINE - 1] + "…"
    yield (
        f'<text x="{_BAR_X}" y="{top + 33}" fill="#555555" font-size="11">'
        f"{html.escape(reasons)}</text>"
    )
