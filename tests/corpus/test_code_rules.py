"""AlgebraicStack's rules against 697 labelled files, and what the default mode mends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.records import Document, Provenance
from mathlm.corpus.code.imports import MATHEMATICS, imports_mathematics, mentions_mathematics
from mathlm.corpus.code.languages import EXTENSIONS, language_of
from mathlm.corpus.code.rules import DEFAULT, PAPER, RULES, judge, numerical_density

# Where the default mode differs from the published rules on the labelled files, and why.
MENDED = {
    "c/Reference-LAPACK__lapack/CBLAS/src/cblas_caxpby.c": 'includes "cblas.h" in quotes',
    "c/Reference-LAPACK__lapack/CBLAS/src/cblas_caxpy.c": 'includes "cblas.h" in quotes',
    "c/Reference-LAPACK__lapack/CBLAS/src/cblas_zhbmv.c": 'includes "cblas.h" in quotes',
    "isabelle/wimmers__munta/library/Instantiate_Existentials.thy": "`lemma` ends its line",
    "isabelle/jaycech3n__Isabelle-HoTT/mltt/lib/Maybe.thy": "`Lemma` is followed by a line end",
    "python/mpmath__mpmath/docs/plots/buildplots.py": "the only import stands in a string",
}


def document(text: str, language: str = "python", *, file: str = "a", repo: str = "") -> Document:
    provenance = Provenance(file=file, repository=repo, language=language)
    return Document(id=file, text=text, source="code", provenance=provenance)


def labelled(data_dir):
    root = data_dir / "sources"
    for line in (root / "labels.jsonl").read_text().splitlines():
        row = json.loads(line)
        text = (root / row["path"]).read_bytes().decode("utf-8")
        given = {"file": row["repo_path"], "repo": row["repo"]}
        yield row, document(text, row["language"], **given)


@pytest.mark.data
def test_labels_agree_with_the_paper_mode_and_differ_from_the_default_where_stated(data_dir):
    differing: dict[str, set[str]] = {mode: set() for mode in RULES}
    number = 0
    for row, file in labelled(data_dir):
        number += 1
        assert abs(numerical_density(file.text) - row["numeric_density"]) < 1e-4
        assert language_of(row["path"]) == row["language"]
        for mode, rules in RULES.items():
            dropped = judge(file, rules[row["language"]]) is not None
            if dropped != (row["expected"] == "drop"):
                differing[mode].add(row["path"])
    assert number == 697
    assert differing == {"paper": set(), "default": set(MENDED)}


@pytest.mark.parametrize(
    ("text", "default", "paper"),
    [
        ("import numpy as np\n", True, True),
        ("  from sympy.core import Add\n", True, True),
        ("import os, scipy.linalg\n", True, False),
        ("import numpyfoo\n", False, True),
        ("from jaxtyping import Array\n", False, True),
        ("# we import numpy elsewhere\n", False, True),
        (">>> from mpmath import mp\n", True, True),
        ("import os\n", False, False),
        ("from . import sympy\n", False, True),
        ("from\tnetworkx\timport Graph\n", True, False),
        ("", False, False),
    ],
)
def test_python_imports(text, default, paper):
    assert imports_mathematics(text) is default
    assert mentions_mathematics(text) is paper


@pytest.mark.parametrize(
    ("language", "text", "default", "paper"),
    [
        ("c", '#include "fftw3.h"\n', None, "no numeric include"),
        ("c", "#include <fftw3.h>\n", None, "no numeric include"),  # defect 3
        ("c", "#include <gsl/gsl_math.h>\n", None, None),
        ("c", "#include <stdio.h>\n", "no numeric include", "no numeric include"),
        ("cpp", "#include <Eigen/Dense>\n", None, None),
        ("cpp", "# include <NTL/ZZ.h>\n", None, "no numeric include"),
        ("cpp", "#include <Eigen/Dense>\n" + "1" * 20, "numerical density", "numerical density"),
        ("coq", "Theorem wired : True. Proof. exact I. Qed.", None, "Verilog"),
        ("coq", "module m; always @(posedge clk) Proof <= 1; endmodule", "Verilog", "Verilog"),
        ("coq", "(* This file was automatically generated *) Qed", "generated", "generated"),
        ("coq", "NotADefinitionx", "no Coq keyword", None),
        ("lean", "theorem a : 1 = 1 := rfl", None, None),
        ("lean", "def a := 1", "no theorem keyword", "no theorem keyword"),
        ("isabelle", "lemma\n  a: True", None, "no theorem keyword"),
        ("matlab", "#import <UIKit/UIKit.h>", "Objective-C", "Objective-C"),
        ("matlab", "int main(void) {\n}", "C", "C"),
        ("matlab", "x = [1, 2]';", None, None),
        ("r", '<?xml version="1.0"?>', "XML", "XML"),
        ("r", '\n {"cells": []}', "notebook or JSON", "notebook or JSON"),
        ("maple", "x" * 100_001, "too large", "too large"),
        ("julia", "[1, 2]", "not Julia", "not Julia"),
        ("julia", "f(x) = x\n" * 12_000, "too large", "too large"),
        ("julia", "@test f(x) == x\n" * 7_000, None, None),
        ("haskell", "import qualified Data.Complex as C", None, None),
        ("haskell", "import Data.List", "no numeric import", "no numeric import"),
        ("tex", r"\section*{One} gnuplot", "gnuplot", "gnuplot"),
        ("tex", r"\paragraph{One} text", None, None),
        ("tex", r"\documentclass{book}", "no sectioning command", "no sectioning command"),
        ("jupyter", '{"source": ["\\\\BEGIN{align} a"]}', None, None),
        ("jupyter", '{"cells": []}', "no mathematics marker", "no mathematics marker"),
        ("python", "{ import numpy }", "notebook or JSON", "notebook or JSON"),
        ("fortran", " \n", "blank", "blank"),
        ("gap", "1234567890", "numerical density", "numerical density"),
        ("agda", "x" * 1_048_576, "too large", "too large"),
    ],
)
def test_rules(language, text, default, paper):
    assert judge(document(text, language), DEFAULT[language]) == default
    assert judge(document(text, language), PAPER[language]) == paper


@pytest.mark.parametrize(
    ("language", "file", "repo", "default", "paper"),
    [
        ("lean", "a.lean", "openai/miniF2F", "benchmark repository", "benchmark repository"),
        ("lean", "x/minif2f/a.lean", "me/copy", "benchmark repository", None),
        ("lean", "_target/deps/a.lean", "me/b", "dependency", "dependency"),
        ("isabelle", "a.thy", "isabelle-prover/mirror-afp-2021", *["copy of a repository"] * 2),
        ("isabelle", "a.thy", "isabelle-prover/mirror-afp-devel", None, None),
        ("tex", "latex/base/a.tex", "me/b", "under latex/", "under latex/"),
    ],
)
def test_origins(language, file, repo, default, paper):
    text = r"theorem lemma \section{A} x"
    given = document(text, language, file=file, repo=repo)
    assert judge(given, DEFAULT[language]) == default
    assert judge(given, PAPER[language]) == paper


def test_both_modes_cover_the_same_seventeen_languages():
    assert set(DEFAULT) == set(PAPER)
    assert len(DEFAULT) == 17
    assert set(DEFAULT) | {"html", "text"} == set(EXTENSIONS.values())
    assert len(MATHEMATICS) == 17


@given(st.text(max_size=200), st.sampled_from(sorted(DEFAULT)), st.sampled_from(sorted(RULES)))
def test_any_text_gets_a_reason_or_none(text, language, mode):
    reason = judge(document(text, language), RULES[mode][language])
    assert reason is None or reason
    if not text.strip():
        assert reason == "blank"
