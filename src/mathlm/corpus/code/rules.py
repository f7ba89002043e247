"""AlgebraicStack's rules for 17 languages, as published (`paper`) and mended (`default`).

Source: EleutherAI/math-lm@9575d13, `proof_pile_2/algebraic_stack/process_stack.py` (12 languages)
and `process_github.py` (Coq, Isabelle, Lean, MATLAB). A rule looks at one document: its text, the
path in `provenance.file` and the name in `provenance.repository`, and gives the reason to drop it.
Not here: deduplication, licences, the removal of test theorems.

What `default` mends: packages are matched as import statements instead of substrings; `"lib.h"`
counts like `<lib.h>`; the two FFTW headers that a missing comma glued together; keywords as words;
repositories without regard to case, also where only the path names them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from mathlm.core.records import Document
from mathlm.corpus.code.imports import imports_mathematics, mentions_mathematics

Rule = Callable[[Document], str | None]

MAX_BYTES = 1_048_575
MAX_DENSITY = 0.5
_DIGIT = re.compile(r"[0-9]")
_SPACE = re.compile(r"\s")


def numerical_density(text: str) -> float:
    """ASCII digits per character that is not white space; 0 for a blank text."""
    digits = len(_DIGIT.findall(text))
    return digits / max(1, len(text) - len(_SPACE.findall(text)))


def standard(
    document: Document, *, max_bytes: int = MAX_BYTES, max_density: float = MAX_DENSITY
) -> str | None:
    """The standard filter of all languages: not blank, not too large, not mostly digits."""
    if not document.text.strip():
        return "blank"
    if len(document.text.encode("utf-8", "surrogatepass")) > max_bytes:
        return "too large"
    if numerical_density(document.text) > max_density:
        return "numerical density"
    return None


def size_and_density(max_bytes: int = MAX_BYTES, max_density: float = MAX_DENSITY) -> Rule:
    """The standard filter with other bounds."""
    return functools.partial(standard, max_bytes=max_bytes, max_density=max_density)


def needs(pattern: str, reason: str, flags: int = 0) -> Rule:
    """Drop for `reason` unless the text matches."""
    compiled = re.compile(pattern, flags)
    return lambda document: None if compiled.search(document.text) else reason


def forbids(pattern: str, reason: str, flags: int = 0) -> Rule:
    """Drop for `reason` if the text matches."""
    compiled = re.compile(pattern, flags)
    return lambda document: reason if compiled.search(document.text) else None


def forbids_start(prefixes: tuple[str, ...], reason: str) -> Rule:
    """Drop for `reason` if the first characters that are not white space are one of these."""
    return lambda document: reason if document.text.lstrip().startswith(prefixes) else None


def forbids_origin(pattern: str, reason: str, *, flags: int = 0, path: bool = False) -> Rule:
    """Drop for `reason` if the repository's name (with `path`, the file's path too) matches."""
    compiled = re.compile(pattern, flags)

    def rule(document: Document) -> str | None:
        places = [document.provenance.repository or ""]
        if path:
            places.append(document.provenance.file or "")
        return reason if any(map(compiled.search, places)) else None

    return rule


def _python(test: Callable[[str], bool]) -> Rule:
    return lambda document: None if test(document.text) else "no mathematical import"


def _julia_large(document: Document) -> str | None:
    """A large Julia file stays only if it is a test suite and not mostly digits."""
    text = document.text
    if not text.strip():
        return "blank"
    if len(text.encode("utf-8", "surrogatepass")) < 100_000:
        return None
    if text.count("@test") / (text.count("\n") + 1) < 0.1:
        return "too large"
    return "numerical density" if numerical_density(text) > MAX_DENSITY else None


def _has_c(text: str) -> bool:
    """`#include`, or a line with ` main(` that ends in `{` (as a pattern: quadratic time)."""
    if "#include" in text:
        return True
    return any(" main(" in line and line.endswith("{") for line in text.split("\n"))


def _path(pattern: str, reason: str) -> Rule:
    compiled = re.compile(pattern)
    return lambda document: reason if compiled.search(document.provenance.file or "") else None


_STANDARD = (standard,)
_NO_NOTEBOOK = forbids_start(("{",), "notebook or JSON")
_SECTIONS = r"\\(?:chapter|section|subsection|subsubsection|paragraph|subparagraph)\*?\s*[\[{]"
_C_LIBRARIES = (
    r"fftw\.h|fftw3\.h|rfftw\.h|gsl[/_]|gsl\b|cblas\.h|blas\.h|lapacke\.h|nlopt\.h|petsc\.h"
)
_CPP_LIBRARIES = (
    r"(?:adept_arrays\.h|adept\.h|alglib|boost|armadillo|blitz|Eigen|deal\.II|dlib|NTL|mtl)"
)
_HASKELL_IMPORT = (
    r"import\s+(?:safe\s+)?(?:qualified\s+)?"
    r"(?:Numeric\.LinearAlgebra|Numeric\.SpecFunctions|Numeric\.Vector|Statistics|Data\.Complex)"
)
_COQ_WORDS = "Theorem|Proof|Qed|Inductive|Definition|Fixpoint"
_VERILOG_WORDS = "pragma|endmodule|posedge|negedge|wire"
_GENERATED = forbids("This file was automatically generated", "generated")
_R = (
    standard,
    forbids(r"/\* Resource fork", "resource fork"),
    forbids(r"Requirement\s+\{\s+Identifier", "requirement file"),
    forbids_start(("<?xml",), "XML"),
    _NO_NOTEBOOK,
)
_MATLAB = (
    standard,
    forbids("#import|@interface|@implementation|@property", "Objective-C"),
    lambda document: "C" if _has_c(document.text) else None,
)
_LEAN_WORDS = needs("theorem |lemma |example ", "no theorem keyword")
_ISABELLE_WORDS = needs("theorem |lemma ", "no theorem keyword")
_TEX = (
    size_and_density(max_bytes=10_000_000),
    _path("latex/", "under latex/"),
    forbids("gnuplot", "gnuplot"),
    needs(_SECTIONS, "no sectioning command"),
)
_NOTEBOOK_MARKS = (r"\begin{equation}", r"\begin{align}", "import sympy", "from sympy")
_JUPYTER = (
    lambda document: None if document.text.strip() else "blank",
    lambda document: (
        None
        if any(mark in document.text.lower() for mark in _NOTEBOOK_MARKS)
        else "no mathematics marker"
    ),
)
_SHARED: dict[str, tuple[Rule, ...]] = {
    "agda": _STANDARD,
    "fortran": _STANDARD,
    "gap": _STANDARD,
    "idris": _STANDARD,
    "julia": (forbids_start(("%", "[", "{"), "not Julia"), _julia_large),
    "jupyter": _JUPYTER,
    "maple": (size_and_density(max_bytes=100_000), forbids_start(("<?xml",), "XML")),
    "matlab": _MATLAB,
    "r": _R,
    "tex": _TEX,
}

PAPER: dict[str, tuple[Rule, ...]] = {
    **_SHARED,
    # The missing comma glues fftw3.h> to the next entry: neither of the two is ever found.
    "c": (
        standard,
        needs(
            r"#include <(?:fftw\.h>|gsl|cblas\.h>|blas\.h>|lapacke\.h>|nlopt\.h>|petsc\.h>)",
            "no numeric include",
        ),
    ),
    "coq": (
        standard,
        needs(_COQ_WORDS, "no Coq keyword"),
        forbids(_VERILOG_WORDS, "Verilog"),
        _GENERATED,
    ),
    "cpp": (
        size_and_density(max_density=0.1),
        needs(f"#include <{_CPP_LIBRARIES}", "no numeric include"),
    ),
    "haskell": (standard, needs(_HASKELL_IMPORT, "no numeric import")),
    "isabelle": (
        standard,
        forbids_origin("mirror-afp-2.*", "copy of a repository"),
        _ISABELLE_WORDS,
    ),
    "lean": (
        standard,
        forbids_origin("ProofNet|miniF2F", "benchmark repository"),
        _path("_target/deps/", "dependency"),
        _LEAN_WORDS,
    ),
    "python": (standard, _NO_NOTEBOOK, _python(mentions_mathematics)),
}

DEFAULT: dict[str, tuple[Rule, ...]] = {
    **_SHARED,
    "c": (
        standard,
        needs(rf'^[ \t]*#[ \t]*include[ \t]*[<"](?:{_C_LIBRARIES})', "no numeric include", re.M),
    ),
    "coq": (
        standard,
        needs(rf"\b(?:{_COQ_WORDS})\b", "no Coq keyword"),
        # As words, and only with Verilog's own `module`: a proof may be about wires.
        forbids(r"\bendmodule\b|\b(?:pos|neg)edge\b|^`(?:define|ifdef|timescale)", "Verilog", re.M),
        _GENERATED,
    ),
    "cpp": (
        size_and_density(max_density=0.1),
        needs(rf'^[ \t]*#[ \t]*include[ \t]*[<"]{_CPP_LIBRARIES}\b', "no numeric include", re.M),
    ),
    "haskell": (standard, needs(rf"^{_HASKELL_IMPORT}\b", "no numeric import", re.M)),
    "isabelle": (
        standard,
        forbids_origin(r"mirror-afp-2", "copy of a repository", flags=re.I),
        needs(r"\b(?:theorem|lemma)\s", "no theorem keyword"),
    ),
    "lean": (
        standard,
        forbids_origin(
            r"(?:^|[/_-])(?:proofnet|minif2f)\b", "benchmark repository", flags=re.I, path=True
        ),
        _path(r"(?:^|/)(?:_target/deps|\.lake/packages)/", "dependency"),
        needs(r"\b(?:theorem|lemma|example)\s", "no theorem keyword"),
    ),
    "python": (standard, _NO_NOTEBOOK, _python(imports_mathematics)),
}

RULES: dict[str, dict[str, tuple[Rule, ...]]] = {"default": DEFAULT, "paper": PAPER}


def judge(document: Document, rules: tuple[Rule, ...]) -> str | None:
    """The first reason to drop the document, or None."""
    return next((reason for rule in rules if (reason := rule(document))), None)
