"""What a program's processes use together, read from /proc from outside.

The kernel limits each process (RLIMIT_AS); many processes together, and the private folder where
it is an ordinary one, are looked at from here several times a second.
"""

from __future__ import annotations

import os

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Proc:
    """Reads the host's /proc by a descriptor, which stays good after a change of root."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def _read(self, path: str) -> bytes:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        except OSError:
            return b""
        try:
            return os.read(file, 65536)
        except OSError:
            return b""
        finally:
            os.close(file)

    def _list(self, path: str) -> list[str]:
        try:
            folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        except OSError:
            return []
        try:
            return os.listdir(folder)
        except OSError:
            return []
        finally:
            os.close(folder)

    def parents(self) -> dict[int, int]:
        """Every living process's parent, as the host counts; zombies are dead."""
        found = {}
        for entry in self._list("."):
            if entry.isdigit():
                fields = self._read(f"{entry}/stat").rpartition(b")")[2].split()
                if len(fields) > 1 and fields[0] not in (b"Z", b"X"):
                    found[int(entry)] = int(fields[1])
        return found

    def _children(self, pid: int) -> list[int]:
        listed = [self._read(f"{pid}/task/{t}/children") for t in self._list(f"{pid}/task")]
        return [int(child) for line in listed for child in line.split()]

    def tree(self, pid: int) -> list[int]:
        """`pid` and all its descendants; a kernel without `children` files is scanned whole."""
        found = [pid]
        if self._has_children_files():
            for known in found:
                found += self._children(known)
            return found
        parents = self.parents()
        for known in found:
            found += [child for child, parent in parents.items() if parent == known]
        return found

    def _has_children_files(self) -> bool:
        try:
            os.stat("self/task", dir_fd=self.descriptor)
            own = os.readlink("self", dir_fd=self.descriptor)
            os.stat(f"{own}/task/{own}/children", dir_fd=self.descriptor)
        except OSError:
            return False
        return True

    def tasks_of(self, uid: int) -> int:
        """Processes and threads that a user runs now, anywhere on the machine."""
        total = 0
        for entry in self._list("."):
            if not entry.isdigit():
                continue
            fields: dict[bytes, list[bytes]] = {}
            for line in self._read(f"{entry}/status").splitlines():
                name, _, rest = line.partition(b":")
                fields[name] = rest.split()
            if fields.get(b"Uid", [b"-1"])[0] == str(uid).encode():
                total += int(fields[b"Threads"][0])
        return total

    def heap(self) -> list[tuple[int, int]]:
        """Start and end of this process's private, nameless, writable memory."""
        found = []
        for line in self._read_whole("self/maps").decode().splitlines():
            area, rights, *_, inode = line.split()[:5]
            if rights.startswith("rw-p") and inode == "0":
                start, end = area.split("-")
                found.append((int(start, 16), int(end, 16)))
        return found

    def _read_whole(self, path: str) -> bytes:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        with open(file, "rb") as stream:
            return stream.read()

    def private_bytes(self, pid: int) -> int:
        """Resident bytes of no file, also those it shares with the process it was forked from."""
        fields = self._read(f"{pid}/statm").split()
        return max(0, int(fields[1]) - int(fields[2])) * _PAGE if len(fields) > 2 else 0

    def proportional_bytes(self, pid: int) -> int:
        """Resident bytes, those shared with others divided among them; slow."""
        for line in self._read(f"{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
        return self.private_bytes(pid)
