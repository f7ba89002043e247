"""Families of word problems: number ranges, the chain of steps to the answer, and wordings.

Each family is data. Its steps give the worked solution and the program alike, so the two cannot
disagree; `mathlm.tasks.arithmetic` draws the numbers and writes the text. Not a benchmark of how
people phrase problems: wordings are few, so that small models can be measured at all.
Source: our own; families follow the kinds of problem that GSM8K (arXiv 2110.14168) mixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAMES = (
    "Tom", "Ben", "Sam", "Max", "Jack", "Adam", "Ted", "Tim", "Dan", "Sue", "Kim", "Ian", "Ray",
    "Mary", "Jim", "Fred",
)  # fmt: skip
THINGS = (
    "pens", "books", "apples", "cards", "stamps", "eggs", "shells", "balls", "coins", "cups",
    "plums", "toys", "hats", "keys", "nuts", "bags",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One line of the calculation: `name = left op right`."""

    name: str
    left: str
    """An operand's name, an earlier step's name, or a whole number."""
    op: str
    """One of + - * / (exact division) // (whole part of a quotient)."""
    right: str


@dataclass(frozen=True)
class Family:
    """Problems of one structure; two of them differ in their numbers."""

    name: str
    seen: bool
    """False: never in training text, only asked."""
    ranges: Mapping[str, range]
    """The numbers each operand may take, in the order of the problem's id."""
    limit: int
    """Every step's value lies in 1..limit; operands that break this are no problem."""
    steps: tuple[Step, ...]
    """The last step's value is the answer."""
    questions: tuple[str, ...]
    """Wordings: {operand}, and {name}, {other}, {things}, {gifts} for what varies freely."""


def steps(*lines: str) -> tuple[Step, ...]:
    """Steps from lines like `cost = n * p`."""
    parsed = []
    for line in lines:
        name, equals, left, op, right = line.split()
        if equals != "=" or op not in ("+", "-", "*", "/", "//"):
            raise ValueError(f"not a step: {line}")
        parsed.append(Step(name, left, op, right))
    return tuple(parsed)


FAMILIES: tuple[Family, ...] = (
    Family(
        "get-and-give",
        True,
        {"a": range(5, 61), "b": range(3, 40), "c": range(2, 60)},
        99,
        steps("sum = a + b", "left = sum - c"),
        (
            "{name} has {a} {things}. {name} finds {b} more and gives {c} to {other}. "
            "How many {things} does {name} have left?",
            "There are {a} {things} in a box. {name} puts in {b} more, then {other} takes out {c}. "
            "How many {things} are left in the box?",
            "{name} had {a} {things}, got {b} more and lost {c}. How many {things} are left?",
        ),
    ),
    Family(
        "change",
        True,
        {"n": range(2, 10), "p": range(2, 13), "m": range(20, 101)},
        100,
        steps("cost = n * p", "change = m - cost"),
        (
            "{name} buys {n} {things} for {p} dollars each and pays with {m} dollars. "
            "How much change does {name} get?",
            "One of the {things} costs {p} dollars. {name} has {m} dollars and buys {n} of them. "
            "How many dollars are left?",
            "{name} had {m} dollars and bought {n} {things} at {p} dollars each. "
            "How much money is left?",
        ),
    ),
    Family(
        "two-prices",
        True,
        {"n": range(2, 10), "p": range(2, 10), "m": range(2, 10), "q": range(2, 10)},
        200,
        steps("first = n * p", "second = m * q", "total = first + second"),
        (
            "{name} buys {n} {things} for {p} dollars each and {m} {gifts} for {q} dollars each. "
            "How much does {name} pay in total?",
            "{things} cost {p} dollars and {gifts} cost {q} dollars. "
            "What do {n} {things} and {m} {gifts} cost together?",
            "{name} sold {n} {things} at {p} dollars each and {m} {gifts} at {q} dollars each. "
            "How many dollars did {name} get?",
        ),
    ),
    Family(
        "journey",
        True,
        {"s": range(2, 13), "h": range(2, 10), "d": range(2, 41)},
        150,
        steps("distance = s * h", "total = distance + d"),
        (
            "{name} walks {s} miles a day for {h} days and then {d} miles more. "
            "How many miles is that?",
            "A boat goes {s} miles an hour for {h} hours. Then it goes {d} miles more. "
            "How far does it go?",
            "{name} went {s} miles each hour for {h} hours, after a first {d} miles by bus. "
            "How long was the whole trip in miles?",
        ),
    ),
    Family(
        "sharing",
        True,
        {"a": range(10, 100), "b": range(2, 40), "k": range(2, 10)},
        99,
        steps("rest = a - b", "each = rest / k"),
        (
            "{name} has {a} {things}, keeps {b} and shares the rest equally among {k} friends. "
            "How many {things} does each friend get?",
            "Of {a} {things}, {b} are broken. The others are shared equally by {k} children. "
            "How many {things} does each child get?",
            "{name} had {a} {things} and sold {b}. The rest fill {k} boxes equally. "
            "How many {things} are in each box?",
        ),
    ),
    Family(
        "left-over",
        True,
        {"a": range(5, 60), "b": range(3, 40), "k": range(3, 10)},
        99,
        steps("sum = a + b", "full = sum // k", "packed = full * k", "left = sum - packed"),
        (
            "{name} has {a} {things} and {other} has {b}. They put them in bags of {k}. "
            "How many {things} do not fill a bag?",
            "A shop gets {a} {things} and {b} more, and packs {k} in each full box. "
            "How many {things} remain?",
            "{a} girls and {b} boys form teams of {k}. How many children have no team?",
        ),
    ),
    Family(
        "ages",
        True,
        {"a": range(5, 61), "d": range(2, 31), "t": range(2, 21)},
        99,
        steps("age = a + d", "later = age + t"),
        (
            "{name} is {a} years old. {other} is {d} years older. "
            "How old will {other} be in {t} years?",
            "{other} is {d} years older than {name}, who is {a}. "
            "What will be the age of {other} in {t} years?",
            "In {t} years, how old will {other} be, if {name} is {a} now "
            "and {other} is {d} years older?",
        ),
    ),
    Family(
        "times-as-many",
        True,
        {"a": range(2, 16), "k": range(2, 9), "c": range(2, 41)},
        150,
        steps("other = a * k", "both = a + other", "left = both - c"),
        (
            "{name} has {a} {things}. {other} has {k} times as many. Together they sell {c}. "
            "How many {things} do they have left?",
            "{other} picked {k} times as many {things} as {name}, who picked {a}. "
            "They ate {c} of them all. How many {things} are left?",
            "A red box holds {a} {things} and a blue box {k} times as many. {name} takes {c} "
            "of them. How many {things} remain in both boxes?",
        ),
    ),
    Family(
        "fence",
        True,
        {"l": range(3, 31), "w": range(3, 31), "g": range(2, 10)},
        150,
        steps("half = l + w", "around = half * 2", "fence = around - g"),
        (
            "A garden is {l} metres long and {w} metres wide. {name} builds a fence around it "
            "but for a gate of {g} metres. How long is the fence?",
            "A field of {l} by {w} metres has a wall around it with a gap of {g} metres. "
            "How many metres of wall are there?",
            "{name} puts a rope around a table {l} feet long and {w} feet wide, "
            "but leaves {g} feet open. How many feet of rope is that?",
        ),
    ),
    Family(
        "savings",
        True,
        {"s": range(5, 41), "p": range(2, 10), "w": range(2, 10), "c": range(2, 41)},
        130,
        steps("saved = p * w", "total = s + saved", "left = total - c"),
        (
            "{name} has {s} dollars and saves {p} dollars a week for {w} weeks. "
            "Then {name} spends {c} dollars. How many dollars are left?",
            "{name} starts with {s} dollars, earns {p} dollars an hour for {w} hours "
            "and pays {c} dollars for {things}. How much money is left?",
            "A tank holds {s} litres. {p} litres a minute run in for {w} minutes, "
            "then {c} litres run out. How many litres does it hold?",
        ),
    ),
    Family(
        "discount",
        True,
        {"p": range(10, 100, 10), "q": range(10, 100, 10), "d": range(2, 41)},
        150,
        steps(
            "tenth = p / 10",
            "tens = q / 10",
            "off = tenth * tens",
            "price = p - off",
            "total = price + d",
        ),
        (
            "A coat costs {p} dollars. {name} gets {q} percent off and pays {d} dollars "
            "for sending. How much does {name} pay?",
            "{name} buys a chair of {p} dollars at a discount of {q} percent, "
            "and a lamp for {d} dollars. What is the total?",
            "The price of a bike was {p} dollars and fell by {q} percent. "
            "{name} buys it with a lock for {d} dollars. How much is that?",
        ),
    ),
    Family(
        "sequence",
        True,
        {"a": range(2, 41), "d": range(2, 13), "n": range(4, 11)},
        150,
        steps("jumps = n - 1", "growth = jumps * d", "term = a + growth"),
        (
            "A row of numbers starts with {a} and each next number is {d} more. "
            "What is number {n} in the row?",
            "On day 1 {name} reads {a} pages, and on each day after {d} pages more "
            "than the day before. How many pages on day {n}?",
            "The first shelf holds {a} {things}, each next shelf {d} more. "
            "How many {things} are on shelf {n}?",
        ),
    ),
    Family(
        "backwards",
        False,
        {"b": range(2, 40), "c": range(2, 40), "e": range(5, 61)},
        99,
        steps("before = e - c", "start = before + b"),
        (
            "{name} gave {b} {things} to {other}, then found {c} and now has {e}. "
            "How many {things} did {name} have at first?",
            "After {b} {things} were taken out of a box and {c} put in, it holds {e}. "
            "How many {things} were in the box before?",
        ),
    ),
    Family(
        "how-many-more",
        False,
        {"a": range(2, 16), "k": range(2, 9), "c": range(2, 41)},
        150,
        steps("other = a * k", "sum = other + c", "more = sum - a"),
        (
            "{name} has {a} {things}. {other} has {k} times as many and finds {c} more. "
            "How many more {things} than {name} does {other} have?",
            "A red box holds {a} {things}. A blue box holds {k} times as many, and {name} "
            "puts {c} into it. How many more {things} are in the blue box?",
        ),
    ),
    Family(
        "average",
        False,
        {"a": range(2, 40), "b": range(2, 40), "c": range(2, 40)},
        99,
        steps("sum = a + b", "total = sum + c", "average = total / 3"),
        (
            "{name} picked {a} {things} on day 1, {b} on day 2 and {c} on day 3. "
            "How many {things} is that a day on average?",
            "Three boxes hold {a}, {b} and {c} {things}. {name} shares them equally "
            "among the three boxes. How many {things} are then in each box?",
        ),
    ),
)
