"""Private folders on the host's own file system, where there is no mount namespace to hide one in.

What a program left there is hostile: trees too deep for recursion, folders without permissions,
links to elsewhere. Nothing is followed, and removing needs no recursion.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

PREFIX = "mathlm-sandbox-"


def make(owner: int | None) -> str:
    """A fresh folder that only its owner may enter; its name tells which process made it."""
    path = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=tempfile.gettempdir())
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def size(path: str, limit: int = 20_000) -> int:
    """Bytes allocated below `path`; every file counts at least one block of 4 KiB."""
    total, waiting, seen = 0, [path], 0
    while waiting and seen < limit:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                state = entry.stat(follow_symlinks=False)
                total += max(state.st_blocks * 512, 4096)
                if stat.S_ISDIR(state.st_mode):
                    waiting.append(entry.path)
    return total


def _open(path: str, parent: int | None = None) -> int:
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700, dir_fd=parent, follow_symlinks=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _empty_into(folder: int, top: int, prefix: str) -> list[str]:
    """Remove the files of `folder` and move its folders up to `top`: their names there.

    A folder that is not empty is never tried with rmdir: the kernel would walk all below it.
    """
    moved: list[str] = []
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                os.unlink(name, dir_fd=folder)
            elif folder == top:
                moved.append(name)
            else:
                os.chmod(name, 0o700, dir_fd=folder)  # a folder that moves must be writable
                new = f"{prefix}{len(moved)}"
                os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
                moved.append(new)
    return moved


def _empty(top: int) -> None:
    """Remove all below `top`, folder by folder, without recursion."""
    waiting = _empty_into(top, top, "")
    turn = 0
    while waiting:
        name = waiting.pop()
        turn += 1
        with contextlib.suppress(OSError):
            folder = _open(name, top)
            try:
                waiting += _empty_into(folder, top, f".{turn}-")
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)


def remove(path: str) -> None:
    """Remove `path` with all below it; gives up silently on what the system will not remove."""
    try:
        top = _open(path)
    except OSError:
        return
    try:
        _empty(top)
    except OSError:
        return
    finally:
        os.close(top)
        with contextlib.suppress(OSError):
            os.rmdir(path)


def sweep() -> None:
    """Remove folders of ours whose process is gone (it and its zygote were killed at once)."""
    base = tempfile.gettempdir()
    for name in sorted(os.listdir(base)):
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if not name.startswith(PREFIX) or not owner.isdigit():
            continue
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            remove(os.path.join(base, name))
        except OSError:
            continue
