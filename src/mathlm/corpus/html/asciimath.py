"""AsciiMath to LaTeX: a recursive-descent converter of the whole language.

Not a checker: whatever the text, something readable comes out. Source: the grammar and the symbol
tables of asciimath.org (Jipsen).
"""

from __future__ import annotations

import re

from mathlm.corpus.html.asciimath_symbols import (
    BINARY,
    FENCED,
    LEFT,
    MARKS,
    NAMED,
    RIGHT,
    TEXT,
    UNARY,
)

_WORDS = sorted(
    {
        *NAMED,
        *UNARY,
        *FENCED,
        *BINARY,
        *TEXT,
        "f",
        "g",
        *(m for m in MARKS if m.isalpha()),
        *(m for m in (*LEFT, *RIGHT) if m.isalpha()),
    },
    key=len,
    reverse=True,
)
_SIGNS = sorted(
    (m for m in {*MARKS, *LEFT, *RIGHT, "^", "_", "/", "|", ",", "||"} if not m.isalpha()),
    key=len,
    reverse=True,
)
_TOKEN = re.compile(
    r'\s*(?:("[^"]*")|(\d+(?:\.\d+)?|\.\d+)|('
    + "|".join(map(re.escape, _SIGNS))
    + ")|("
    + "|".join(map(re.escape, _WORDS))
    + r")|([^\s]))"
)
_TALL = re.compile(r"\\(?:frac|sum|int|prod|begin|sqrt|left|over|under)")
_MATRICES = {
    ("[", "]"): "bmatrix",
    ("(", ")"): "pmatrix",
    ("{", "}"): "Bmatrix",
    ("{", ":}"): "cases",
}
_MAX_DEPTH = 60


def to_latex(text: str) -> str:
    """LaTeX for one AsciiMath expression (at most 10,000 characters of it are read)."""
    return _Parser(text[:10_000]).expression().strip()


class _Parser:
    """The tokens of one expression and a place in them."""

    def __init__(self, text: str) -> None:
        self.text = text
        matches = list(_TOKEN.finditer(text))
        self.tokens = [m[m.lastindex or 0] for m in matches]
        self.starts = [m.start(m.lastindex or 0) for m in matches]
        self.partner = _partners(self.tokens)
        self.position = 0
        self.depth = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token

    def expression(self, closers: frozenset[str] = frozenset()) -> str:
        """Terms up to one of the closers (which is left) or to the end."""
        self.depth += 1
        pieces: list[str] = []
        while (token := self.peek()) and token not in closers:
            if token in RIGHT and not closers:
                pieces.append(RIGHT[self.take()].replace(".", ""))
                continue
            if self.depth > _MAX_DEPTH:
                pieces.append(_plain(self.take()))
                continue
            pieces.append(self.fraction())
        self.depth -= 1
        return _join(pieces)

    def fraction(self) -> str:
        """A scripted term, over another where `/` follows."""
        above, bare_above = self.scripted()
        if self.peek() != "/":
            return above
        self.take()
        bare_below = self.scripted()[1]
        return f"\\frac{{{bare_above}}}{{{bare_below}}}"

    def scripted(self) -> tuple[str, str]:
        """A simple term with its scripts; also without its brackets if it has no scripts."""
        latex, bare = self.simple()
        below = above = ""
        if self.peek() == "_":
            self.take()
            below = self.simple()[1]
        if self.peek() == "^":
            self.take()
            above = self.simple()[1]
        if not below and self.peek() == "_":
            self.take()
            below = self.simple()[1]
        if not below and not above:
            return latex, bare
        latex += (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")
        return latex, latex

    def simple(self) -> tuple[str, str]:
        """A simple term, as it stands and without its own brackets."""
        token = self.take()
        if not token:
            return "", ""
        self.depth += 1
        try:
            if self.depth > _MAX_DEPTH:
                return _plain(token), _plain(token)
            if token[0] == '"':
                return (_text(token[1:-1]),) * 2
            if token in LEFT:
                return self.bracketed(token)
            if token in ("|", "||"):
                return self.bars(token)
            return (self.command(token),) * 2
        finally:
            self.depth -= 1

    def command(self, token: str) -> str:
        """A symbol, or a command with its arguments."""
        if token in UNARY:
            return f"\\{UNARY[token]}{{{self.simple()[1]}}}"
        if token in FENCED:
            left, right = FENCED[token]
            return _fence(left, self.simple()[1], right)
        if token in BINARY:
            return self.binary(token)
        if token in TEXT:
            return _text(self.raw_argument())
        return _plain(token)

    def binary(self, token: str) -> str:
        if token == "color":
            self.raw_argument()
            return self.simple()[1]
        first, second = self.simple()[1], self.simple()[1]
        if token == "root":
            return f"\\sqrt[{first}]{{{second}}}"
        return f"\\{token}{{{first}}}{{{second}}}"

    def raw_argument(self) -> str:
        """The characters between brackets, as they stand (`text(…)`)."""
        start = self.position
        end = self.partner.get(start)
        if end is None:
            return self.take().strip('"')
        self.position = end + 1
        return self.text[self.starts[start] + 1 : self.starts[end]].strip('"')

    def bracketed(self, opening: str) -> tuple[str, str]:
        """A bracketed expression; rows of equal length within are a matrix."""
        if self.is_matrix(self.position - 1):
            matrix = self.matrix(opening)
            return matrix, matrix
        inner = self.expression(frozenset(RIGHT))
        closing = self.take()
        right = RIGHT.get(closing, ".")
        left = LEFT[opening]
        if not closing:
            return _join([left if left != "." else "", inner]), inner
        bare = inner if opening in ("(", "[", "{", "{:") else _fence(left, inner, right)
        return _fence(left, inner, right), bare

    def is_matrix(self, start: int) -> bool:
        """Whether the bracket at `start` holds bracketed rows of equal length and nothing else."""
        end = self.partner.get(start)
        row = start + 1
        inner = self.tokens[row] if row < len(self.tokens) else ""
        if end is None or inner not in ("[", "("):
            return False
        lengths: list[int] = []
        while self.tokens[row] == inner and (close := self.partner.get(row)) is not None:
            lengths.append(self.cells(row + 1, close))
            if close + 1 == end:
                wide = lengths[0] > 1 and self.tokens[start] == "["
                return len(set(lengths)) == 1 and (len(lengths) > 1 or wide)
            if self.tokens[close + 1] != ",":
                return False
            row = close + 2
        return False

    def cells(self, start: int, end: int) -> int:
        """How many cells the commas outside of inner brackets make."""
        count = 1
        while start < end:
            count += self.tokens[start] == ","
            start = self.partner.get(start, start) + 1
        return count

    def matrix(self, opening: str) -> str:
        """`[[a,b],[c,d]]` as a matrix."""
        rows: list[str] = []
        closers = frozenset((",", *RIGHT))
        while self.take() in ("[", "("):
            cells = [self.expression(closers)]
            while self.peek() == ",":
                self.take()
                cells.append(self.expression(closers))
            self.take()
            rows.append(" & ".join(cells))
            if self.peek() != ",":
                break
            self.take()
        closing = self.take()
        name = _MATRICES.get((opening, closing), "matrix")
        body = " \\\\ ".join(rows)
        return f"\\begin{{{name}}} {body} \\end{{{name}}}"

    def bars(self, bar: str) -> tuple[str, str]:
        """`|x|`; a bar without a partner stands alone."""
        mark = "|" if bar == "|" else "\\|"
        if not self.bar_closes(bar):
            return mark, mark
        inner = self.expression(frozenset(("|", "||", *RIGHT)))
        if self.peek() == bar:
            self.take()
        latex = _fence(mark, inner, mark)
        return latex, latex

    def bar_closes(self, bar: str) -> bool:
        """Whether the same bar follows, outside of inner brackets and after something."""
        place = self.position
        while place < len(self.tokens) and self.tokens[place] not in RIGHT:
            token = self.tokens[place]
            if token in ("|", "||"):
                return token == bar and place > self.position
            if token in LEFT and place not in self.partner:
                return False
            place = self.partner.get(place, place) + 1
        return False


def _partners(tokens: list[str]) -> dict[int, int]:
    """The place of the closing bracket for every opening one that has it."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for place, token in enumerate(tokens):
        if token in LEFT:
            waiting.append(place)
        elif token in RIGHT and waiting:
            partners[waiting.pop()] = place
    return partners


def _plain(token: str) -> str:
    if token in NAMED:
        return NAMED[token]
    if token in MARKS:
        return MARKS[token]
    if token in ("{", "}"):
        return "\\" + token
    if token == "\\":
        return "\\ "
    if token[:1] == '"':
        return _text(token[1:-1])
    return (
        LEFT.get(token)
        or RIGHT.get(token)
        or ("\\_" if token == "_" else "\\hat{}" if token == "^" else token)
    )


def _text(words: str) -> str:
    return "\\text{" + re.sub(r"([{}$%&#_])", r"\\\1", words.replace("\\", "")) + "}"


def _fence(left: str, inner: str, right: str) -> str:
    if left == "." and right == ".":
        return inner
    if _TALL.search(inner) or "." in (left, right):
        return _join(
            [
                f"\\left{left}",
                f" {inner} " if left[-1].isalpha() or right[-1].isalpha() else inner,
                f"\\right{right}",
            ]
        )
    return _join([left, inner, right])


_SPACED = re.compile(
    r"(?:\\(?:le|ge|ne|to|in|notin|pm|mp|cdot|times|div|approx|equiv|cong|sim|implies|iff|subset|subseteq|cup|cap|rightarrow|leftarrow|Rightarrow)|[=<>+]|:=)$"
)


def _join(pieces: list[str]) -> str:
    """Pieces in a row, relations and operators spaced, no command run into a letter."""
    out = ""
    for piece in pieces:
        if not piece:
            continue
        if _SPACED.fullmatch(piece):
            out += f" {piece} " if out and out[-1] != " " else f"{piece} "
        elif piece == ",":
            out += ", "
        elif piece[0].isalpha() and re.search(r"\\[A-Za-z]+$", out):
            out += f" {piece}"
        else:
            out += piece
    return re.sub(r" {2,}", " ", out).strip()
