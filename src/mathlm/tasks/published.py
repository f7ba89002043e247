"""Figures that papers and model cards report, for a table beside the measured ones.

Not here: how they were measured (each source says) nor anything that decides a verdict. Marks:
`reported` = read in a model card or an issue thread, `unverified` = recalled by our notes, to be
checked against the paper before it is quoted. Percent of the items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

SourceMark = Literal["reported", "unverified"]


@dataclass(frozen=True)
class PublishedFigure:
    """One published figure."""

    model: str
    task: str
    """Name of the task as in a report of ours: `gsm8k`, `gsm8k-python`, `gsm8k+hybrid`."""
    metric: str
    """`accuracy` (greedy) or `maj@k`, as in a report of ours."""
    value: float
    """Percent."""
    mark: SourceMark
    source: str


_LLEMMA = "Azerbayev et al., Llemma, arXiv 2310.10631"
_MINERVA = "Lewkowycz et al., Minerva, arXiv 2206.14858, as quoted by arXiv 2310.10631"
_MAMMOTH = "Yue et al., MAmmoTH, arXiv 2309.05653, current model cards"

_TABLE_1 = """
model            gsm8k  ocw   mmlu-stem  sat   math
Llama 2 7B       11.8   3.7   29.9       25.0  3.2
Code Llama 7B    10.5   4.4   25.1       9.4   4.5
Llemma 7B        36.4   7.7   37.7       53.1  18.0
Code Llama 34B   29.6   7.0   40.5       40.6  12.2
Llemma 34B       51.5   11.8  49.0       71.9  25.0
Minerva 8B       16.2   7.7   35.6       -     14.1
Minerva 62B      52.4   12.0  53.9       -     27.6
Minerva 540B     58.8   17.6  63.9       -     33.6
"""
_TABLE_2 = """
model            gsm8k  ocw   mmlu-stem  sat   math
Llemma 7B        54.0   14.3  49.9       78.1  33.5
Llemma 34B       69.3   18.4  59.7       81.3  43.1
Minerva 8B       28.4   12.5  43.4       -     25.4
Minerva 62B      68.5   23.5  63.5       -     43.4
Minerva 540B     78.5   30.8  75.0       -     50.3
"""
_VOTES: Mapping[str, int] = {"gsm8k": 100, "ocw": 100, "mmlu-stem": 16, "sat": 16, "math": 256}
_TABLE_3 = """
model            gsm8k-python  math-python
Code Llama 7B    27.1          17.2
Llemma 7B        40.1          21.5
Code Llama 34B   52.7          23.5
Llemma 34B       62.6          27.1
"""
_MAMMOTH_CHECKED = """
model                    gsm8k  math  aqua  numglue  svamp  deepmind  simuleq  sat-math  mmlu-math
MAmmoTH-7B (CoT)         50.5   10.4  43.7  44.0     47.3   9.2       18.9     32.7      39.9
MAmmoTH-7B (PoT)         51.6   28.7  43.3  52.3     65.1   41.9      48.2     39.1      44.6
MAmmoTH-7B               53.6   31.5  44.5  61.2     67.7   46.3      41.2     42.7      42.6
MAmmoTH-Coder-7B (CoT)   22.4   7.9   36.2  36.0     37.0   8.2       7.2      32.7      34.6
MAmmoTH-Coder-7B (PoT)   58.8   32.1  47.2  57.1     71.1   53.9      44.6     40.0      47.8
MAmmoTH-Coder-7B         59.4   33.4  47.2  66.4     71.4   55.4      45.9     40.5      48.3
MAmmoTH-7B-Mistral       75.0   40.0  -     -        -      -         -        -         -
"""
_MAMMOTH_RECALLED = """
model                    gsm8k  math  aqua  numglue  svamp  deepmind  simuleq  sat-math  mmlu-math
MAmmoTH-Coder-13B        64.7   36.3  46.9  66.8     73.7   61.5      47.1     48.6      48.3
MAmmoTH-Coder-34B        72.7   43.6  54.7  71.6     84.3   65.4      51.8     60.9      53.8
MAmmoTH-70B              76.9   41.8  65.0  74.4     82.4   55.6      51.4     66.4      56.7
"""


def _rows(table: str, source: str, mark: SourceMark) -> Iterator[PublishedFigure]:
    """Greedy figures of a table: a line for each model, a column for each task."""
    head, *lines = table.strip().splitlines()
    tasks = head.split()[1:]
    for line in lines:
        model, *values = line.rsplit(maxsplit=len(tasks))
        for task, value in zip(tasks, values, strict=True):
            if value != "-":
                theirs = _MINERVA if model.startswith("Minerva") else source
                yield PublishedFigure(model, task, "accuracy", float(value), mark, theirs)


def _by_solver(figure: PublishedFigure) -> PublishedFigure:
    """MAmmoTH's rows by how they were decoded: words, programs, or programs and then words."""
    for ending, task in ((" (CoT)", ""), (" (PoT)", "-python"), ("", "+hybrid")):
        if figure.model.endswith(ending):
            return replace(figure, model=figure.model.removesuffix(ending), task=figure.task + task)
    return figure


def _voted(figure: PublishedFigure) -> PublishedFigure:
    metric = f"maj@{_VOTES[figure.task]}"
    return replace(figure, metric=metric)


FIGURES: tuple[PublishedFigure, ...] = (
    *_rows(_TABLE_1, f"{_LLEMMA}, table 1", "reported"),
    *map(_voted, _rows(_TABLE_2, f"{_LLEMMA}, table 2", "reported")),
    *_rows(_TABLE_3, f"{_LLEMMA}, table 3", "unverified"),
    *map(_by_solver, _rows(_MAMMOTH_CHECKED, _MAMMOTH, "reported")),
    *map(_by_solver, _rows(_MAMMOTH_RECALLED, _MAMMOTH, "unverified")),
)
"""Every figure, in the order of its tables."""


def published(task: str, metric: str) -> list[PublishedFigure]:
    """Figures of a task under a metric; a report's `NAME+python` is the task `NAME-python`."""
    name = task.partition(" [")[0]
    if name.endswith("+python"):
        name = name.removesuffix("+python").removesuffix("-python") + "-python"
    return [figure for figure in FIGURES if (figure.task, figure.metric) == (name, metric)]
