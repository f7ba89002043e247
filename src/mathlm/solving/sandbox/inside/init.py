"""The first process of a program's namespaces: it starts the program, reaps and tells how it ended.

It never runs a line of the program. At level `full` it is pid 1 of a pid namespace, so that its
death is the death of everything the program started; without namespaces it is the subreaper to
which everything left behind comes, and kills it. Either way it dies with the zygote.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Collection

from mathlm.solving.sandbox.inside import confine, jail, syscalls
from mathlm.solving.sandbox.inside.confine import Limits
from mathlm.solving.sandbox.inside.watch import Proc

INSIDE_UID = 1000
GRACE_S = 0.1
"""How long children that the program left have to end by themselves before they are killed."""
_GROUPS: list[int] = []
"""The program's process group, of an init that has started it."""


def write_maps(proc: int, inside: tuple[int, int], owner: tuple[int, int]) -> None:
    """Map one (user, group) of the parent namespace to `inside` in this process's new one.

    `proc` is a descriptor of the host's /proc, opened while it was there.
    """

    def write(name: str, text: str) -> None:
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    write("setgroups", "deny")
    write("uid_map", f"{inside[0]} {owner[0]} 1")
    write("gid_map", f"{inside[1]} {owner[1]} 1")


def die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process when the zygote dies; leave at once if it already has."""
    if syscalls.IS_LINUX:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)


def _parents() -> dict[int, int]:
    """Every process's parent; empty where there is no /proc."""
    try:
        descriptor = os.open("/proc", os.O_RDONLY)
    except OSError:
        return {}
    try:
        return Proc(descriptor).parents()
    finally:
        os.close(descriptor)


def _below(pid: int, spare: Collection[int]) -> set[int]:
    parents = _parents()
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found - set(spare)
        found |= new
    return found


def _signal_each(pids: set[int], number: int) -> None:
    for pid in sorted(pids):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_all_below(spare: Collection[int] = ()) -> None:
    """Kill every descendant of this process, their subreaper, save `spare` and what is below them.

    A bomb forks faster than one can kill it: all are stopped first, again and again until a look
    finds nobody new, since the stopped do not fork; only then are they killed.
    """
    own = os.getpid()
    while True:
        stopped: set[int] = set()
        while new := _below(own, spare) - stopped:
            _signal_each(new, signal.SIGSTOP)
            stopped |= new
        if not stopped:
            return
        _signal_each(stopped, signal.SIGKILL)
        for pid in sorted(stopped):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)


def become_subreaper() -> None:
    """Have orphans below this process become its children."""
    if syscalls.IS_LINUX:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def _adopt_orphans(lifeline: int) -> None:
    """Without a pid namespace: be told by SIGTERM to end all that came here."""
    signal.signal(signal.SIGTERM, lambda number, frame: _end_all())
    become_subreaper()
    if syscalls.IS_LINUX:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)


def _end_all() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not syscalls.IS_LINUX:  # without /proc only the program's own group can be found
        for group in _GROUPS:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
    kill_all_below()
    os._exit(0)


def prepare(limits: Limits, proc: int, *, owner: tuple[int, int]) -> None:
    """Fill the new namespaces of this process: identity and the private folder."""
    write_maps(proc, (INSIDE_UID, INSIDE_UID), owner)
    jail.mount_temporary(limits.disk_mib)


def _left_behind(deadline: float) -> int:
    """How many children still run after a short grace."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == 0:
            if time.monotonic() > deadline:
                return 1
            time.sleep(0.002)


def oversee(program: Callable[[], None], report: int, lifeline: int, *, namespaces: bool) -> None:
    """Start `program` in a child, report `exit-status left-behind` when it ends, and end.

    Never returns. `program` is called in the child and must not return.
    """
    if namespaces:
        die_with_parent(lifeline)
    else:
        _adopt_orphans(lifeline)
    pid = os.fork()
    if pid == 0:
        program()
        os._exit(72)
    _GROUPS.append(pid)
    confine.take_descriptors([report, lifeline])
    report = 0
    if namespaces:
        syscalls.drop_capabilities()
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    left = _left_behind(time.monotonic() + GRACE_S)
    os.write(report, f"{status} {left}".encode())
    if not namespaces:
        _end_all()
    os._exit(0)
