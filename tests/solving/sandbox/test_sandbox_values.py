import ast
import math
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from mathlm.solving.sandbox.inside import values

x = sympy.Symbol("x")

TABLE = [
    (42, "int", "42"),
    (True, "bool", "True"),
    (None, "NoneType", "None"),
    (0.1 + 0.2, "float", "0.30000000000000004"),
    (math.inf, "float", "inf"),
    ("a'b", "str", '"a\'b"'),
    (1 + 2j, "complex", "(1+2j)"),
    ((1,), "tuple", "(1,)"),
    ([1, [2.5, "x"]], "list", "[1, [2.5, 'x']]"),
    ({"b": 1, "a": (2, 3)}, "dict", "{'b': 1, 'a': (2, 3)}"),
    ({3, 1, 2}, "set", "{1, 2, 3}"),
    (set(), "set", "set()"),
    (frozenset({1}), "frozenset", "frozenset({1})"),
    (Fraction(1, 3), "fractions.Fraction", "Fraction(1, 3)"),
    (Decimal("0.10"), "decimal.Decimal", "Decimal('0.10')"),
    (numpy.float64(2.5), "float", "2.5"),
    (numpy.int64(7), "int", "7"),
    (numpy.array([[1, 2], [3, 4]]), "numpy.ndarray", "[[1, 2], [3, 4]]"),
    (sympy.Rational(1, 2), "sympy.Half", "Rational(1, 2)"),
    ([sympy.sqrt(2)], "list", "[Pow(Integer(2), Rational(1, 2))]"),
    (sympy.Matrix([[1, x]]), "sympy.MutableDenseMatrix", None),
    (range(3), "range", "range(0, 3)"),
]


@pytest.mark.parametrize(("value", "kind", "text"), TABLE, ids=[str(row[2]) for row in TABLE])
def test_typed_text(value, kind, text):
    found = values.describe(value)
    assert found is not None
    assert found["type"] == kind
    assert text is None or found["value"] == text


def test_srepr_comes_back_as_the_same_object():
    for value in (x**2 / 3 + sympy.sin(x), sympy.Matrix([[1, x]]), sympy.Interval(0, 1)):
        text = values.describe(value)["value"]
        assert sympy.sympify(eval(text, vars(sympy).copy())) == value


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
nested = st.recursive(
    plain, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(plain, inner)
)


@given(nested.filter(lambda value: "inf" not in repr(value)))
def test_literals_come_back_equal(value):
    text = values.describe(value)["value"]
    assert ast.literal_eval(text) == value


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


cyclic = []
cyclic.append(cyclic)
LARGE = [10**100_000, "x" * 10**6, [0] * 10**6, deep(500), cyclic, (x + 1) ** 2 * sympy.Add(
    *sympy.symbols("a:20000")
)]  # fmt: skip


@pytest.mark.parametrize("value", LARGE, ids=range(len(LARGE)))
def test_large_values_have_no_text(value):
    assert values.describe(value)["value"] == ""


class Hostile:
    __class__ = property(lambda self: 1 / 0)

    def __repr__(self):
        raise RuntimeError


class Lying(list):
    def __iter__(self):
        raise KeyError("no")


def test_what_has_no_value_is_left_out():
    namespace = {"f": len, "module": math, "Kind": Hostile, "_hidden": 1, "object": object()}
    assert values.collect({**namespace, "lying": Lying([1]), "ans": 3}) == {
        "ans": {"type": "int", "value": "3"}
    }


def test_names_that_a_star_import_brought_are_left_out_unless_assigned_anew():
    namespace = {}
    exec("from sympy import *\nfrom math import *\nE = 5\nans = pi", namespace)
    assert set(values.collect(namespace)) == {"E", "ans"}


def test_the_total_is_bounded():
    found = values.collect({f"v{n}": "x" * 10_000 for n in range(1000)})
    assert len(found) == values.MAX_VARIABLES
    assert sum(len(v["value"]) for v in found.values()) <= values.MAX_TOTAL_CHARACTERS


def test_lone_surrogates_survive_as_escapes():
    assert values.describe("\ud800")["value"] == "'\\ud800'"
