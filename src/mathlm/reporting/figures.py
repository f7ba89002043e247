"""Figures as inline SVG: the same numbers give the same bytes, and the page's colours apply.

Drawn by matplotlib with stand-in colours that become CSS variables, so that a figure follows the
page into dark mode. No date, no creator, no random ids, no font inside.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mathlm.core.errors import UserError
from mathlm.reporting.inputs import Training
from mathlm.reporting.markup import Html

Row = Mapping[str, Any]

_INK, _GRID = "#010203", "#d0d1d2"
_SERIES = tuple(f"#0a0b{number:02x}" for number in range(8))
_VARIABLES = {
    _INK: "currentColor",
    _GRID: "var(--grid)",
    **{colour: f"var(--c{number})" for number, colour in enumerate(_SERIES)},
}
_STYLE = {
    "svg.hashsalt": "mathlm",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
_POINTS = 400


def require() -> None:
    """Refuse early where the packages of the `report` extra are missing."""
    try:
        import latex2mathml  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError(f"a report needs {error.name}: pip install 'mathlm[report]'") from None


def _draw(name: str, title: str, size: tuple[float, float], plot: Callable[[Any], None]) -> Html:
    """The SVG that `plot` draws on a figure of `size` inches; `name` keeps its ids apart."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):  # type: ignore[attr-defined,unused-ignore]
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        plot(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Html(_inline(buffer.getvalue(), name, title=title, inches=size[0]))


def _inline(svg: str, name: str, *, title: str, inches: float) -> str:
    """The SVG without prologue, links and fixed size, with own ids and the page's colours."""
    import html

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"#[0-9a-f]{6}", lambda match: _VARIABLES.get(match[0], match[0]), svg)
    svg = svg.replace("'DejaVu Sans'", "var(--sans)").replace("xlink:href", "href")
    view = re.search(r'viewBox="[^"]*"', svg)
    label = html.escape(title, quote=True)
    width = f'style="max-width: {104 * inches:.0f}px"'
    box = view[0] if view else ""
    opening = f'<svg class="figure" role="img" aria-label="{label}" {width} {box}>'
    return re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1)


def _thinned(values: Sequence[Any]) -> list[Any]:
    step = max(1, len(values) // _POINTS)
    return [*values[::step], *(values[-1:] if (len(values) - 1) % step else ())]


def _smooth(values: Sequence[float]) -> list[float]:
    """A running mean over a fiftieth of the steps to each side."""
    reach = max(1, len(values) // 50)
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    ends = [(max(0, i - reach), min(len(values), i + reach + 1)) for i in range(len(values))]
    return [(sums[high] - sums[low]) / (high - low) for low, high in ends]


def starts(trainings: Sequence[Training]) -> dict[str, int]:
    """Tokens that each model had seen when its training began (its parents')."""
    by_name = {training.model: training for training in trainings}
    found: dict[str, int] = {}

    def start(name: str, depth: int = 0) -> int:
        parent = by_name[name].parent
        if parent not in by_name or depth > len(by_name):
            return 0
        return start(parent, depth + 1) + int(by_name[parent].summary.get("tokens", 0))

    for name in by_name:
        found[name] = start(name)
    return found


def training_curves(trainings: Sequence[Training]) -> Html | None:
    """Training loss and held-out bits per byte over the tokens seen, one line a model."""
    if not any(training.steps for training in trainings):
        return None
    offsets = starts(trainings)
    domains = sorted({d for t in trainings for s in t.steps for d in s.get("bits_per_byte", {})})

    def plot(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for number, training in enumerate(trainings):
            colour = _SERIES[number % len(_SERIES)]
            steps = [step for step in training.steps if "loss" in step]
            x = [(offsets[training.model] + step["tokens"]) / 1e6 for step in steps]
            losses = [step["loss"] for step in steps]
            left.plot(_thinned(x), _thinned(losses), color=colour, linewidth=0.5, alpha=0.3)
            smooth = _thinned(_smooth(losses))
            left.plot(_thinned(x), smooth, color=colour, linewidth=1.5, label=training.model)
        left.set(title="Training loss", xlabel="tokens seen (million)", ylabel="nats per token")
        left.legend()
        _heldout(right, trainings, offsets, domains)

    return _draw("curves", "Training loss and held-out bits per byte", (9.2, 3.3), plot)


def _heldout(
    axes: Any, trainings: Sequence[Training], offsets: Mapping[str, int], domains: Sequence[str]
) -> None:
    marks = ("o", "s", "^", "D", "v", "P", "X", "*")
    for number, domain in enumerate(domains):
        x, y = [], []
        for training in trainings:
            for step in training.steps:
                if domain in step.get("bits_per_byte", {}):
                    x.append((offsets[training.model] + step["tokens"]) / 1e6)
                    y.append(step["bits_per_byte"][domain])
        order = sorted(range(len(x)), key=lambda i: x[i])
        axes.plot(
            [x[i] for i in order],
            [y[i] for i in order],
            color=_SERIES[(number + 2) % len(_SERIES)],
            marker=marks[number % len(marks)],
            markersize=3.5,
            linewidth=1.2,
            label=domain,
        )
    for offset in sorted({offset for offset in offsets.values() if offset}):
        axes.axvline(offset / 1e6, color=_INK, linewidth=0.7, linestyle=":")
    axes.set(title="Held-out text", xlabel="tokens seen (million)", ylabel="bits per byte")
    if domains:
        axes.legend()


def before_after(rows: Sequence[Row], models: Sequence[str]) -> Html | None:
    """Every score of every task with its interval, one colour a model, in per cent."""
    rows = [row for row in rows if row["metric"] != "bits_per_byte"]
    labels = list(dict.fromkeys((row["task"], row["metric"]) for row in rows))
    if not labels:
        return None

    def plot(figure: Any) -> None:
        axes = figure.subplots()
        for number, model in enumerate(models):
            own = [row for row in rows if row["model"] == model]
            y = [_place(row, rows, labels) for row in own]
            if not own:
                continue
            colour = _SERIES[number % len(_SERIES)]
            low = [100 * row["low"] for row in own]
            high = [100 * row["high"] for row in own]
            axes.hlines(y, low, high, color=colour, linewidth=1.6)
            values = [100 * row["value"] for row in own]
            axes.plot(values, y, "o", color=colour, label=model, clip_on=False)
        axes.set_yticks(range(len(labels)), [f"{task}, {metric}" for task, metric in labels])
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(0, min(100, 5 + max(5, *(100 * row["high"] for row in rows))))
        axes.set_xlabel("% of problems")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0)

    height = 0.9 + 0.42 * len(labels)
    return _draw("scores", "Scores with their intervals, by task and model", (9.2, height), plot)


def _place(row: Row, rows: Sequence[Row], labels: Sequence[tuple[str, str]]) -> float:
    """Where a figure stands: beside its label, the models of that label evenly around it."""
    label = (row["task"], row["metric"])
    there = [other["model"] for other in rows if (other["task"], other["metric"]) == label]
    shift = there.index(row["model"]) - (len(there) - 1) / 2
    return labels.index(label) + shift * min(0.22, 0.8 / len(there))


def curves(majority: Sequence[Row], passing: Sequence[Row], models: Sequence[str]) -> Html | None:
    """maj@k (solid) and pass@k (dashed) for every k, a panel for each task and solver."""
    panels = list(dict.fromkeys((curve["task"], curve["solver"]) for curve in majority))[:6]
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)

    def plot(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, panel in zip(grid, panels, strict=False):
            for curve, style in [*((c, "-") for c in majority), *((c, "--") for c in passing)]:
                if (curve["task"], curve["solver"]) == panel:
                    _curve(axes, curve, style, models)
            axes.set(title=f"{panel[0]} ({panel[1]})", xlabel="samples k")
            _scale(axes, max(len(c["values"]) for c in majority))
            axes.set_ylim(0, max(5, axes.get_ylim()[1]))
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        grid[0].set_ylabel("% right")
        grid[0].legend()

    width = 9.2 if columns > 1 else 5.0
    return _draw("votes", "maj@k and pass@k over more samples", (width, 3.0 * rows), plot)


def _curve(axes: Any, curve: Row, style: str, models: Sequence[str]) -> None:
    k = range(1, len(curve["values"]) + 1)
    colour = _SERIES[models.index(curve["model"]) % len(_SERIES)]
    label = f"{curve['model']}, {'maj@k' if style == '-' else 'pass@k'}"
    values = [100 * value for value in curve["values"]]
    axes.plot(k, values, style, color=colour, linewidth=1.4, label=label)
    points = curve["points"]
    low, high = ([100 * point[end] for point in points] for end in ("low", "high"))
    axes.fill_between([p["k"] for p in points], low, high, color=colour, alpha=0.12, linewidth=0)


def _scale(axes: Any, most: int) -> None:
    """A logarithmic axis for many samples, whole numbers on it in any case."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    if most > 16:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator([2**i for i in range(most.bit_length())]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
