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


def _empty_into(folder: int, top: int, prefix: str) -> int:
    """Remove the files of `folder`; its folders go, or move up to `top` when they are not empty."""
    moved = 0
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                os.unlink(name, dir_fd=folder)
                continue
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=folder)
            continue
        if folder != top:
            with contextlib.suppress(OSError):
                os.chmod(name, 0o700, dir_fd=folder)  # a folder that moves must be writable
                os.rename(name, f"{prefix}{moved}", src_dir_fd=folder, dst_dir_fd=top)
                moved += 1
    return moved


def remove(path: str, rounds: int = 100_000) -> None:
    """Remove `path` with all below it; gives up silently on what the system will not remove."""
    try:
        top = _open(path)
    except OSError:
        return
    try:
        for turn in range(rounds):
            _empty_into(top, top, "")
            names = os.listdir(top)
            if not names:
                break
            with contextlib.suppress(OSError):
                folder = _open(names[0], top)
                try:
                    _empty_into(folder, top, f".{turn}-")
                finally:
                    os.close(folder)
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
