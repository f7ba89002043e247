"""Fences and environments: floors, vectors in angle brackets, matrices, systems of equations."""

from __future__ import annotations

from collections.abc import Callable

from mathlm.grading.cursor import Cursor
from mathlm.grading.terms import Apply, Term, Unreadable

MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "array", "smallmatrix"})
_LINES = frozenset({"cases", "aligned", "align", "align*", "gathered", "gather", "split"})


def fenced(cursor: Cursor, opening: str, items: Callable[[], Term]) -> Term:
    r"""What stands between `\langle`, `\lfloor`, `\lceil` or `\lvert` and its closing."""
    closing = {
        "\\langle": "\\rangle", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil",
        "\\lvert": "\\rvert",
    }[opening]  # fmt: skip
    term = items()
    cursor.expect(closing, "command")
    if opening == "\\langle":
        many = isinstance(term, Apply) and term.op == "list"
        return Apply("group()", term.args if isinstance(term, Apply) and many else (term,))
    return Apply({"\\lfloor": "floor", "\\lceil": "ceil"}.get(opening, "abs"), (term,))


def environment(cursor: Cursor, name: str, items: Callable[[], Term]) -> Term:
    """A matrix, or the lines of a system as a list; the cursor stands after its beginning."""
    if name == "array" and cursor.sees("{"):
        cursor.group_text()
    if name not in MATRICES and name not in _LINES:
        raise Unreadable(f"the environment {name}")
    rows: list[tuple[Term, ...]] = []
    row: list[Term] = []
    while True:
        token = cursor.peek()
        if token.value == f"\\end{{{name}}}":
            cursor.place += 1
            break
        if token.kind == "end":
            raise Unreadable(f"{name} is not closed")
        if token.value in ("\\\\", "\\cr"):
            cursor.place += 1
            rows.append(tuple(row))
            row = []
        elif token.value in ("&", "\\hline"):
            cursor.place += 1
        else:
            row.append(items())
    rows = [row for row in [*rows, tuple(row)] if row]
    if name in _LINES:
        return Apply("list", tuple(item for row in rows for item in row))
    return Apply("matrix", tuple(Apply("row", row) for row in rows))
