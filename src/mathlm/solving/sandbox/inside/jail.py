"""The file system that a program sees: interpreter and libraries read-only, one private folder.

Two uses of one list of paths: at level `full` they are bound into an empty root of our own
(`build`, once a zygote); at level `landlock` they are what Landlock lets be read. Not here:
Landlock itself, and who is allowed to call this (a process with CAP_SYS_ADMIN in its namespace).
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable

from mathlm.solving.sandbox.inside import syscalls

TEMPORARY = "/sandbox"
"""The private folder inside our own root; /tmp leads there unless an interpreter lives in /tmp."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
_MOUNT_POINT = "/proc"  # there on every Linux, and nothing of it is wanted inside


def _interpreter_paths() -> set[str]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {entry for entry in sys.path if entry}
    paths |= {os.path.realpath(path) for path in paths} | {os.path.realpath(sys.executable)}
    if sys.base_prefix not in ("/", "/usr", "/usr/local"):
        paths.add(os.path.join(sys.base_prefix, "lib"))  # libpython, libraries of conda
    return paths


def readable_paths(extra: Iterable[str] = ()) -> list[str]:
    """Existing paths that a program may read and execute, none below another, sorted."""
    wanted = {*_LIBRARIES, *_FILES, *_interpreter_paths(), *extra}
    kept: list[str] = []
    for path in sorted(os.path.abspath(path) for path in wanted if os.path.exists(path)):
        below = any(path.startswith(parent.rstrip("/") + "/") for parent in kept)
        if path != "/" and path not in kept and not below:
            kept.append(path)
    return kept


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    # recursive: a mount that hides others cannot be bound without them in a user namespace
    syscalls.mount(source, target, flags=syscalls.MS_BIND | syscalls.MS_REC)


def _place(path: str, root: str) -> None:
    """Show `path` below `root`: a top-level link such as /lib as a link, everything else bound."""
    if os.path.islink(path) and path in _LIBRARIES:
        target = os.path.relpath(os.path.realpath(path), os.path.dirname(path))
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        os.symlink(target, root + path)
        return
    _bind(path, root + path)
    attributes = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
    syscalls.mount_attributes(root + path, attributes)


def build(paths: Iterable[str]) -> None:
    """Move this process into a root that holds `paths` read-only, four devices and `TEMPORARY`.

    Needs a mount namespace of its own. /proc and everything else of the host is gone afterwards,
    save for descriptors opened before.
    """
    root = _MOUNT_POINT
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("sandbox", root, "tmpfs", flags=flags, data="size=1m,mode=755")
    # links first: a path that leads through one must find it
    for path in sorted(paths, key=lambda path: (not os.path.islink(path), path)):
        _place(path, root)
    for device in DEVICES:
        if os.path.exists(device):
            _bind(device, root + device)
    os.mkdir(root + TEMPORARY)
    for name in ("/tmp", "/var/tmp", "/dev/shm"):
        if not os.path.exists(root + name):
            os.makedirs(os.path.dirname(root + name), exist_ok=True)
            os.symlink(TEMPORARY, root + name)
    syscalls.enter_root(root)
    syscalls.mount_attributes("/", syscalls.MOUNT_ATTR_RDONLY, recursive=False)


def mount_temporary(size_mib: int) -> None:
    """A fresh private folder at `TEMPORARY` for one program, bounded in bytes and files."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    options = f"size={size_mib}m,nr_inodes=8192,mode=700"
    syscalls.mount("private", TEMPORARY, "tmpfs", flags=flags, data=options)
