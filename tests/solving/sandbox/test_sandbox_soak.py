"""Many programs, one in ten hostile: nothing may be left of them."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from mathlm.solving.sandbox import Limits, Sandbox
from mathlm.solving.sandbox.inside import folders
from mathlm.solving.sandbox.selftest import processes_left

GOOD = (
    ("ans = sum(range({n}))", "ok"),
    ("from sympy import *\nans = Rational({n}, 7)", "ok"),
    ("import math\nprint(math.comb({n}, 3))", "ok"),
    ("1 / 0  # {n}", "error"),
)
HOSTILE = (
    ("while True: pass", {"timeout"}),
    ("import os\nos._exit(0)", {"error"}),
    ("import os\nwhile True: os.write(1, b'x' * 65536)", {"output"}),
    ("x = bytearray(1 << 34)", {"memory"}),
    ("import ctypes\nctypes.string_at(0)", {"killed", "timeout"}),
    ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)",
     {"killed", "timeout"}),
    ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", {"timeout"}),
    ("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
     {"timeout", "error", "memory"}),
    ("for n in range(2000): open(f'file-{n}', 'w').write('x' * 5000)", {"ok", "timeout", "error"}),
    ("held = []\nwhile True: held.append(bytearray(1 << 20))", {"memory", "timeout"}),
)  # fmt: skip


def program(number):
    if number % 10 == 9:
        code, accepted = HOSTILE[number // 10 % len(HOSTILE)]
        return code, accepted
    code, status = GOOD[number % len(GOOD)]
    return code.format(n=number), {
        status,
        "timeout",
    }  # half a second may be short on a busy machine


def footprint(pid):
    statm = Path(f"/proc/{pid}/statm").read_text().split()
    private_mib = (int(statm[1]) - int(statm[2])) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return len(os.listdir(f"/proc/{pid}/fd")), private_mib


def temporary():
    place = Path(folders.tempfile.gettempdir())
    return sorted(path.name for path in place.glob(f"{folders.PREFIX}*"))


async def soak(count, level):
    limits = Limits(timeout_s=0.5, memory_mib=256)
    before = temporary()
    async with Sandbox(workers=4, maximum_level=level) as box:
        if box.level != level:
            pytest.skip(f"this machine reaches only {box.level}: {box.failed}")
        zygote = box.start().zygote_pid
        await asyncio.gather(*(box.run(program(n)[0], limits) for n in range(40)))
        start = footprint(zygote), footprint("self")
        statuses: Counter[str] = Counter()
        for first in range(0, count, 200):
            numbers = range(first, min(count, first + 200))
            results = await asyncio.gather(*(box.run(program(n)[0], limits) for n in numbers))
            for number, result in zip(numbers, results, strict=True):
                assert result.status in program(number)[1], (program(number), result)
                statuses[result.status] += 1
        assert processes_left(zygote) == 0
        assert box.start().zygote_pid == zygote
        end = footprint(zygote), footprint("self")
        for (files, mib), (files_after, mib_after) in zip(start, end, strict=True):
            assert files_after <= files
            assert mib_after <= mib + 8 + count * 1e-3
        last = await box.run("ans = 42")
        assert last.variables["ans"].value == "42"
    assert set(temporary()) <= set(before)  # another process may still be sweeping its own
    return statuses


@pytest.mark.parametrize("level", ["full", "landlock"])
def test_three_hundred_programs_leave_nothing(level):
    statuses = asyncio.run(soak(300, level))
    assert statuses["ok"] > 100
    assert statuses["killed"] + statuses["output"] + statuses["memory"] > 0


@pytest.mark.slow
def test_twenty_thousand_programs_leave_nothing():
    started = time.monotonic()
    statuses = asyncio.run(soak(20_000, "full"))
    print(f"{dict(statuses)} in {time.monotonic() - started:.0f} s")
    assert statuses["ok"] > 10_000
