"""Whether two answers are the same, by the rules of what kind of thing each of them is.

Not here: numbers and expressions (`scalars`), sets of reals (`regions`), finding and reading
answers. A decision is True, False, or None (cannot tell), with the rule that made it; it never
depends on which of the two is the gold answer.

Conventions: a list without brackets and a set have no order and no multiplicity,
brackets have both; a name before an
equals sign (`x = 5`, `f(x) = 2x`) may be left out; a bracketed pair is both a point and an
interval, so it equals what says the same as either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mathlm.grading.matrices import matrix
from mathlm.grading.quantities import same_time
from mathlm.grading.regions import equal, region
from mathlm.grading.scalars import Decision, is_scalar, scalars
from mathlm.grading.terms import (
    CONSTANTS,
    Apply,
    Number,
    Symbol,
    Term,
    Text,
    has,
    negative,
    replaced,
    symbols,
    walk,
)
from mathlm.grading.values import Huge, Undefined, numeric, sample

_MAX_ITEMS = 200
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_ARTICLES = frozenset({"the", "a", "an"})


def words_of(text: str) -> str:
    """A text answer without case, punctuation and articles."""
    parts = _NOT_LETTERS.sub(" ", text.lower()).split()
    return " ".join(part for part in parts if part not in _ARTICLES)


def _is_list(term: Term) -> bool:
    return isinstance(term, Apply) and term.op in ("list", "set")


def _is_group(term: Term) -> bool:
    return isinstance(term, Apply) and term.op.startswith("group")


def _is_relation(term: Term) -> bool:
    return isinstance(term, Apply) and term.op.startswith("rel ")


def _assignment(term: Term) -> tuple[Term, Term] | None:
    """The name and the value of `name = value`, whichever side the name is on."""
    if not isinstance(term, Apply) or not term.op.startswith("rel ="):
        return None
    first, last = term.args[0], term.args[-1]
    if is_name(first):
        return first, last
    if len(term.args) == 2 and is_name(last):
        return last, first
    return None


def is_name(term: Term) -> bool:
    """Whether a term can name an answer: a variable, `f(x)`, `AB`, `|AB|`, `(p, q)`, `A:B`."""
    if isinstance(term, Symbol):
        return term.name not in CONSTANTS
    if isinstance(term, Text):
        return True
    if isinstance(term, Number):
        return False
    if term.op.startswith("call "):
        return True
    if term.op.startswith("group"):
        return bool(term.args) and all(is_name(arg) for arg in term.args)
    if term.op in ("/", ":", "abs", "sin", "cos", "tan"):
        return all(isinstance(arg, Apply | Symbol) and is_name(arg) for arg in term.args)
    if term.op == "*":
        return all(
            isinstance(part, Symbol) and part.name[0].isupper()
            for part in walk(term)
            if not isinstance(part, Apply)
        ) and all(part.op == "*" for part in walk(term) if isinstance(part, Apply))
    return term.op == "unit" and isinstance(term.args[0], Text)


def prepare(term: Term) -> Term:
    """The term without approximations after it, and with ± written out as a list."""
    if isinstance(term, Apply):
        if term.op.startswith("rel ") and "=>" in term.op:
            return prepare(term.args[-1])
        if term.op.startswith("rel ") and "~" in term.op:
            return prepare(_without_approximation(term))
        if has(term, "pm", "mp"):
            return _both_signs(term)
        if term.op in ("list", "set") or term.op.startswith("group"):
            items = tuple(prepare(arg) for arg in term.args)
            if term.op in ("list", "set"):
                items = tuple(part for item in items for part in _spread(item))
            return Apply(term.op, items)
    return term


def _spread(item: Term) -> Sequence[Term]:
    return item.args if isinstance(item, Apply) and item.op == "list" else (item,)


def _without_approximation(term: Apply) -> Term:
    signs = term.op.split()[1:]
    place = signs.index("~")
    if place == 0:
        if is_name(term.args[0]) and len(term.args) > 1:
            return Apply("rel =", term.args[:2])
        return term.args[0]
    return Apply("rel " + " ".join(signs[:place]), term.args[: place + 1])


def _signed(term: Term, sign: int) -> Term:
    if not isinstance(term, Apply):
        return term
    args = tuple(_signed(arg, sign) for arg in term.args)
    if term.op in ("pm", "mp"):
        plus = (term.op == "pm") == (sign > 0)
        last = args[-1] if plus else negative(args[-1])
        return last if len(args) == 1 else Apply("+", (args[0], last))
    return Apply(term.op, args)


def _both_signs(term: Apply) -> Term:
    if term.op in ("list", "set"):
        spread = [prepare(arg) for arg in term.args]
        items = tuple(part for item in spread for part in _spread(item))
        return Apply(term.op, items)
    if term.op == "rel =" and len(term.args) == 2:
        right = prepare(term.args[1])
        if isinstance(right, Apply) and right.op == "list":
            return Apply("list", tuple(Apply("rel =", (term.args[0], item)) for item in right.args))
    return Apply("list", (_signed(term, 1), _signed(term, -1)))


def decide(a: Term, b: Term) -> Decision:
    """Whether two terms say the same, and the rule that decided."""
    if a == b:
        return True, "identical"
    return _decide(prepare(a), prepare(b))


def _decide(a: Term, b: Term) -> Decision:
    if a == b:
        return True, "identical"
    if (isinstance(a, Apply) and a.op == "clock") or (isinstance(b, Apply) and b.op == "clock"):
        return _clocks(a, b)
    if _is_relation(a) or _is_relation(b):
        return _relations(a, b)
    if isinstance(a, Text) or isinstance(b, Text):
        return _texts(a, b)
    if _is_list(a) or _is_list(b):
        return _lists(a, b) if _is_list(a) else _lists(b, a)
    if has(a, "matrix") or has(b, "matrix"):
        return _matrices(a, b)
    if is_scalar(a) and is_scalar(b):
        return scalars(a, b)
    if _is_group(a) and _is_group(b):
        return _groups(a, b)
    if (_is_group(a) and is_scalar(b)) or (_is_group(b) and is_scalar(a)):
        group, other = (a, b) if _is_group(a) else (b, a)
        if isinstance(group, Apply) and len(group.args) == 1:
            return _decide(group.args[0], other)
        return False, "kind"
    return _regions(a, b)


def _clocks(a: Term, b: Term) -> Decision:
    if isinstance(a, Apply) and isinstance(b, Apply) and a.op == b.op == "clock":
        return same_time(a, b), "time"
    return False, "kind"


def _regions(a: Term, b: Term) -> Decision:
    if isinstance(a, Apply) and isinstance(b, Apply) and a.op == b.op == "cup":
        first, second = _union_parts(a), _union_parts(b)
        if len(first) == len(second) and _bag(first, second)[0]:
            return True, "interval"
    left, right = region(a), region(b)
    if left is None or right is None:
        return (None if left is right else False), "interval"
    return equal(left, right), "interval"


def _union_parts(term: Term) -> list[Term]:
    if isinstance(term, Apply) and term.op == "cup":
        return [*_union_parts(term.args[0]), *_union_parts(term.args[1])]
    return [term]


def _texts(a: Term, b: Term) -> Decision:
    if isinstance(a, Text) and isinstance(b, Text):
        return words_of(a.words) == words_of(b.words), "text"
    left, right = region(a), region(b)
    if left is not None and right is not None:
        return equal(left, right), "interval"
    return False, "text"


# Lists


def _bag(first: Sequence[Term], second: Sequence[Term]) -> Decision:
    """Whether the items can be paired off, in any order."""
    if len(first) != len(second):
        return False, "list"
    if len(first) > _MAX_ITEMS:
        return list(first) == list(second), "list"
    rest, unknown = list(second), False
    for item in first:
        for place, other in enumerate(rest):
            same, _ = decide(item, other)
            if same:
                del rest[place]
                break
            unknown |= same is None
        else:
            return (None if unknown else False), "list"
    return True, "list"


def _ordered(first: Sequence[Term], second: Sequence[Term]) -> Decision:
    if len(first) != len(second):
        return False, "tuple"
    unknown = False
    for item, other in zip(first[:_MAX_ITEMS], second, strict=False):
        same, _ = decide(item, other)
        if same is False:
            return False, "tuple"
        unknown |= same is None
    return (None if unknown else True), "tuple"


def _distinct(items: Sequence[Term]) -> list[Term]:
    found: list[Term] = []
    for item in items[:_MAX_ITEMS]:
        if not any(decide(item, other)[0] for other in found):
            found.append(item)
    return found


def _named(items: Sequence[Term]) -> dict[Term, Term] | None:
    """Names to values where every item is an assignment to another name."""
    pairs = [_assignment(item) for item in items]
    names = {pair[0]: pair[1] for pair in pairs if pair is not None}
    return names if len(names) == len(items) > 1 else None


def values_of(items: Sequence[Term]) -> list[Term]:
    """The items without the names that they are assigned to."""
    stripped: list[Term] = []
    for item in items:
        pair = _assignment(item)
        value = item if pair is None else pair[1]
        if _is_group(item) and isinstance(item, Apply):
            value = Apply(item.op, tuple(values_of(item.args)))
        stripped.extend(_spread(prepare(value)))
    return stripped


def _lists(a: Term, b: Term) -> Decision:
    """A list or set `a` against anything that is no relation."""
    if not isinstance(a, Apply):
        return None, "kind"
    if isinstance(b, Apply) and _is_list(b):
        left, right = _named(a.args), _named(b.args)
        if left is not None and right is not None and left.keys() == right.keys():
            return _ordered([left[name] for name in left], [right[name] for name in left])
        first, second = values_of(a.args), values_of(b.args)
        return _bag(_distinct(first), _distinct(second))
    items = values_of(a.args)
    if isinstance(b, Apply) and _is_group(b):
        if region(a) is not None and any(map(_is_relation, a.args)):
            return _regions(a, b)
        if len(items) == 1:
            return decide(items[0], b)
        if a.op == "list" and b.op in ("group()", "group[]"):
            return _ordered(items, b.args)
        return False, "kind"
    if has(b, "matrix") and a.op == "list":
        return _matrices(Apply("group()", tuple(items)), b)
    if is_scalar(b):
        alone = _distinct(items)
        return decide(alone[0], b) if len(alone) == 1 else (False, "kind")
    return _regions(a, b)


def _groups(a: Term, b: Term) -> Decision:
    if not (isinstance(a, Apply) and isinstance(b, Apply)):
        return None, "kind"
    plain = {a.op, b.op} <= {"group()", "group[]"}
    if a.op == b.op or (plain and len(a.args) != 2):
        same, rule = _ordered(values_of(a.args), values_of(b.args))
        return same, rule if a.op in ("group()", "group[]") else "interval"
    return _regions(a, b) if region(a) is not None and region(b) is not None else (False, "kind")


def _matrices(a: Term, b: Term) -> Decision:
    first, second = matrix(a), matrix(b)
    if first is None or second is None:
        return (None if first is second else False), "matrix"
    if [len(row) for row in first] != [len(row) for row in second]:
        return False, "matrix"
    flat = [item for row in first for item in row], [item for row in second for item in row]
    return _ordered(*flat)[0], "matrix"


# Relations


def _relations(a: Term, b: Term) -> Decision:
    """At least one of the two is an equation, an inequality, or a membership."""
    if isinstance(a, Apply) and isinstance(b, Apply) and _is_relation(a) and _is_relation(b):
        return _two_relations(a, b)
    relation, other = (a, b) if _is_relation(a) else (b, a)
    if not isinstance(relation, Apply):
        return None, "kind"
    if relation.op.startswith("rel ="):
        pair = _assignment(relation)
        if pair is not None:
            return decide(pair[1], other)
        last = relation.args[-1]
        if len(relation.args) > 2 or not symbols(relation):
            return decide(last, other)
        return False, "equation"
    if relation.op == "rel in":
        return decide(relation.args[1], other)
    if _is_list(other) and isinstance(other, Apply) and other.op == "list":
        named = [item for item in other.args if _is_relation(item)]
        if not named:
            return False, "kind"
    return _regions(relation, other)


def _two_relations(a: Apply, b: Apply) -> Decision:
    if a.op.startswith("rel =") and b.op.startswith("rel ="):
        return _equations(a, b)
    if len(a.args) == len(b.args) and _same_order(a, b):
        return True, "inequality"
    if a.op == "rel in" or b.op == "rel in":
        first = a.args[1] if a.op == "rel in" else a
        second = b.args[1] if b.op == "rel in" else b
        return decide(first, second)
    if a.op.startswith("rel =") or b.op.startswith("rel ="):
        return False, "kind"
    if len(a.args) == len(b.args) == 2 and len(symbols(a) | symbols(b)) > 1:
        return _proportional(a, b)
    names = symbols(a) | symbols(b)
    left, right = region(a), region(b)
    if left is not None and right is not None:
        return equal(left, right) and len(names) <= 1, "inequality"
    return False, "inequality"


_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "in": "in"}


def _same_order(a: Apply, b: Apply) -> bool:
    """Whether two chains agree term by term, read in the same or in the other direction."""
    signs_a, signs_b = a.op.split()[1:], b.op.split()[1:]
    mirrored = [_MIRRORED.get(sign, "?") for sign in reversed(signs_b)]
    if signs_a == signs_b and _ordered(a.args, b.args)[0]:
        return True
    return signs_a == mirrored and _ordered(a.args, b.args[::-1])[0] is True


def _equations(a: Apply, b: Apply) -> Decision:
    first, second = _assignment(a), _assignment(b)
    if first is not None and second is not None:
        named_alike = first[0] == second[0] or _functions_alike(first, second)
        same, rule = decide(first[1], _renamed(first[0], second))
        if _known_functions(first[0], second[0]):
            return (same if named_alike else False), rule
        if named_alike or (same and not (symbols(a) and _plain(first) and _plain(second))):
            return same, rule
    if len(a.args) == len(b.args) == 2:
        if all(decide(x, y)[0] for x, y in zip(a.args, b.args, strict=True)):
            return True, "equation"
        return _proportional(a, b)
    if first is not None and second is not None and first[0] == second[0]:
        return decide(first[1], second[1])
    return False, "equation"


def _renamed(name: Term, other: tuple[Term, Term]) -> Term:
    """The other definition's value in this one's variable: `f(t) = 3t` as `f(x) = 3x`."""
    theirs, value = other
    if isinstance(name, Apply) and isinstance(theirs, Apply) and name.op == theirs.op:
        ours, old = name.args[0], theirs.args[0]
        if name.op.startswith("call ") and isinstance(ours, Symbol) and isinstance(old, Symbol):
            return replaced(value, {old: ours})
    return value


def _known_functions(first: Term, second: Term) -> bool:
    """Whether both names are values of known functions: `sin x = 1` is not `cos x = 1`."""
    return all(isinstance(name, Apply) and name.op in ("sin", "cos", "tan", "abs")
               for name in (first, second))  # fmt: skip


def _plain(pair: tuple[Term, Term]) -> bool:
    """Whether a variable is set to a number: `x = 4` and `y = 4` are different lines."""
    return isinstance(pair[0], Symbol) and not symbols(pair[1])


def _functions_alike(first: tuple[Term, Term], second: tuple[Term, Term]) -> bool:
    """`W(n) = 1` and `W(x) = 1` define the same constant function."""
    a, b = first[0], second[0]
    same = isinstance(a, Apply) and isinstance(b, Apply) and a.op == b.op
    return same and not symbols(first[1]) and not symbols(second[1])


def _proportional(a: Apply, b: Apply) -> Decision:
    """Whether two relations differ by a constant factor (positive where the order counts)."""
    sign_a, sign_b = a.op[4:], b.op[4:]
    mirrored = _MIRRORED.get(sign_b) == sign_a and sign_a not in ("=", "!=")
    if sign_a != sign_b and not mirrored:
        return False, "equation"
    ratio: complex | None = None
    names = sorted(symbols(a) | symbols(b))
    agreed = 0
    for index in range(8):
        values = {name: sample(name, index, positive=index < 4) for name in names}
        try:
            x = numeric(a.args[0], values) - numeric(a.args[1], values)
            y = numeric(b.args[0], values) - numeric(b.args[1], values)
        except (Undefined, Huge):
            continue
        if abs(x) < 1e-9 or abs(y) < 1e-9:
            if abs(x) < 1e-9 and abs(y) < 1e-9:
                continue
            return False, "equation"
        if ratio is not None and abs(x / y - ratio) > 1e-7 * abs(ratio):
            return False, "equation"
        ratio, agreed = x / y, agreed + 1
    if agreed < 3 or ratio is None:
        return None, "equation"
    if sign_a in ("=", "!="):
        return True, "equation"
    return not isinstance(ratio, complex) and (ratio < 0) == mirrored, "inequality"
