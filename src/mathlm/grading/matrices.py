"""Matrices and vectors as rows of terms, with their sums and products written out.

Not here: inverses, determinants, transposes; an answer that still holds one is not read.
"""

from __future__ import annotations

from mathlm.grading.terms import Apply, Term, has, negative

Rows = tuple[tuple[Term, ...], ...]


def matrix(term: Term) -> Rows | None:
    """Rows of the matrix that the term describes; a tuple counts as a column."""
    if not isinstance(term, Apply):
        return None
    if term.op == "matrix":
        return tuple(row.args for row in term.args if isinstance(row, Apply))
    if term.op.startswith("group"):
        if len(term.args) == 1:
            return matrix(term.args[0])
        if term.args and all(isinstance(a, Apply) and a.op == "group[]" for a in term.args):
            return tuple(a.args for a in term.args if isinstance(a, Apply))
        return tuple((item,) for item in term.args)
    if term.op == "neg":
        return _each(matrix(term.args[0]))
    if term.op == "+":
        return _sum(matrix(term.args[0]), matrix(term.args[1]))
    if term.op == "*":
        return _product(term.args[0], term.args[1])
    if term.op == "/" and has(term.args[0], "matrix"):
        rows = matrix(term.args[0])
        return rows and tuple(tuple(Apply("/", (x, term.args[1])) for x in row) for row in rows)
    return None


def _each(rows: Rows | None) -> Rows | None:
    return rows and tuple(tuple(negative(item) for item in row) for row in rows)


def _sum(a: Rows | None, b: Rows | None) -> Rows | None:
    if a is None or b is None or [len(row) for row in a] != [len(row) for row in b]:
        return None
    return tuple(
        tuple(Apply("+", pair) for pair in zip(x, y, strict=True))
        for x, y in zip(a, b, strict=True)
    )


def _product(left: Term, right: Term) -> Rows | None:
    a = matrix(left) if has(left, "matrix") else None
    b = matrix(right) if has(right, "matrix") else None
    if a is None and b is None:
        return None
    if a is None or b is None:
        rows, factor = (b, left) if a is None else (a, right)
        return rows and tuple(tuple(Apply("*", (factor, x)) for x in row) for row in rows)
    if any(len(row) != len(b) for row in a) or len(a) * len(b) > 100:
        return None
    columns = list(zip(*b, strict=False))
    return tuple(tuple(_dot(row, column) for column in columns) for row in a)


def _dot(row: tuple[Term, ...], column: tuple[Term, ...]) -> Term:
    products = [Apply("*", pair) for pair in zip(row, column, strict=True)]
    total: Term = products[0]
    for product in products[1:]:
        total = Apply("+", (total, product))
    return total
