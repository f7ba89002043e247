"""What the program's own process does to itself before the first line of the program runs.

In this order: descriptors, rlimits, `no_new_privs`, the user, Landlock, capabilities, seccomp.
Not here: namespaces and the private folder (init). Every step either holds or raises: the caller
then refuses to run the program.
"""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import dataclass

from mathlm.solving.sandbox.inside import jail, landlock, seccomp, syscalls

LEVELS = ("rlimits", "landlock", "full")
"""Weakest first."""
NOBODY = 65534


@dataclass(frozen=True)
class Limits:
    """Limits of one program, all of them enforced from outside of its Python code."""

    timeout_s: float = 10.0
    """Wall clock."""
    memory_mib: int = 1024
    """Address space of each process above the bare interpreter, and of all together as resident."""
    processes: int = 64
    """Processes and threads."""
    file_mib: int = 64
    disk_mib: int = 256
    """The private folder as a whole."""
    output_kib: int = 64
    """Each of stdout and stderr."""


@dataclass(frozen=True)
class Ground:
    """What the zygote found out once, and every program is confined by."""

    level: str
    landlock: bool
    seccomp: bool
    namespaces: bool
    become: int | None
    """The uid to change to (only without namespaces, as root)."""
    base_bytes: int
    """Address space of the zygote itself."""
    readable: tuple[str, ...]


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def set_rlimits(limits: Limits, base_bytes: int, processes: int) -> None:
    """Limits of the kernel on this process and its children; `processes` counts the user's all."""
    _limit(resource.RLIMIT_AS, base_bytes + limits.memory_mib * 2**20)
    _limit(resource.RLIMIT_CPU, int(limits.timeout_s) + 2)
    _limit(resource.RLIMIT_FSIZE, limits.file_mib * 2**20)
    _limit(resource.RLIMIT_NOFILE, 256)
    _limit(resource.RLIMIT_CORE, 0)
    if processes:
        _limit(resource.RLIMIT_NPROC, processes)
    for name in ("RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO"):
        if hasattr(resource, name):
            _limit(getattr(resource, name), 0)


def take_descriptors(wanted: list[int]) -> None:
    """Make `wanted` the descriptors 0, 1, 2 … of this process and close every other one."""
    high = [os.dup(descriptor) for descriptor in wanted]  # out of the way of each other
    while any(descriptor < len(wanted) for descriptor in high):
        high = [os.dup(d) if d < len(wanted) else d for d in high]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number, inheritable=number < 3)
    os.closerange(len(wanted), os.sysconf("SC_OPEN_MAX"))


def reset_signals() -> None:
    """The dispositions of a fresh Python process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def confine(ground: Ground, limits: Limits, *, folder: str, processes: int) -> None:
    """Shut this process in for ever; raises OSError where a promised layer does not hold."""
    os.chdir(folder)
    os.umask(0o077)
    set_rlimits(limits, ground.base_bytes, processes)
    if not syscalls.IS_LINUX:
        return
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    if ground.become is not None:
        _become(ground.become)
    if ground.landlock:
        readable = ("/",) if ground.namespaces else ground.readable
        landlock.restrict(readable, (folder,), jail.DEVICES)
    if ground.namespaces:
        syscalls.drop_capabilities()
    if ground.seccomp:
        exposed = None if ground.namespaces else os.getpid()
        seccomp.install(seccomp.program(syscalls.MACHINE, exposed_as=exposed))
