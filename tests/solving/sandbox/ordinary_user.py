"""Run a command as the user `nobody`, from root: `ordinary_user.py COMMAND…`.

Where the interpreter lies in a folder that only root may enter (/root), that folder is replaced,
in a mount namespace of this command alone, by one that holds just the interpreter.
"""

import ctypes
import os
import stat
import sys
import tempfile

NOBODY = 65534
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() if kind else None)
    if LIBC.mount(*arguments, ctypes.c_ulong(flags), data.encode() or None):
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def closed_ancestor(path: str) -> str | None:
    """The first folder on the way to `path` that others may not enter."""
    parts = path.strip("/").split("/")
    for number in range(1, len(parts)):
        folder = "/" + "/".join(parts[:number])
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return folder
    return None


def open_the_way(path: str) -> None:
    closed = closed_ancestor(path)
    if closed is None:
        return
    aside = tempfile.mkdtemp()
    mount(path, aside, None, MS_BIND | MS_REC)
    mount("none", closed, "tmpfs", 0, "mode=755")
    os.makedirs(path)
    mount(aside, path, None, MS_BIND | MS_REC)
    LIBC.umount2(aside.encode(), 2)
    os.rmdir(aside)


def main() -> None:
    if LIBC.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    for path in (sys.base_prefix, sys.prefix):
        open_the_way(path)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.environ["HOME"] = os.path.join(tempfile.gettempdir(), f"mathlm-home-{NOBODY}")
    os.makedirs(os.environ["HOME"], mode=0o700, exist_ok=True)  # one for all runs
    with open(os.path.join(os.environ["HOME"], ".secret"), "w") as file:
        file.write("secret")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
