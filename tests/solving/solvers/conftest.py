"""One sandbox for the tests of solvers: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mathlm.solving.sandbox import Sandbox


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """The real sandbox, or skip."""
    made = Sandbox(workers=2)
    if made.level == "rlimits":
        made.close()
        pytest.skip(f"no sandbox here: {made.failed}")
    yield made
    made.close()
