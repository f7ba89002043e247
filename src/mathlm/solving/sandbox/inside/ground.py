"""Finding out, once a zygote, how far this machine lets programs be shut in, and moving there.

The levels (written into every result):
`full`      namespaces (user, pid, net, ipc, uts, mount) with a root of our own, Landlock, seccomp;
`landlock`  seccomp and one of the two ways of shutting off files: Landlock without namespaces, or
            a root of our own on a kernel without Landlock;
`rlimits`   what is left: limits, process groups and an empty environment. Files and network are
            open; refused unless asked for. macOS reaches no more than this.
Each layer is tried in a child first, so that a failure half-way spoils nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

from mathlm.solving.sandbox.inside import init, jail, landlock, seccomp, syscalls
from mathlm.solving.sandbox.inside.confine import LEVELS, NOBODY, Ground, Limits

MINIMUM_ABI = 3
"""Of Landlock (Linux 6.2): before it, a program may truncate files that it may not write."""
NAMESPACES = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWNS
)
"""The new namespaces of every program."""


def _works(attempt: Callable[[], None]) -> str:
    """Try `attempt` in a forked child: "" where it held, else what the kernel said."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        message = ""
        try:
            attempt()
        except Exception as error:  # noqa: BLE001  (whatever fails is the finding)
            message = f"{type(error).__name__}: {error}"
        os.write(write, message.encode()[:512] or b"\0")
        os._exit(0)
    os.close(write)
    answer = os.read(read, 512)
    os.close(read)
    os.waitpid(pid, 0)
    return "died" if not answer else answer.strip(b"\0").decode("utf-8", "replace")


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)  # or our own /proc/self would belong to root


def enter_as_root(paths: Iterable[str], proc: int) -> None:
    """Build the root with root's own rights, then become nobody for good."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    jail.build(paths)
    _become_nobody()


def enter_as_user(paths: Iterable[str], proc: int) -> None:
    """Build the root in a user namespace, then give up its capabilities."""
    if os.geteuid() == 0:
        _become_nobody()
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    init.write_maps(proc, (uid, gid), (uid, gid))
    jail.build(paths)
    syscalls.drop_capabilities()


def try_namespaces(proc: int) -> None:
    """Start one init in namespaces of its own and have it prepare them; raises where that fails."""
    owner = (os.geteuid(), os.getegid())
    read, write = os.pipe()
    pid = syscalls.clone(NAMESPACES)
    if pid == 0:
        message = b"\0"
        try:
            init.prepare(Limits(), proc, owner=owner)
        except OSError as error:
            message = str(error).encode()
        os.write(write, message)
        os._exit(0)
    os.close(write)
    answer = os.read(read, 512)
    os.close(read)
    os.waitpid(pid, 0)
    if answer != b"\0":
        raise OSError(1, answer.decode("utf-8", "replace"))


def _try_landlock() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(["/usr"], [], [])
    try:
        os.listdir("/")
    except PermissionError:
        return
    raise OSError(1, "Landlock does not hold")


def _try_seccomp() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.program(syscalls.MACHINE))
    try:
        syscalls.unshare(syscalls.CLONE_NEWUTS)
    except PermissionError:
        return
    raise OSError(1, "seccomp does not hold")


def _entrances() -> list[Callable[[Iterable[str], int], None]]:
    return [enter_as_root, enter_as_user] if os.geteuid() == 0 else [enter_as_user]


def explore(extra: Iterable[str], proc: int, *, maximum: str) -> tuple[Ground, dict[str, str]]:
    """Move this process to the best level up to `maximum`: (where it stands, what failed why)."""
    failed: dict[str, str] = {}
    readable = tuple(jail.readable_paths(extra))
    inside = None
    if not syscalls.SUPPORTED or maximum == "rlimits":
        failed["kernel"] = f"{sys.platform} {syscalls.MACHINE}, at most {maximum}"
        return _ground(readable, proc, landlock_holds=False, seccomp_holds=False), failed
    for name, attempt in (("landlock", _try_landlock), ("seccomp", _try_seccomp)):
        reason = _works(attempt)
        if reason:
            failed[name] = reason
    if "landlock" not in failed and landlock.abi() < MINIMUM_ABI:
        failed["landlock"] = f"ABI {landlock.abi()} lets files be truncated"
    for entrance in _entrances() if maximum == "full" else []:
        reason = _works(lambda entrance=entrance: _enter_and_try(entrance, readable, proc))  # type: ignore[misc]
        if not reason:
            inside = entrance
            failed.pop("namespaces", None)
            break
        failed["namespaces"] = reason
    seccomp.program(syscalls.MACHINE)  # made once, here, for all forks
    ground = _ground(
        readable,
        proc,
        landlock_holds="landlock" not in failed,
        seccomp_holds="seccomp" not in failed,
        namespaces=inside is not None,
    )
    if inside is not None:
        inside(readable, proc)
    return ground, failed


def _enter_and_try(
    entrance: Callable[[Iterable[str], int], None], readable: tuple[str, ...], proc: int
) -> None:
    entrance(readable, proc)
    try_namespaces(proc)


def _ground(
    readable: tuple[str, ...],
    proc: int,
    *,
    landlock_holds: bool,
    seccomp_holds: bool,
    namespaces: bool = False,
) -> Ground:
    level = 0
    if seccomp_holds and (landlock_holds or namespaces):
        level = 1
    if seccomp_holds and landlock_holds and namespaces:
        level = 2
    become = NOBODY if os.geteuid() == 0 and not namespaces else None
    return Ground(
        level=LEVELS[level],
        landlock=landlock_holds,
        seccomp=seccomp_holds,
        namespaces=namespaces,
        become=become,
        base_bytes=_address_space(proc),
        readable=readable,
    )


def _address_space(proc: int) -> int:
    """Bytes of address space of this process; a guess where there is no /proc."""
    try:
        descriptor = os.open("self/statm", os.O_RDONLY, dir_fd=proc)
    except OSError:
        return 2**29
    try:
        return int(os.read(descriptor, 256).split()[0]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(descriptor)
