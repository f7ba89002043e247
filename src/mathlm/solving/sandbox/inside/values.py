"""The variables that a program left, as typed text that another process can read without running.

Not here: reading them back (the grader's work). A value is `{"type", "value"}`: the type's name
(`int`, `list`, `sympy.Rational`, `numpy.ndarray` …) and its text, `srepr` for SymPy and the
literal for everything else; the text is "" where the value is larger than the limits. Values of
other types (functions, modules, objects with an address in their repr) are left out.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import sys
import types
from collections.abc import Mapping
from typing import Any

MAX_VARIABLES = 256
MAX_NODES = 20_000
MAX_VALUE_CHARACTERS = 16_384
MAX_TOTAL_CHARACTERS = 262_144

_PLAIN = (bool, int, float, complex, str, bytes, type(None), range)
_STARRED = ("sympy", "math", "numpy", "cmath")
_CONTAINERS = (list, tuple, set, frozenset, dict)
_CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.MethodType)
_REPR = (
    fractions.Fraction,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


class TooLarge(Exception):
    """A value over the limits on nodes or characters."""


class Unsupported(Exception):
    """A value of a type that has no text of its own."""


class Writer:
    """Turns one value into text, counting nodes so that no value costs more than `MAX_NODES`."""

    def __init__(self) -> None:
        self.nodes = 0

    def _count(self, number: int = 1) -> None:
        self.nodes += number
        if self.nodes > MAX_NODES:
            raise TooLarge

    def text(self, value: Any, depth: int = 0) -> str:
        """The literal of `value`; raises TooLarge or Unsupported."""
        self._count()
        if depth > 50:
            raise TooLarge
        kind = type(value)
        if kind in _PLAIN:
            return self._plain(value)
        if kind in _CONTAINERS or isinstance(value, _CONTAINERS):
            return self._container(value, depth)
        if isinstance(value, _REPR):
            return repr(value)
        return self._foreign(value, depth)

    def _plain(self, value: Any) -> str:
        if isinstance(value, int) and value.bit_length() > 4 * MAX_VALUE_CHARACTERS:
            raise TooLarge
        if isinstance(value, str | bytes) and len(value) > MAX_VALUE_CHARACTERS:
            raise TooLarge
        return repr(value)

    def _container(self, value: Any, depth: int) -> str:
        if len(value) > MAX_NODES:
            raise TooLarge
        if isinstance(value, dict):
            pairs = value.items()
            inner = [f"{self.text(k, depth + 1)}: {self.text(v, depth + 1)}" for k, v in pairs]
            return "{" + ", ".join(inner) + "}"
        parts = [self.text(item, depth + 1) for item in value]
        if isinstance(value, list):
            return "[" + ", ".join(parts) + "]"
        if isinstance(value, tuple):
            return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
        return self._set(value, sorted(parts))

    @staticmethod
    def _set(value: Any, parts: list[str]) -> str:
        if isinstance(value, frozenset):
            return "frozenset({" + ", ".join(parts) + "})" if parts else "frozenset()"
        return "{" + ", ".join(parts) + "}" if parts else "set()"

    def _foreign(self, value: Any, depth: int) -> str:
        numpy, sympy = sys.modules.get("numpy"), sys.modules.get("sympy")
        if numpy is not None and isinstance(value, numpy.generic):
            return self.text(value.item(), depth + 1)
        if numpy is not None and isinstance(value, numpy.ndarray):
            self._count(int(value.size))
            return self.text(value.tolist(), depth + 1)
        if sympy is not None and _is_sympy(value, sympy):
            return self._srepr(value, sympy)
        if type(value).__module__.startswith("mpmath."):
            return repr(value)
        raise Unsupported

    def _srepr(self, value: Any, sympy: Any) -> str:
        if isinstance(value, sympy.MatrixBase):
            for entry in value:
                self._count(1 + sum(1 for _ in self._walk(entry)))
        else:
            self._count(sum(1 for _ in self._walk(value)))
        return str(sympy.srepr(value))

    def _walk(self, value: Any) -> Any:
        stack, seen = [value], 0
        while stack:
            seen += 1
            if seen + self.nodes > MAX_NODES:
                raise TooLarge
            stack.extend(getattr(stack.pop(), "args", ()))
            yield None


def _is_sympy(value: Any, sympy: Any) -> bool:
    return isinstance(value, sympy.Basic | sympy.MatrixBase) and not isinstance(value, type)


def type_name(value: Any) -> str:
    """`int`, `sympy.Rational`, `numpy.ndarray`; NumPy's scalars go by the Python type they hold."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package in ("builtins", "__main__") else f"{package}.{kind.__name__}"


def describe(value: Any) -> dict[str, str] | None:
    """`{"type", "value"}` of one variable, or None where it is left out."""
    try:
        text = Writer().text(value)
    except Unsupported:
        return None
    except (TooLarge, RecursionError, MemoryError):
        text = ""
    except Exception:  # noqa: BLE001  (a program's own class may raise anything from its methods)
        return None
    if len(text) > MAX_VALUE_CHARACTERS:
        text = ""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"type": type_name(value), "value": clean}


def _imported(name: str, value: Any) -> bool:
    """Whether `name` came by `from sympy import *` and its like and was not assigned anew."""
    # by the dict: a module's own __getattr__ may import or warn, for a name that a program chose
    modules = (vars(sys.modules[module]) for module in _STARRED if module in sys.modules)
    return any(names.get(name) is value for names in modules)


def collect(namespace: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The program's variables by name, in the order of their first assignment."""
    found: dict[str, dict[str, str]] = {}
    total = 0
    sys.set_int_max_str_digits(0)  # the limits on bits above bound the cost
    for name, value in list(namespace.items()):
        if isinstance(value, _CODE) or len(found) >= MAX_VARIABLES:
            continue  # most of what `from sympy import *` brings
        if not isinstance(name, str) or name.startswith("_"):
            continue
        if value is not None and _imported(name, value):
            continue
        described = describe(value)
        if described is None:
            continue
        total += len(name) + len(described["value"])
        if total > MAX_TOTAL_CHARACTERS:
            described["value"] = ""
        found[name] = described
    return found
