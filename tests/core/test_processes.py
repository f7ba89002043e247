"""Hostile work in the pool: each bad item is found, named, and the rest is done."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mathlm.core.errors import MachineError
from mathlm.core.processes import Pool

HERE = f"{Path(__file__).stem}"
sys.path.insert(0, str(Path(__file__).parent))  # workers import this very file


def work(item: object) -> object:
    """Do what the item says."""
    match item:
        case "segfault":
            ctypes.string_at(0)
        case "hang":  # holds the GIL inside C: no signal handler of Python ever runs
            ctypes.PyDLL(None).usleep(60_000_000)
        case "balloon":
            held = []
            while True:
                held.append(bytearray(64 << 20))
        case "exit":
            os._exit(0)
        case "raise":
            raise ValueError("bad page")
        case "unpicklable":
            return lambda: None
        case "shout":
            print("x" * 100_000)
            return "shouted"
        case "big":
            return b"x" * (8 << 20)
        case "child":
            return subprocess.Popen(["sleep", "60"]).pid
    return item


def pool(**settings: object) -> Pool:
    options: dict[str, object] = {"workers": 2, "timeout_s": 1.0, "memory_mib": 256}
    return Pool(f"{HERE}:work", **{**options, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("item", "status"),
    [
        ("segfault", "crashed"),
        ("hang", "timeout"),
        ("balloon", "memory"),
        ("exit", "crashed"),
        ("raise", "error"),
        ("unpicklable", "error"),
    ],
)
def test_a_bad_item_in_a_group_is_the_only_one_lost(item: str, status: str) -> None:
    items = [1, 2, 3, item, 5, 6, 7, 8]
    with pool() as workers:
        outcomes = list(workers.map(items, group=4))
    assert [o.status for o in outcomes] == ["done"] * 3 + [status] + ["done"] * 4
    assert [o.value for o in outcomes if o.done] == [1, 2, 3, 5, 6, 7, 8]
    assert all(o.detail for o in outcomes if not o.done)


def test_a_bad_item_first_and_last_and_twice() -> None:
    items = ["segfault", 1, "exit", "exit", 2, "raise"]
    with pool(workers=1) as workers:
        outcomes = list(workers.map(items, group=6))
    assert [o.status for o in outcomes] == [
        "crashed", "done", "crashed", "crashed", "done", "error",
    ]  # fmt: skip


def test_values_come_back_in_order_whatever_is_printed_or_large() -> None:
    items = ["shout", "big", *range(200)]
    with pool(timeout_s=20.0) as workers:
        values = [outcome.value for outcome in workers.map(items, group=7)]
    assert values == ["shouted", b"x" * (8 << 20), *range(200)]


def test_run_is_thread_safe() -> None:
    with pool(timeout_s=20.0) as workers:
        got: dict[int, object] = {}
        threads = [
            threading.Thread(target=lambda n=n: got.__setitem__(n, workers.run(n).value))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == {n: n for n in range(20)}


def test_an_unknown_function_is_a_broken_machine_not_a_hang() -> None:
    with Pool("no_such_module:f") as workers, pytest.raises(MachineError, match="did not start"):
        workers.run(1)


def test_leaving_map_early_leaves_nothing_behind() -> None:
    start = time.monotonic()
    with pool(timeout_s=30.0) as workers:
        for outcome in workers.map([1, "hang", "hang", "hang"]):
            assert outcome.value == 1
            break
        assert workers.run(2).value == 2  # the pool goes on
    assert time.monotonic() - start < 15
    assert not _alive("mathlm.core.worker", os.getpid())


def test_a_workers_own_children_die_with_it() -> None:
    with pool(timeout_s=20.0) as workers:
        pid = workers.run("child").value
    assert _ended_within(pid, 5.0)


def test_descriptors_do_not_leak() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    with pool(workers=1) as workers:
        list(workers.map(["exit", 2]))
        before = count()
        list(workers.map(["exit", 2] * 4))
        assert count() == before


@pytest.mark.parametrize("item", ["hang", "idle"])
def test_workers_die_when_the_parent_is_sigkilled(item: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from mathlm.core.processes import Pool\n"
        f"pool = Pool('{HERE}:work', workers=1, timeout_s=50)\n"
        "print(pool.run('pid').value and next(iter(pool._open))._process.pid, flush=True)\n"
        f"pool.run({item!r}); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert _ended_within(pid, 5.0)


def _ended_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def _alive(word: str, parent: int) -> list[int]:
    """Children of `parent` whose command line holds `word`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", encoding="utf-8") as file:
                    command = file.read()
                with open(f"/proc/{entry}/stat", encoding="ascii") as file:
                    owner = int(file.read().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if word in command and owner == parent:
                found.append(int(entry))
    return found
