"""Programs per second in the sandbox, beside a fresh `python -c` for each program.

    python benchmarks/sandbox.py [--seconds 10] [--workers 2]

Prints one JSON line: programs a second of wall time at the level reached, and a core (programs
divided by CPU seconds of the zygote with all its children, so that a busy machine does not count
against it); the peer's best over its settings from the same run; their ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import sympy

from mathlm.solving.sandbox import Sandbox

PROGRAMS = {
    "arithmetic": "a = {n}\nb = 7\nans = a * b + 1\nprint(ans)",
    "sympy_short": "from sympy import *\nx = symbols('x')\nans = expand((x + {n}) ** 2)",
    "sympy_import": "import sympy as sp\nans = sp.Rational({n}, 7) + sp.Rational(1, 3)",
    "sympy_solve": "from sympy import *\nx = symbols('x')\nans = solve(x**2 - {n}*x + 1)",
}


def zygote_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


async def ours(code: str, seconds: float, workers: int) -> dict[str, float | str]:
    async with Sandbox(workers=workers) as box:
        zygote = box.start().zygote_pid
        await asyncio.gather(*(box.run(code.format(n=n)) for n in range(10)))
        statuses: Counter[str] = Counter()
        started, cpu = time.monotonic(), zygote_cpu_s(zygote)
        number = 0
        while time.monotonic() - started < seconds:
            batch = range(number, number + 20 * workers)
            results = await asyncio.gather(*(box.run(code.format(n=n + 3)) for n in batch))
            statuses.update(result.status for result in results)
            number += len(batch)
        wall, used = time.monotonic() - started, zygote_cpu_s(zygote) - cpu
        assert set(statuses) == {"ok"}, statuses
        return {
            "level": box.level,
            "programs": number,
            "per_s": round(number / wall, 1),
            "per_core_s": round(number / used, 1),
        }


def fresh(code: str, flags: list[str], seconds: float) -> dict[str, float]:
    """The peer: one new interpreter a program, one after the other."""
    environment = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    before, started, number = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    while time.monotonic() - started < seconds:
        command = [sys.executable, *flags, "-c", code.format(n=number + 3)]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        number += 1
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.monotonic() - started
    return {"per_s": round(number / wall, 2), "per_core_s": round(number / used, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each figure")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    figures = {}
    for name, code in PROGRAMS.items():
        mine = asyncio.run(ours(code, args.seconds, args.workers))
        settings = ([], ["-I"], ["-I", "-S"]) if "sympy" not in code else ([], ["-I"])
        runs = [fresh(code, flags, args.seconds / 2) for flags in settings]
        peer = max(runs, key=lambda run: run["per_core_s"])
        ratio = round(float(mine["per_core_s"]) / peer["per_core_s"], 1)
        figures[name] = {"sandbox": mine, "python -c": peer, "ratio_per_core": ratio}
    line = {
        "benchmark": "sandbox",
        "figures": figures,
        "workers": args.workers,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "sympy": sympy.__version__,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
