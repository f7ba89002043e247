"""A place in a list of tokens: looking, taking, demanding.

Not here: what the tokens mean (`parser`, `numerals`).
"""

from __future__ import annotations

from mathlm.grading.terms import Unreadable
from mathlm.grading.tokens import Token

_CLOSING = frozenset({")", "]", "}"})


class Cursor:
    """Walks one list of tokens that ends with an `end` token."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.place = 0
        self.depth = 0
        self.bars = 0
        """How many `|` are open: then the next one closes."""

    def peek(self, ahead: int = 0) -> Token:
        """The token here, or some places ahead; the end token from the end on."""
        return self.tokens[min(self.place + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        """The token here; moves on."""
        token = self.peek()
        self.place += 1
        return token

    def sees(self, value: str, kind: str = "sign") -> bool:
        """Whether this token stands here."""
        token = self.peek()
        return token.kind == kind and token.value == value

    def accept(self, value: str, kind: str = "sign") -> bool:
        """Move past this token if it stands here."""
        if self.sees(value, kind):
            self.place += 1
            return True
        return False

    def expect(self, value: str, kind: str = "sign") -> None:
        """Move past this token; raises Unreadable where another one stands here."""
        if not self.accept(value, kind):
            raise Unreadable(f"expected {value}, found {self.peek().value!r}")

    def at_stop(self) -> bool:
        """Whether a closing bracket or the end stands here."""
        token = self.peek()
        return token.kind == "end" or (token.kind == "sign" and token.value in _CLOSING)

    def group_text(self) -> str:
        """The text of a braced group, or of one token."""
        if not self.sees("{"):
            return self.next().value
        self.place += 1
        parts = []
        while not self.sees("}") and self.peek().kind != "end":
            parts.append(self.next().value)
        self.accept("}")
        return "".join(parts)
