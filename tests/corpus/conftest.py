"""What the tests of web sources share (`reading.py`)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared():
    """The module `reading.py` beside this file; workers find the folder on their path."""
    folder = str(Path(__file__).parent)
    sys.path.append(folder)
    spec = importlib.util.spec_from_file_location("reading", Path(folder, "reading.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(folder)
