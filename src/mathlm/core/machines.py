"""Whether the machines of a cluster have the same mathlm as this one and see the same files.

Asked before any work: a machine that sees other files would count every page as unreadable, and
one with other code would make other documents. What is asked travels as code, since the machine
may have no mathlm at all. Not here: what machines do (`cluster.py`).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.storage import disk_errors

_ANSWER_S = 60.0
_MARK = ".mathlm-sees-"
Answer = tuple[str, str | None, list[str]]
"""A machine's name, the digest of its mathlm (None: it has none), the paths that it misses."""


def require_alike(ray: Any, folder: Path | None, files: Sequence[str]) -> None:
    """Raise `UserError` where a machine of the connected cluster differs from this one.

    The files are there on this machine; in the folder one is left for the moment, to tell a shared
    folder from another of the same name.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    with _mark(folder) as marks:
        ask = asking([*marks, *dict.fromkeys(files)])
        task = ray.remote(ask)
        answers = []
        for node in ray.nodes():
            if node["Alive"]:
                only_there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                options = {"num_cpus": 0, "scheduling_strategy": only_there, "max_retries": 0}
                answers.append(task.options(**options).remote())
        here = ask()
        for answer in answers:
            with contextlib.suppress(ray.exceptions.RayError):  # lost meanwhile, or too busy
                _require(here, ray.get(answer, timeout=_ANSWER_S))


def _require(here: Answer, there: Answer) -> None:
    name, code, missing = there
    if code is None:
        raise UserError(f"engine.ray: mathlm is not installed on {name}")
    if code != here[1]:
        raise UserError(f"engine.ray: {name} has another mathlm: install the same everywhere")
    if missing:
        path = Path(missing[0])
        path = path.parent if path.name.startswith(_MARK) else path
        raise UserError(
            f"engine.ray: {name} does not see {path}: inputs and the run directory must lie on"
            " storage that all machines share under the same path"
        )


@contextlib.contextmanager
def _mark(folder: Path | None) -> Iterator[list[str]]:
    """A file in the folder that is there while the block lasts."""
    if folder is None:
        yield []
        return
    mark = folder / f"{_MARK}{uuid.uuid4().hex[:12]}"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    try:
        yield [str(mark)]
    finally:
        mark.unlink(missing_ok=True)


def asking(paths: list[str]) -> Callable[[], Answer]:
    """What a machine is asked, as a function that needs nothing but Python's own modules."""
    folder = str(Path.cwd())

    def ask() -> Answer:
        import contextlib
        import hashlib
        import importlib.util
        import os
        import platform
        import time
        from pathlib import Path

        with contextlib.suppress(OSError):
            os.chdir(folder)
        missing = [path for path in paths if not os.path.exists(path)]
        for _ in range(10):  # a shared folder may show a new file only after a while
            if missing:
                time.sleep(0.3)
            missing = [path for path in missing if not os.path.exists(path)]
        spec = importlib.util.find_spec("mathlm")
        code = None
        if spec is not None and spec.origin:
            root, digest = Path(spec.origin).parent, hashlib.sha256()
            for file in sorted(root.rglob("*.py")):
                digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
            code = digest.hexdigest()
        return platform.node(), code, missing

    return ask
