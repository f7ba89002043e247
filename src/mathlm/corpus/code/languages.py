"""The 17 languages of AlgebraicStack by file extension, and others that the corpus reads.

Extensions are ambiguous (`.v` is Coq or Verilog, `.m` MATLAB or Objective-C): the language here is
the one whose rules then keep or drop the file.
"""

from __future__ import annotations

from pathlib import PurePosixPath

EXTENSIONS = {
    ".agda": "agda",
    ".lagda": "agda",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".hxx": "cpp",
    ".v": "coq",
    ".f": "fortran",
    ".for": "fortran",
    ".f77": "fortran",
    ".f90": "fortran",
    ".f95": "fortran",
    ".f03": "fortran",
    ".f08": "fortran",
    ".g": "gap",
    ".gd": "gap",
    ".gi": "gap",
    ".gap": "gap",
    ".tst": "gap",
    ".hs": "haskell",
    ".lhs": "haskell",
    ".hsc": "haskell",
    ".idr": "idris",
    ".lidr": "idris",
    ".thy": "isabelle",
    ".jl": "julia",
    ".ipynb": "jupyter",
    ".lean": "lean",
    ".mpl": "maple",
    ".maple": "maple",
    ".mm": "maple",
    ".m": "matlab",
    ".py": "python",
    ".r": "r",
    ".rd": "r",
    ".tex": "tex",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".txt": "text",
    ".md": "text",
    ".rst": "text",
}


def language_of(path: str) -> str | None:
    """The language that a file's name promises, or None for an unknown extension."""
    return EXTENSIONS.get(PurePosixPath(path).suffix.lower())
