"""Which mathematical packages a Python file imports.

The 17 packages are those of Proof-Pile-2's `process_stack.py`. The published rule is a substring
test (`import numpyfoo` passes, so does a comment); the default reads import statements at the
beginning of lines, with word boundaries. Neither runs nor parses the file: code of any Python
version, broken or hostile, is only matched against patterns in linear time.
"""

from __future__ import annotations

import re

MATHEMATICS = (
    "numpy",
    "scipy",
    "sympy",
    "sage",
    "numba",
    "numexpr",
    "theano",
    "statsmodels",
    "networkx",
    "mpmath",
    "pymc3",
    "astropy",
    "cupy",
    "pycuda",
    "cvxpy",
    "pyomo",
    "jax",
)
_SUBSTRINGS = tuple(f"{verb} {name}" for name in MATHEMATICS for verb in ("import", "from"))
_FROM = re.compile(r"^[ \t]*(?:>>> )?from[ \t]+(\w+)(?=[ \t.])", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*(?:>>> )?import[ \t]+([\w., \t]+)", re.MULTILINE)
_NAMES = frozenset(MATHEMATICS)


def imported(text: str) -> set[str]:
    """Top-level packages that the file's import statements (also those of doctests) name."""
    found = set(_FROM.findall(text))
    for clause in _IMPORT.findall(text):
        for part in clause.split(","):
            words = part.split()
            if words:
                found.add(words[0].partition(".")[0])
    return found


def imports_mathematics(text: str) -> bool:
    """Whether the file imports one of the 17 packages (default rule)."""
    return not _NAMES.isdisjoint(imported(text))


def mentions_mathematics(text: str) -> bool:
    """Whether `import X` or `from X` occurs anywhere for one of them (published rule)."""
    return any(substring in text for substring in _SUBSTRINGS)
