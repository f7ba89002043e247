"""What the tests of extraction share: the scores of its benchmark."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def scoring(root: Path) -> ModuleType:
    """The benchmark's scores and its normal form of formulas."""
    name = "extraction_benchmark_scores"
    spec = importlib.util.spec_from_file_location(name, root / "benchmarks/extraction.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
