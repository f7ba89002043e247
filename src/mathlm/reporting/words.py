"""Figures as people read them: rounding, units, and what a comparison means in a sentence.

Not an estimate of anything. "Better" is said only where the interval of the difference and the
test agree; otherwise the sentence says what could have been seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SIGNIFICANT = 0.05
FEW = 6
"""Below so many items no sign-flip test can reach `SIGNIFICANT`."""
LOWER_IS_BETTER = frozenset({"bits_per_byte"})
NAMES = {"bits_per_byte": "bits per byte", "accuracy": "accuracy"}


def metric_name(metric: str) -> str:
    """A metric's name for a reader."""
    return NAMES.get(metric, metric)


def figure(value: float, metric: str) -> str:
    """A value in the metric's unit: per cent with one decimal, bits per byte with three."""
    return f"{value:.3f}" if metric == "bits_per_byte" else f"{100 * value:.1f} %"


def interval(row: Mapping[str, Any]) -> str:
    """The interval of a row, without the unit."""
    if row["metric"] == "bits_per_byte":
        return f"{row['low']:.3f}–{row['high']:.3f}"
    return f"{100 * row['low']:.1f}–{100 * row['high']:.1f}"


def difference(value: float, metric: str) -> str:
    """A difference with its sign: points of per cent, or bits per byte."""
    shown = f"{value:+.3f}" if metric == "bits_per_byte" else f"{100 * value:+.1f}"
    return shown.replace("-", "−")


def difference_interval(row: Mapping[str, Any]) -> str:
    """The interval of a difference."""
    metric = row["metric"]
    return f"{difference(row['low'], metric)} to {difference(row['high'], metric)}"


def p_value(value: float) -> str:
    """A p-value with as many digits as it deserves."""
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def outcome(row: Mapping[str, Any]) -> str:
    """`better`, `worse` or `unclear` for the second model; Holm's p-value decides where known."""
    if row.get("p_holm", row["p_value"]) >= SIGNIFICANT or row["low"] <= 0 <= row["high"]:
        return "unclear"
    rose = row["difference"] > 0
    return "better" if rose != (row["metric"] in LOWER_IS_BETTER) else "worse"


def meaning(row: Mapping[str, Any]) -> str:
    """What a comparison says, in words."""
    found, metric = outcome(row), row["metric"]
    if metric == "bits_per_byte":
        few = f"no difference shown; only {row['n']} document{'s' if row['n'] > 1 else ''}"
        return {
            "better": "predicts this text better than before",
            "worse": "predicts this text worse: forgotten",
            "unclear": few if row["n"] < FEW else "no difference shown",
        }[found]
    if found != "unclear":
        return f"{found} by {abs(100 * row['difference']):.1f} points"
    half = 100 * (row["high"] - row["low"]) / 2
    return f"no difference shown (±{half:.0f} points)"


def natural(name: str) -> list[str | int]:
    """A key that sorts `Level 2` before `Level 10`."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def count(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", "\u202f")


def power(value: float) -> str:
    """A large number as a power of ten with two digits."""
    digits, _, exponent = f"{value:.1e}".partition("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digits} × 10{raised}"


def size(number: float) -> str:
    """Bytes in kB, MB or GB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number:.0f} B"


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
