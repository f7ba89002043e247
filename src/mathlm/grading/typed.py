"""The value that a program left (`repr`, or `srepr` for SymPy) as an answer's text.

The text is read by Python's own parser and walked; nothing is evaluated. What is not understood
is returned as it stands.
"""

from __future__ import annotations

import ast

from mathlm.core.records import TypedValue

MAX_CHARACTERS = 4000
_INFIX = {"Add": " + ", "Mul": "*", "Union": " \\cup ", "Intersection": " \\cap "}
_NAMES = {"pi": "\\pi", "E": "e", "I": "i", "oo": "\\infty", "S.Reals": "\\mathbb{R}",
          "EmptySet": "\\emptyset", "true": "True", "false": "False"}  # fmt: skip
_RELATIONS = {
    "Equality": "=", "Unequality": "\\ne", "StrictLessThan": "<", "LessThan": "\\le",
    "StrictGreaterThan": ">", "GreaterThan": "\\ge", "Eq": "=",
}  # fmt: skip


class _NotUnderstood(Exception):
    pass


def typed_text(value: TypedValue) -> str:
    """The value as a text that the grammar of answers reads."""
    if len(value.value) > MAX_CHARACTERS:
        return value.value
    try:
        return _text(ast.parse(value.value.strip(), mode="eval").body)
    except (_NotUnderstood, SyntaxError, ValueError, RecursionError, MemoryError):
        return value.value


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, complex):
        return str(node.value).strip("()").replace("j", "i")
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else str(node.value)
    if isinstance(node, ast.Name):
        return _NAMES.get(node.id, node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"-{_text(node.operand)}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):  # a complex number
        sign = "+" if isinstance(node.op, ast.Add) else "-"
        return f"{_text(node.left)}{sign}{_text(node.right)}"
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = ", ".join(_text(item) for item in node.elts)
        opening, closing = {ast.List: "[]", ast.Tuple: "()", ast.Set: ("\\{", "\\}")}[type(node)]
        return f"{opening}{parts}{closing}"
    if isinstance(node, ast.Dict):
        keys = [key for key in node.keys if key is not None]
        return ", ".join(f"{_text(k)} = {_text(v)}" for k, v in zip(keys, node.values, strict=True))
    if isinstance(node, ast.Attribute):
        return _NAMES.get(ast.unparse(node), ast.unparse(node))
    if isinstance(node, ast.Call):
        return _call(node)
    raise _NotUnderstood


def _call(node: ast.Call) -> str:
    name = ast.unparse(node.func).rpartition(".")[2]
    parts = [_text(arg) for arg in node.args]
    if name in ("Integer", "Float", "Symbol", "Decimal", "int64", "float64") and parts:
        return parts[0]
    if name in ("Rational", "Fraction", "mpq"):
        return f"({'/'.join(parts)})"
    if name in _INFIX:
        return "(" + _INFIX[name].join(f"({part})" for part in parts) + ")"
    if name == "Pow":
        return f"({parts[0]})^{{{parts[1]}}}"
    if name in _RELATIONS:
        return f"{parts[0]} {_RELATIONS[name]} {parts[1]}"
    if name in ("Tuple", "List"):
        return f"({', '.join(parts)})"
    if name in ("FiniteSet", "set", "frozenset"):
        return "\\{" + ", ".join(parts).strip("\\{}") + "\\}"
    if name == "Interval":
        opening = "(" if len(parts) > 2 and parts[2] == "True" else "["
        closing = ")" if len(parts) > 3 and parts[3] == "True" else "]"
        return f"{opening}{parts[0]}, {parts[1]}{closing}"
    if name in ("Matrix", "MutableDenseMatrix", "ImmutableDenseMatrix") and node.args:
        return _matrix(node.args[0])
    if name.isidentifier() and parts:
        return f"\\{name}({', '.join(parts)})"
    raise _NotUnderstood


def _matrix(rows: ast.expr) -> str:
    if not isinstance(rows, ast.List):
        raise _NotUnderstood
    lines = []
    for row in rows.elts:
        items = row.elts if isinstance(row, ast.List) else [row]
        lines.append(" & ".join(_text(item) for item in items))
    return "\\begin{pmatrix}" + " \\\\ ".join(lines) + "\\end{pmatrix}"
