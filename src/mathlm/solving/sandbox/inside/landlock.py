"""Landlock: which files a process and its children may reach, and no TCP; without root.

Not here: namespaces and seccomp. Source: `linux/landlock.h` and the kernel's
`Documentation/userspace-api/landlock.rst` (ABI 1 is Linux 5.13; 2 refer, 3 truncate, 4 TCP,
5 ioctl on devices, 6 scopes of abstract sockets and signals).
"""

from __future__ import annotations

import ctypes
import functools
import os
import stat
from collections.abc import Iterable

from mathlm.solving.sandbox.inside import syscalls

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
TRUNCATE = 1 << 14
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | 1 << 15
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_NET_TCP = 3
_SCOPE_ABSTRACT_AND_SIGNAL = 3
_RULE_PATH_BENEATH = 1


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


@functools.cache
def abi() -> int:
    """The kernel's Landlock ABI version; 0 where it has none or it is switched off."""
    if not syscalls.SUPPORTED:
        return 0
    try:
        return syscalls.syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def _all_rights(version: int) -> int:
    return _RIGHTS_BY_ABI[max(known for known in _RIGHTS_BY_ABI if known <= version)]


def _create(version: int) -> int:
    attr = _RulesetAttr(_all_rights(version), 0, 0)
    size = 8
    if version >= 4:
        attr.net, size = _NET_TCP, 16
    if version >= 6:
        attr.scoped, size = _SCOPE_ABSTRACT_AND_SIGNAL, 24
    return syscalls.syscall("landlock_create_ruleset", ctypes.byref(attr), size, 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a path that is not there needs no permission
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _FILE_RIGHTS
        rule = _PathBeneath(rights, descriptor)
        syscalls.syscall("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def restrict(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]) -> None:
    """Confine this process for ever: read and execute, write (no execute), read-write devices.

    Needs `no_new_privs` (or CAP_SYS_ADMIN) first. Raises OSError where the kernel refuses.
    """
    version = abi()
    everything = _all_rights(version)
    ruleset = _create(version)
    try:
        for path in readable:
            _allow(ruleset, path, EXECUTE | READ_FILE | READ_DIR)
        for path in writable:
            _allow(ruleset, path, everything & ~(EXECUTE | _MAKE_CHAR | _MAKE_BLOCK))
        for path in devices:
            _allow(ruleset, path, READ_FILE | WRITE_FILE)
        syscalls.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
