"""The escape suite: whether the sandbox holds on this machine, as this user.

`mathlm doctor` prints it and CI runs it, as root and as an ordinary user. Not here: the attempts
(escapes). An attempt is held when it got nothing, was reported as what it was, left no process and
no file, and the service answered the next program rightly.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathlm.solving.sandbox.attempt import Attempt
from mathlm.solving.sandbox.escapes import AFTERWARDS, ATTEMPTS
from mathlm.solving.sandbox.inside.confine import Limits
from mathlm.solving.sandbox.result import Level, ProgramResult
from mathlm.solving.sandbox.service import Sandbox

_SECRET = "MATHLM_SELFTEST_SECRET"
_SETTLE_S = 2.0
_PATIENT_S = 10.0
"""For attempts that end by themselves, however slow the machine."""


@dataclass(frozen=True)
class Finding:
    """What came of one attempt."""

    name: str
    held: bool
    status: str
    detail: str = ""
    level: str = ""


@dataclass
class _Bait:
    """What the attempts are after, outside of the sandbox."""

    folder: Path
    server: socket.socket
    local: socket.socket
    secrets: list[str] = field(default_factory=list)

    def facts(self, box: Sandbox) -> dict[str, Any]:
        return {
            "secret": self.secrets,
            "outside": str(self.folder / "open"),
            "caller": os.getpid(),
            "zygote": box.start().zygote_pid,
            "port": self.server.getsockname()[1],
            "unix": self.local.getsockname(),
        }

    def taken(self) -> list[str]:
        """What an attempt changed or reached outside."""
        found = [str(path) for path in (self.folder / "open").iterdir()]
        left = (Path(place) / "mathlm-left" for place in ("/tmp", "/dev/shm", "/var/tmp"))
        found += [str(path) for path in left if path.exists()]
        if Path(self.secrets[0]).read_text() != "secret":
            found.append("the secret was changed")
        for listener in (self.server, self.local):
            with suppress(BlockingIOError):
                listener.accept()[0].close()
                found.append("a connection was made")
        return found


def _home_files() -> list[str]:
    """A few files of the user's own home that the user can read."""
    found: list[str] = []
    with suppress(OSError, RuntimeError):
        for path in sorted(Path.home().iterdir()):
            if path.is_file() and os.access(path, os.R_OK):
                found.append(str(path))
    return found[:5]


@contextmanager
def _bait() -> Iterator[_Bait]:
    folder = Path(tempfile.mkdtemp(prefix="mathlm-selftest-"))
    os.environ[_SECRET] = "secret"
    server, local = socket.socket(), socket.socket(socket.AF_UNIX)
    try:
        folder.chmod(0o755)
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        (folder / "secret").write_text("secret")
        server.bind(("127.0.0.1", 0))
        local.bind(str(folder / "socket"))
        os.chmod(folder / "socket", 0o777)
        for listener in (server, local):
            listener.listen()
            listener.setblocking(False)
        yield _Bait(folder, server, local, [str(folder / "secret"), *_home_files()])
    finally:
        os.environ.pop(_SECRET, None)
        server.close()
        local.close()
        shutil.rmtree(folder, ignore_errors=True)


def _same_command(pid: int) -> int:
    """Processes with the command line of `pid`: its forks have it, wherever they have gone."""
    wanted, found = Path(f"/proc/{pid}/cmdline").read_bytes(), 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                found += Path(f"/proc/{entry}/cmdline").read_bytes() == wanted
    return found


def processes_left(zygote: int) -> int:
    """Forks of the zygote that are still there once the dust has settled; 0 without /proc."""
    deadline = time.monotonic() + _SETTLE_S
    with suppress(FileNotFoundError):
        while (left := _same_command(zygote) - 1) > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return left
    return 0


def _faults(attempt: Attempt, result: ProgramResult, bait: _Bait, box: Sandbox) -> list[str]:
    faults = [line for line in result.stdout.splitlines() if "BREACH" in line]
    if result.status not in attempt.accepted:
        expected = " or ".join(sorted(attempt.accepted))
        faults.append(f"reported as {result.status}, expected {expected}: {result.error[-200:]}")
    zygote = box.start().zygote_pid
    if left := processes_left(zygote):
        faults.append(f"{left} processes are left")
    faults += bait.taken()
    after = box.run_blocking(AFTERWARDS)
    answer = after.variables.get("ans")
    if "BREACH" in after.stdout or answer is None or answer.value != "Integer(42)":
        faults.append(f"the next program went wrong: {after.status} {after.stdout[:200]}")
    if box.start().zygote_pid != zygote:
        faults.append("the zygote died")
    return faults


def _try(attempt: Attempt, bait: _Bait, box: Sandbox, timeout_s: float) -> Finding:
    program = f"FACTS = {bait.facts(box)!r}\n{attempt.program}"
    wall = timeout_s if "timeout" in attempt.accepted else _PATIENT_S
    limits = Limits(timeout_s=wall, memory_mib=256)
    result = box.run_blocking(program, limits)
    if result.status == "refused":
        return Finding(attempt.name, True, "refused", result.error, result.level)
    faults = _faults(attempt, result, bait, box)
    return Finding(attempt.name, not faults, result.status, "; ".join(faults), result.level)


def selftest(
    attempts: Sequence[Attempt] = ATTEMPTS,
    *,
    timeout_s: float = 1.0,
    minimum_level: Level = "landlock",
    maximum_level: Level = "full",
) -> list[Finding]:
    """What came of every attempt, in order; about 15 seconds for all of them.

    `timeout_s` is the wall clock of those that never end. A machine below `minimum_level` runs
    nothing: its findings are `refused`, and held. Raises MachineError where no zygote starts.
    """
    box = Sandbox(workers=1, minimum_level=minimum_level, maximum_level=maximum_level)
    try:
        with _bait() as bait:
            return [_try(attempt, bait, box, timeout_s) for attempt in attempts]
    finally:
        box.close()
