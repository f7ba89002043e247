import asyncio

import pytest

from mathlm.core.errors import UserError
from mathlm.solving.sandbox import Limits, Sandbox
from mathlm.solving.sandbox.selftest import processes_left


@pytest.fixture(scope="module", params=("full", "landlock"))
def box(request):
    box = Sandbox(workers=4, maximum_level=request.param)
    if box.level != request.param:
        reason = f"this machine reaches only {box.level}: {box.failed}"
        box.close()
        pytest.skip(reason)
    yield box
    box.close()


def value(session, name="x"):
    return session.result.variables[name].value


def test_a_search_can_branch_from_any_turn(box):
    async def run():
        root = await box.open()
        one = await root.run("import random\nx = [1]\nprint('hi')")
        left = await one.run("x.append(2)\nr = random.random()")
        right = await one.run("x.append(3)\nr = random.random()")
        after = await left.run("x.append(4)")
        again = await one.run("x.append(5)")
        empty = await root.run("print('x' in globals())")
        return one, left, right, after, again, empty

    one, left, right, after, again, empty = asyncio.run(run())
    assert one.result.stdout == "hi\n"
    assert [value(s) for s in (one, left, right, after, again)] == [
        "[1]",
        "[1, 2]",
        "[1, 3]",
        "[1, 2, 4]",
        "[1, 5]",
    ]
    assert value(left, "r") == value(right, "r")  # a branch is as deterministic as a program
    assert empty.result.stdout == "False\n"


FAILURES = [
    ("x = 2\n1/0", "error", True, "2"),
    ("import sys\nx = 3\nsys.exit(1)", "error", True, "3"),
    ("while True: pass", "timeout", False, None),
    ("import os\nos._exit(0)", "error", False, None),
    ("import ctypes\nctypes.string_at(0)", "killed", False, None),
    ("import os\nwhile True: os.write(1, b'x' * 4096)", "output", False, None),
    ("x = bytearray(1 << 34)", "memory", True, "1"),
    ("import os, time\nx = 4\nif os.fork() == 0:\n    time.sleep(60)", "ok", True, "4"),
    ("import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
     "timeout", False, None),
]  # fmt: skip


@pytest.mark.parametrize(("code", "status", "alive", "after"), FAILURES)
def test_a_failed_turn_harms_no_other(box, code, status, alive, after):
    async def run():
        root = await box.open(Limits(timeout_s=30))
        before = await root.run("x = 1")
        failed = await before.run(code, timeout_s=1.0 if status == "timeout" else None)
        assert (failed.result.status, failed.alive) == (status, alive), failed.result
        if alive:
            assert value(await failed.run("pass")) == after
        else:
            with pytest.raises(UserError, match="over"):
                await failed.run("pass")
        assert value(await before.run("x += 10")) == "11"

    asyncio.run(run())


def test_no_process_outlives_its_handles(box):
    async def run():
        sessions = [await box.open()]
        for number in range(20):
            sessions.append(await sessions[number // 2].run(f"x{number} = {number}"))
        sessions[0].close()
        assert (await sessions[5].run("pass")).result.status == "ok"

    asyncio.run(run())
    assert processes_left(box.start().zygote_pid) == 0


def test_twenty_branches_at_once(box):
    async def run():
        root = await box.open()
        one = await root.run("x = 1")
        return await asyncio.gather(*(one.run(f"x += {n}") for n in range(20)))

    assert [value(session) for session in asyncio.run(run())] == [str(1 + n) for n in range(20)]
