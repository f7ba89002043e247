"""SymPy as an independent oracle: rewritten expressions are accepted, changed ones refused.

Gold answers are SymPy's LaTeX of random expressions; answers are the same in another form, as
LaTeX or as SymPy's plain text, and the same with one leaf changed where two places tell them apart.
"""

import random

import pytest
import sympy

from mathlm.grading import grade

X, Y = sympy.symbols("x y")
PLACES = [{X: sympy.Rational(7, 5), Y: sympy.Rational(11, 7)}, {X: sympy.Rational(23, 9), Y: 3}]
FORMS = [lambda e: e, sympy.expand, sympy.factor, sympy.together, sympy.radsimp]


def _number(source):
    return source.choice([
        sympy.Integer(source.randint(-9, 30)), sympy.sqrt(source.randint(2, 12)), sympy.pi,
        sympy.Rational(source.randint(-20, 20), source.randint(2, 12)),
    ])  # fmt: skip


def _expression(source, depth, *, variables):
    if depth == 0:
        return source.choice([X, Y, X]) if variables and source.random() < 0.6 else _number(source)
    a, b = (_expression(source, depth - 1, variables=variables) for _ in range(2))
    kind = source.randrange(7)
    if kind < 2:
        return a + b
    if kind == 2:
        return a - b
    if kind == 3:
        return a * b
    if kind == 4:
        return a / b if b != 0 else a
    if kind == 5:
        return a ** source.choice([2, 3, sympy.Rational(1, 2), -1]) if a != 0 else b
    return source.choice([sympy.sin, sympy.cos])(a) if variables else sympy.sqrt(sympy.Abs(a))


def _changed(expression, source):
    leaves = [p for p in sympy.preorder_traversal(expression) if p.is_Number or p.is_Symbol]
    leaf = source.choice(leaves or [sympy.Integer(1)])
    new = leaf + source.choice([1, -1]) if leaf.is_Number else {X: Y}.get(leaf, X)
    return expression.xreplace({leaf: new})


def _differ(first, second):
    try:
        gaps = [abs(complex(sympy.N((first - second).subs(place)))) for place in PLACES]
        sizes = [abs(complex(sympy.N(first.subs(place)))) for place in PLACES]
    except (TypeError, ValueError):
        return False
    return max(gaps) > 1e-6 * (1 + max(sizes))


def _against_sympy(number, seed):
    source = random.Random(seed)
    wrong = []
    for _ in range(number):
        gold = _expression(source, source.randint(1, 3), variables=source.random() < 0.5)
        if gold.has(sympy.zoo, sympy.nan, sympy.oo) or gold.is_real is False:
            continue
        write = source.choice([sympy.latex, str])
        latex = sympy.latex(gold)
        same, other = source.choice(FORMS)(gold), _changed(gold, source)
        if len(latex) > 150 or same.has(sympy.zoo, sympy.nan) or other.has(sympy.zoo, sympy.nan):
            continue
        if grade(latex, write(same)).status != "correct":
            wrong.append(("refused", latex, write(same)))
        if _differ(gold, other) and grade(latex, write(other)).status == "correct":
            wrong.append(("accepted", latex, write(other)))
    return wrong


def test_expressions_against_sympy():
    assert _against_sympy(80, seed=11) == []


@pytest.mark.slow
def test_a_thousand_expressions_against_sympy():
    assert _against_sympy(1_000, seed=12) == []


def _endpoint(source):
    return source.choice([sympy.Rational(source.randint(-9, 9), source.randint(1, 5)),
                          sympy.sqrt(source.randint(2, 7))])  # fmt: skip


def _interval(source):
    low, high = sorted((_endpoint(source), _endpoint(source)), key=float)
    high = high + 1 if low == high else high
    if source.random() < 0.3:
        return sympy.Interval(low, sympy.oo, source.random() < 0.5)
    return sympy.Interval(low, high, source.random() < 0.5, source.random() < 0.5)


def test_sets_and_matrices_against_sympy():
    source = random.Random(3)
    for _ in range(60):
        first, second = (
            sympy.Union(*(_interval(source) for _ in range(source.randint(1, 2)))) for _ in range(2)
        )
        gold, other = sympy.latex(first), sympy.latex(second)
        assert grade(gold, sympy.latex(first)).status == "correct"
        assert (grade(gold, other).status == "correct") == (first == second), (gold, other)
        items = [_endpoint(source) for _ in range(3)]
        listed = ", ".join(map(str, source.sample(items, 3)))
        assert grade(sympy.latex(sympy.FiniteSet(*items)), listed).status == "correct", listed
        matrix = sympy.Matrix(2, 2, lambda _i, _j: _endpoint(source))
        assert grade(sympy.latex(matrix), str(matrix.tolist())).status == "correct"
        changed = matrix.copy()
        changed[source.randint(0, 1), source.randint(0, 1)] += 1
        assert grade(sympy.latex(matrix), sympy.latex(changed)).status == "incorrect"
