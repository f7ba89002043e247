"""System calls of Linux that Python does not offer, through ctypes; x86-64 and aarch64.

Not here: what they are used for. Numbers and constants: the kernel's uapi headers
(`asm/unistd_64.h`, `asm-generic/unistd.h`, `linux/sched.h`, `linux/mount.h`, `linux/prctl.h`).
Every wrapper raises OSError with the errno; nothing here touches a platform other than Linux at
import time.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NEWTIME = 0x00000080
SIGCHLD = 17

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 0x2
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 0x1, 0x2, 0x4

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_CAPABILITY_VERSION_3 = 0x20080522

IS_LINUX = sys.platform == "linux"
MACHINE = platform.machine()
# name: (x86-64, aarch64)
_NUMBERS = {
    "clone": (56, 220),
    "capset": (126, 91),
    "pivot_root": (155, 41),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}
_COLUMN = {"x86_64": 0, "aarch64": 1}.get(MACHINE)
SUPPORTED = IS_LINUX and _COLUMN is not None
"""Whether this module knows the machine's system calls."""

# PyDLL keeps the interpreter's lock held: a child made by clone() must come back owning it.
_LIBC = ctypes.PyDLL(None, use_errno=True) if IS_LINUX else None


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def syscall(name: str, *arguments: object) -> int:
    """Result of a system call by name; arguments are ints, bytes, None or ctypes pointers."""
    if _LIBC is None or _COLUMN is None:
        raise OSError(38, f"{name}: unknown system calls on {sys.platform} {MACHINE}")
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_LIBC.syscall(ctypes.c_long(_NUMBERS[name][_COLUMN]), *converted), name)


def prctl(option: int, *arguments: object) -> int:
    """`prctl(2)` with missing arguments 0."""
    if _LIBC is None:
        raise OSError(38, "prctl: Linux only")
    values = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    values += [ctypes.c_ulong(0)] * (4 - len(values))
    return _checked(_LIBC.prctl(option, *values), f"prctl({option})")


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, the child's pid in the parent.

    Only for a process of one thread. Unlike `os.fork` it runs no after-fork hooks and leaves
    glibc's cached thread id stale; an `os.fork` by the child puts both right.
    """
    return syscall("clone", flags | SIGCHLD, 0, 0, 0, 0)


def unshare(flags: int) -> None:
    """`unshare(2)`."""
    if _LIBC is None:
        raise OSError(38, "unshare: Linux only")
    _checked(_LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None = None, *, flags: int, data: str = "") -> None:
    """`mount(2)`."""
    if _LIBC is None:
        raise OSError(38, "mount: Linux only")
    result = _LIBC.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _checked(result, f"mount {source} on {target}")


def mount_attributes(target: str, attributes: int, *, recursive: bool = True) -> None:
    """Add attributes (read-only …) to the mount at `target`; needs Linux 5.12."""
    attr = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    path = os.fsencode(target)
    syscall("mount_setattr", AT_FDCWD, path, flags, ctypes.byref(attr), ctypes.sizeof(attr))


def enter_root(path: str) -> None:
    """Make the mount at `path` the root of this mount namespace and detach the old one."""
    os.chdir(path)
    syscall("pivot_root", b".", b".")
    if _LIBC is not None:
        _checked(_LIBC.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def collapse(start: int, length: int) -> bool:
    """Have the kernel put private memory into huge pages now (Linux 6.1): whether it did."""
    if _LIBC is None:
        return False
    area = (ctypes.c_void_p(start), ctypes.c_size_t(length))
    return bool(
        _LIBC.madvise(*area, _MADV_HUGEPAGE) == 0 and _LIBC.madvise(*area, _MADV_COLLAPSE) == 0
    )


def drop_capabilities() -> None:
    """Give up every capability of this process."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    syscall("capset", ctypes.byref(header), ctypes.byref(data))
