"""The first process of a program's namespaces: it starts the program, reaps and tells how it ended.

It never runs a line of the program. At level `full` it is pid 1 of a pid namespace, so that its
death is the death of everything the program started; without namespaces it is the subreaper to
which everything left behind comes, and kills it. Either way it dies with the zygote.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

from mathlm.solving.sandbox.inside import confine, jail, syscalls
from mathlm.solving.sandbox.inside.confine import Limits

INSIDE_UID = 1000
GRACE_S = 0.1
"""How long children that the program left have to end by themselves before they are killed."""


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


def children() -> list[int]:
    """Direct children of this process, by a scan of /proc."""
    own, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == own:
            found.append(int(entry))
    return found


def kill_all_below() -> None:
    """Kill every descendant: orphans come to this process (a subreaper) until none is left."""
    while True:
        for pid in children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _adopt_orphans(lifeline: int) -> None:
    def end(number: int, frame: object) -> None:
        kill_all_below()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    if syscalls.IS_LINUX:
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    if select.select([lifeline], [], [], 0)[0]:
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
    confine.take_descriptors([report, lifeline])
    report = 0
    if namespaces:
        syscalls.drop_capabilities()
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    left = _left_behind(time.monotonic() + GRACE_S)
    if not namespaces:
        kill_all_below()
    os.write(report, f"{status} {left}".encode())
    os._exit(0)
