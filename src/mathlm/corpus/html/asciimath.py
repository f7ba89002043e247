"""AsciiMath to LaTeX: a recursive-descent converter of the whole language.

Not a checker: whatever the text, something readable comes out. Source: the grammar and the symbol
tables of asciimath.org (Jipsen).
"""

from __future__ import annotations

import re

_GREEK = (
    "alpha beta chi delta epsilon varepsilon eta gamma iota kappa lambda mu nu omega phi varphi pi psi rho sigma tau theta vartheta "
    "upsilon xi zeta Delta Gamma Lambda Omega Phi Pi Psi Sigma Theta Xi"
).split()
_FUNCTIONS = "sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh coth exp log ln det dim gcd lim min max ker deg Pr inf sup".split()
_OPERATOR_FUNCTIONS = "lcm mod lub glb sech csch Sin Cos Tan".split()
_NAMED = {
    **{name: f"\\{name}" for name in (*_GREEK, *_FUNCTIONS)},
    **{name: f"\\operatorname{{{name}}}" for name in _OPERATOR_FUNCTIONS},
    "sum": "\\sum", "prod": "\\prod", "int": "\\int", "oint": "\\oint", "cdot": "\\cdot", "ast": "\\ast", "star": "\\star", "times": "\\times",
    "div": "\\div", "circ": "\\circ", "oplus": "\\oplus", "otimes": "\\otimes", "odot": "\\odot", "wedge": "\\wedge", "vee": "\\vee",
    "cap": "\\cap", "cup": "\\cup", "bowtie": "\\bowtie", "ltimes": "\\ltimes", "rtimes": "\\rtimes", "setminus": "\\setminus", "ne": "\\ne", "le": "\\le", "ge": "\\ge",
    "lt": "<", "gt": ">", "leq": "\\leq", "geq": "\\geq", "prec": "\\prec", "succ": "\\succ", "preceq": "\\preceq", "succeq": "\\succeq", "in": "\\in", "notin": "\\notin",
    "subset": "\\subset", "supset": "\\supset", "subseteq": "\\subseteq", "supseteq": "\\supseteq", "equiv": "\\equiv", "cong": "\\cong",
    "approx": "\\approx", "propto": "\\propto", "sim": "\\sim", "and": "\\text{ and }", "or": "\\text{ or }", "not": "\\neg", "neg": "\\neg", "implies": "\\implies",
    "if": "\\text{ if }", "iff": "\\iff", "forall": "\\forall", "exists": "\\exists", "bot": "\\bot", "top": "\\top", "vdash": "\\vdash",
    "models": "\\models", "partial": "\\partial", "grad": "\\nabla", "nabla": "\\nabla", "del": "\\partial", "infty": "\\infty", "emptyset": "\\emptyset", "therefore": "\\therefore",
    "because": "\\because", "angle": "\\angle", "triangle": "\\triangle", "prime": "'", "pm": "\\pm", "mp": "\\mp", "cdots": "\\cdots", "ldots": "\\ldots", "vdots": "\\vdots",
    "ddots": "\\ddots", "diamond": "\\diamond", "square": "\\square", "aleph": "\\aleph", "to": "\\to", "rarr": "\\rightarrow", "rightarrow": "\\rightarrow",
    "larr": "\\leftarrow", "leftarrow": "\\leftarrow", "uarr": "\\uparrow", "uparrow": "\\uparrow", "darr": "\\downarrow", "downarrow": "\\downarrow", "harr": "\\leftrightarrow",
    "rArr": "\\Rightarrow", "Rightarrow": "\\Rightarrow", "lArr": "\\Leftarrow", "Leftarrow": "\\Leftarrow", "hArr": "\\Leftrightarrow", "mapsto": "\\mapsto", "quad": "\\quad", "qquad": "\\qquad",
    "dx": "dx", "dy": "dy", "dz": "dz", "dt": "dt", "xx": "\\times", "oo": "\\infty", "nn": "\\cap", "uu": "\\cup", "nnn": "\\bigcap", "uuu": "\\bigcup", "vv": "\\vee",
    "vvv": "\\bigvee", "AA": "\\forall", "EE": "\\exists", "CC": "\\mathbb{C}", "NN": "\\mathbb{N}", "QQ": "\\mathbb{Q}", "RR": "\\mathbb{R}", "ZZ": "\\mathbb{Z}",
    "TT": "\\top", "O/": "\\emptyset", "frown": "\\frown", "lfloor": "\\lfloor", "rfloor": "\\rfloor", "lceil": "\\lceil", "rceil": "\\rceil", "langle": "\\langle", "rangle": "\\rangle",
    "hbar": "\\hbar", "ell": "\\ell", "dagger": "\\dagger", "perp": "\\perp", "parallel": "\\parallel",
}  # fmt: skip
_MARKS = {
    "**": "\\ast", "***": "\\star", "//": "/", "\\\\": "\\setminus", "-:": "\\div", "|><": "\\ltimes", "><|": "\\rtimes", "|><|": "\\bowtie", "@": "\\circ",
    "o+": "\\oplus", "ox": "\\otimes", "o.": "\\odot", "^^": "\\wedge", "^^^": "\\bigwedge", "!=": "\\ne", "<=": "\\le", ">=": "\\ge", "mlt": "\\ll", "mgt": "\\gg",
    "-<": "\\prec", "-lt": "\\prec", ">-": "\\succ", "-<=": "\\preceq", ">-=": "\\succeq", "!in": "\\notin", "sub": "\\subset", "sup": "\\supset", "sube": "\\subseteq",
    "supe": "\\supseteq", "-=": "\\equiv", "~=": "\\cong", "~~": "\\approx", "~": "\\sim", "prop": "\\propto", "=>": "\\implies", "<=>": "\\iff", "_|_": "\\bot",
    "|--": "\\vdash", "|==": "\\models", "->": "\\to", ">->": "\\rightarrowtail", "->>": "\\twoheadrightarrow", "|->": "\\mapsto", "+-": "\\pm", "-+": "\\mp",
    "...": "\\ldots", ":.": "\\therefore", ":'": "\\because", "/_": "\\angle", "/_\\": "\\triangle", "O/": "\\emptyset", "\\ ": "\\ ", ":=": ":=", "*": "\\cdot",
    "|__": "\\lfloor", "__|": "\\rfloor", "|~": "\\lceil", "~|": "\\rceil", "'": "'", "%": "\\%", "#": "\\#", "&": "\\&", "$": "\\$",
}  # fmt: skip
_UNARY = {
    "sqrt": "sqrt", "hat": "hat", "bar": "overline", "overline": "overline", "ul": "underline", "underline": "underline", "vec": "vec", "tilde": "tilde", "dot": "dot",
    "ddot": "ddot", "overarc": "overparen", "ubrace": "underbrace", "underbrace": "underbrace", "obrace": "overbrace", "overbrace": "overbrace", "cancel": "cancel",
    "bb": "mathbf", "mathbf": "mathbf", "sf": "mathsf", "mathsf": "mathsf", "bbb": "mathbb", "mathbb": "mathbb", "cc": "mathcal", "mathcal": "mathcal", "tt": "mathtt",
    "mathtt": "mathtt", "fr": "mathfrak", "mathfrak": "mathfrak",
}  # fmt: skip
_FENCED_UNARY = {
    "abs": ("|", "|"),
    "norm": ("\\|", "\\|"),
    "floor": ("\\lfloor", "\\rfloor"),
    "ceil": ("\\lceil", "\\rceil"),
}
_BINARY = {"frac", "root", "stackrel", "overset", "underset", "color"}
_TEXT = {"text", "mbox", "class", "id"}
_LEFT = {
    "(": "(",
    "[": "[",
    "{": "\\{",
    "(:": "\\langle",
    "<<": "\\langle",
    "langle": "\\langle",
    "{:": ".",
}
_RIGHT = {
    ")": ")",
    "]": "]",
    "}": "\\}",
    ":)": "\\rangle",
    ">>": "\\rangle",
    "rangle": "\\rangle",
    ":}": ".",
}
_WORDS = sorted(
    {
        *_NAMED,
        *_UNARY,
        *_FENCED_UNARY,
        *_BINARY,
        *_TEXT,
        "f",
        "g",
        *(m for m in _MARKS if m.isalpha()),
        *(m for m in (*_LEFT, *_RIGHT) if m.isalpha()),
    },
    key=len,
    reverse=True,
)
_SIGNS = sorted(
    (m for m in {*_MARKS, *_LEFT, *_RIGHT, "^", "_", "/", "|", ",", "||"} if not m.isalpha()),
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
_MAX_DEPTH = 60


def to_latex(text: str) -> str:
    """LaTeX for one AsciiMath expression (at most 10,000 characters of it are read)."""
    return _Parser(text[:10_000]).expression().strip()


class _Parser:
    """The tokens of one expression and a place in them."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
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
            if token in _RIGHT and not closers:
                pieces.append(_RIGHT[self.take()].replace(".", ""))
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
        below, bare_below = self.scripted()
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
            if token in _LEFT:
                return self.bracketed(token)
            if token in ("|", "||"):
                return self.bars(token)
            return (self.command(token),) * 2
        finally:
            self.depth -= 1

    def command(self, token: str) -> str:
        """A symbol, or a command with its arguments."""
        if token in _UNARY:
            return f"\\{_UNARY[token]}{{{self.simple()[1]}}}"
        if token in _FENCED_UNARY:
            left, right = _FENCED_UNARY[token]
            return _fence(left, self.simple()[1], right)
        if token in _BINARY:
            return self.binary(token)
        if token in _TEXT:
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
        if self.peek() not in _LEFT:
            return self.take().strip('"')
        self.take()
        words: list[str] = []
        while self.peek() and self.peek() not in _RIGHT:
            words.append(self.take().strip('"'))
        self.take()
        return " ".join(words)

    def bracketed(self, opening: str) -> tuple[str, str]:
        """A bracketed expression; rows of equal length within are a matrix."""
        start = self.position
        if opening in ("[", "(", "{", "{:") and (matrix := self.matrix(opening)):
            return matrix, matrix
        self.position = start
        inner = self.expression(frozenset(_RIGHT))
        closing = self.take()
        right = _RIGHT.get(closing, ".")
        left = _LEFT[opening]
        if not closing:
            return _join([left if left != "." else "", inner]), inner
        bare = inner if opening in ("(", "[", "{", "{:") else _fence(left, inner, right)
        return _fence(left, inner, right), bare

    def matrix(self, opening: str) -> str | None:
        """`[[a,b],[c,d]]` as a matrix; None where the brackets hold something else."""
        inner_open = self.peek()
        if inner_open not in ("[", "("):
            return None
        rows: list[list[str]] = []
        closers = frozenset((",", *_RIGHT))
        while self.peek() == inner_open:
            self.take()
            cells = [self.expression(closers)]
            while self.peek() == ",":
                self.take()
                cells.append(self.expression(closers))
            self.take()
            rows.append(cells)
            if self.peek() != ",":
                break
            self.take()
        closing = self.take()
        if (
            closing not in _RIGHT
            or len({len(row) for row in rows}) != 1
            or len(rows) < 2
            and len(rows[0]) < 2
        ):
            return None
        if len(rows) < 2 and opening != "[":
            return None
        return _matrix(opening, closing, rows)

    def bars(self, bar: str) -> tuple[str, str]:
        """`|x|`; a bar without a partner stands alone."""
        start = self.position
        inner = self.expression(frozenset(("|", "||", *_RIGHT)))
        mark = "|" if bar == "|" else "\\|"
        if self.peek() == bar and inner:
            self.take()
            latex = _fence(mark, inner, mark)
            return latex, latex
        self.position = start
        return mark, mark


def _tokens(text: str) -> list[str]:
    return [
        next(group for group in match.groups() if group is not None)
        for match in _TOKEN.finditer(text)
    ]


def _plain(token: str) -> str:
    if token in _NAMED:
        return _NAMED[token]
    if token in _MARKS:
        return _MARKS[token]
    if token in ("{", "}"):
        return "\\" + token
    if token == "\\":
        return "\\ "
    if token[:1] == '"':
        return _text(token[1:-1])
    return (
        _LEFT.get(token)
        or _RIGHT.get(token)
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


def _matrix(opening: str, closing: str, rows: list[list[str]]) -> str:
    body = " \\\\ ".join(" & ".join(cells) for cells in rows)
    name = {
        ("[", "]"): "bmatrix",
        ("(", ")"): "pmatrix",
        ("{", "}"): "Bmatrix",
        ("{", ":}"): "cases",
    }.get((opening, closing), "matrix")
    return f"\\begin{{{name}}} {body} \\end{{{name}}}"


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
