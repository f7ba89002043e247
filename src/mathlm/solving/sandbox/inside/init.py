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
_PATIENCE_S = 10.0
"""How long killing may take; the stopped and the killed do no harm meanwhile."""
_REAP_S = 2.0
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


def _below(proc: Proc, root: int, spare: Collection[int], *, through: bool) -> set[int]:
    parents = proc.parents()
    found: set[int] = set()
    new = {root}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        new = new if through else new - set(spare)
        found |= new
    return found - set(spare)


def _signal_each(pids: set[int], number: int) -> None:
    for pid in sorted(pids):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_group(leader: int) -> None:
    """Kill a process group in one step, during which none of it can fork."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_below(
    proc: Proc, root: int, spare: Collection[int] = (), *, through: bool = False
) -> None:
    """Kill every descendant of `root`, a subreaper (or pid 1 of its namespace).

    `spare` is left alone, with all below it unless `through`. A bomb forks faster than one can
    kill it: all are stopped first, again and again until a look finds nobody new, since the
    stopped do not fork; only then are they killed.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        stopped: set[int] = set()
        while new := _below(proc, root, spare, through=through) - stopped:
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
    for group in _GROUPS:  # at once, which ends most bombs; without /proc, all that can be done
        kill_group(group)
    if syscalls.IS_LINUX:
        kill_below(Proc(os.open("/proc", os.O_RDONLY)), os.getpid())
    _reap_rest(_REAP_S)
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


def _reap_rest(seconds: float) -> int:
    """Reap what has ended or soon ends; 1 where something still runs after that."""
    return _left_behind(time.monotonic() + seconds)


def _oversee_program(pid: int, report: int) -> None:
    """Until the program's own process ends: its exit status, and whether it left others."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    os.write(report, f"{status} {_reap_rest(GRACE_S)}".encode())


def _oversee_session(report: int) -> None:
    """Until no process is left: a line with the id and exit status of each that ends."""
    while True:
        try:
            ended, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        os.write(report, f"{ended} {status}\n".encode())


def oversee(
    program: Callable[[], None],
    report: int,
    lifeline: int,
    *,
    namespaces: bool,
    session: bool,
) -> None:
    """Start `program` in a child, tell `report` how it ended, and end; never returns.

    `program` is called in the child and must not return.
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
    if namespaces:
        syscalls.drop_capabilities()
    if session:
        _oversee_session(0)
    else:
        _oversee_program(pid, 0)
    if not namespaces:
        _end_all()
    os._exit(0)
