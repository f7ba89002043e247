r"""LaTeX as the plain text that pylatexenc's `LatexNodes2Text` prints, for the `prm800k` policy.

It keeps that library's habits (measured with version 2.10): `\frac{x+1}{2}` becomes `x+1/2`,
`\sqrt[3]{2}` loses its index, `\mbox` its content, unknown commands vanish, matrices become
`[ 1 2; 3 4 ]`. Not here: commands that no answer of the benchmarks holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"\\(?:begin|end)\s*\{([A-Za-z*]+)\}|\\([A-Za-z]+)\*?\s*|\\(\\\[[\d.]+\s*[a-z]{2}\]|.)|\\$|([{}$&~%])|(.)",
    re.S,
)
_SIGNS = {
    "pi": "π", "infty": "∞", "cup": "∪", "cap": "∩", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥",
    "ne": "≠", "neq": "≠", "in": "∈", "cdot": "·", "times": "×", "div": "÷", "pm": "±", "mp": "∓",
    "circ": "∘", "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "theta": "θ",
    "lambda": "λ", "mu": "μ", "omega": "ω", "phi": "ϕ", "varphi": "φ", "sigma": "σ", "rho": "ρ",
    "tau": "τ", "epsilon": "ϵ", "quad": "  ", "qquad": "    ", "ldots": "…", "dots": "…",
    "cdots": "⋯", "emptyset": "∅", "varnothing": "∅", "angle": "∠", "lfloor": "⌊", "rfloor": "⌋",
    "lceil": "⌈", "rceil": "⌉", "langle": "⟨", "rangle": "⟩", "lvert": "|", "rvert": "|",
    "mid": "|", "to": "→", "prime": "'", "setminus": "∖", "backslash": "\\", "degree": "°",
    "int": "∫", "sum": "∑", "sin": "sin", "cos": "cos", "tan": "tan", "log": "log", "ln": "ln",
    "exp": "exp", "max": "max", "min": "min", "arcsin": "arcsin", "arccos": "arccos",
    "arctan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "lim": "lim", "det": "det",
    "equiv": "≡", "approx": "≈", "subset": "⊂", "Rightarrow": "⇒",
}  # fmt: skip
_DROPPED = frozenset({"mbox", "hspace", "vspace", "label", "phantom"})
_STYLES = {"mathbf": "𝐢", "mathcal": "𝒜", "mathfrak": "𝔄"}
_MARKS = {"vec": "\u20d7", "hat": "\u0302", "bar": "\u0305", "tilde": "\u0303", "dot": "\u0307"}
_ESCAPED = {
    "(": "",
    ")": "",
    "[": "",
    "]": "",
    ",": " ",
    ";": " ",
    ":": " ",
    " ": " ",
    "!": "",
    "\\": "\n",
}
_TABLES = frozenset({"pmatrix", "bmatrix", "array", "smallmatrix"})
MAX_DEPTH = 60


class _Reader:
    def __init__(self, text: str) -> None:
        self.matches = list(_TOKEN.finditer(text))
        self.place = 0
        self.depth = 0

    def until(self, stop: Callable[[re.Match[str]], bool]) -> str:
        """What is printed up to a token that stops, which is taken."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        parts = []
        while self.place < len(self.matches):
            match = self.matches[self.place]
            self.place += 1
            if stop(match):
                break
            parts.append(self.one(match))
        self.depth -= 1
        return "".join(parts)

    def argument(self) -> str:
        """The next group or token, printed."""
        while self.place < len(self.matches) and self.matches[self.place][0].isspace():
            self.place += 1
        if self.place >= len(self.matches):
            return ""
        match = self.matches[self.place]
        self.place += 1
        return self.one(match)

    def one(self, match: re.Match[str]) -> str:
        environment, command, escaped, special, other = match.groups()
        if environment is not None:
            return self.environment(environment) if match[0].startswith("\\begin") else ""
        if command is not None:
            return self.command(command)
        if escaped is not None and len(escaped) > 1:
            return "\n"
        if escaped is not None:
            return _ESCAPED.get(escaped, escaped)
        if special == "{":
            return self.until(lambda m: m[4] == "}")
        if special == "%":
            self.until(lambda m: m[5] == "\n")
            return ""
        if match[0] == "\\":
            return ""
        return {"&": " ", "~": "\u00a0"}.get(special, "") if special else str(other)

    def command(self, name: str) -> str:
        if name in ("frac", "dfrac", "tfrac"):
            top = self.argument()
            return f"{top}/{self.argument()}"
        if name == "sqrt":
            if self.place < len(self.matches) and self.matches[self.place][5] == "[":
                self.until(lambda m: m[5] == "]")
            return f"√({self.argument()})"
        if name in _DROPPED:
            self.argument()
            return ""
        if name in _STYLES:
            return "".join(_STYLES[name] + letter for letter in self.argument())
        if name == "mathbb":
            return "".join(
                {"R": "ℝ", "Z": "ℤ", "N": "ℕ", "C": "ℂ", "Q": "ℚ"}.get(letter, letter)
                for letter in self.argument()
            )
        if name in _MARKS:
            return self.argument() + _MARKS[name]
        return _SIGNS.get(name, "")

    def environment(self, name: str) -> str:
        inside = self.until(lambda m: m[0].startswith("\\end"))
        if name not in _TABLES:
            return inside
        inside = re.sub(r"^\s*[lcr|]+(?=\S*)", "", inside) if name == "array" else inside
        rows = [" ".join(row.split()) for row in inside.split("\n")]
        return f"[ {'; '.join(rows)} ]"


def latex_to_text(latex: str) -> str:
    """The plain text of a piece of LaTeX; raises RecursionError where it nests too deep."""
    return _Reader(latex).until(lambda match: False)
