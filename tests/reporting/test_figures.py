import re
import xml.etree.ElementTree as ET

import pytest

from mathlm.reporting import figures
from mathlm.reporting.inputs import Training

HOSTILE = '$\\frac{$ <script> & "x" _y'


def trainings(name="base"):
    steps = [{"step": 0, "tokens": 0, "bits_per_byte": {name: 8.0}}]
    steps += [{"step": n, "tokens": 10 * n, "loss": 5 - n / 1000} for n in range(1, 1500)]
    steps[-1]["bits_per_byte"] = {name: 2.0}
    return [
        Training(name, steps, {"tokens": 14_990, "from": None}),
        Training("next", steps, {"tokens": 14_990, "from": name}),
    ]


ROWS = [
    {"model": m, "task": HOSTILE, "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6}
    for m in ("a", "b")
]
POINTS = [{"k": k, "value": 0.1 * k, "low": 0.05, "high": 0.9} for k in (1, 2)]
CURVES = [
    {"model": m, "task": HOSTILE, "solver": "vote", "values": [0.1, 0.2], "points": POINTS}
    for m in ("a", "b")
]
LONG = [{**CURVES[0], "values": [n / 300 for n in range(256)]}]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.training_curves(trainings(HOSTILE)),
        lambda: figures.before_after(ROWS, ["a", "b"]),
        lambda: figures.curves(CURVES, CURVES, ["a", "b"]),
        lambda: figures.curves(LONG, LONG, ["a", "b"]),
    ],
)
def test_a_figure_is_whole_small_equal_each_time_and_alone(draw):
    svg = draw()
    assert svg == draw()
    assert len(svg) < 200_000
    root = ET.fromstring(svg)
    names = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert names <= {"svg", "g", "path", "text", "use", "defs", "clipPath", "rect", "tspan"}
    assert not re.search(r"#[01]\w0[123]|http|#0a0b|Date|<style", svg)
    text = "".join(root.itertext())
    assert "<script>" in text
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    assert {ref for ref in re.findall(r'(?:href="#|url\(#)([^")]*)', svg)} <= set(ids)


def test_a_model_starts_where_its_parent_ended():
    assert figures.starts(trainings()) == {"base": 0, "next": 14_990}


def test_a_circle_of_parents_ends():
    circle = [Training("a", [], {"from": "b", "tokens": 1}), Training("b", [], {"from": "a"})]
    assert set(figures.starts(circle)) == {"a", "b"}


@pytest.mark.parametrize(
    "nothing",
    [
        lambda: figures.training_curves([Training("a", [], {})]),
        lambda: figures.before_after([], ["a"]),
        lambda: figures.curves([], [], ["a"]),
    ],
)
def test_nothing_to_draw_is_no_figure(nothing):
    assert nothing() is None


def test_long_curves_are_thinned_and_keep_their_end():
    values = list(range(10_001))
    thinned = figures._thinned(values)
    assert len(thinned) <= 402
    assert (thinned[0], thinned[-1]) == (0, 10_000)
    assert figures._smooth([3.0] * 200) == pytest.approx([3.0] * 200)
