"""Programs in the real sandbox of this machine, at every level that it reaches."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mathlm.core.errors import MachineError, UserError
from mathlm.solving.sandbox import Limits, Sandbox, sandbox
from mathlm.solving.sandbox.selftest import processes_left

SOURCE = Path(__file__).parents[3] / "src"
LEVELS = ("full", "landlock", "rlimits")


@pytest.fixture(scope="module", params=LEVELS)
def box(request):
    box = Sandbox(workers=2, minimum_level="rlimits", maximum_level=request.param)
    if box.level != request.param:
        reason = f"this machine reaches only {box.level}: {box.failed}"
        box.close()
        pytest.skip(reason)
    yield box
    box.close()


CASES = [
    ("plain", "ans = 6 * 7\nprint('hi')", "ok", "hi\n", ""),
    ("nothing", "", "ok", "", ""),
    ("exit", "print(1)\nimport sys\nsys.exit()", "ok", "1\n", ""),
    ("exit with a code", "raise SystemExit(3)", "error", "", "SystemExit: 3"),
    ("exit from a function", "exit(0)", "ok", "", ""),
    ("raises", "print(1)\n1/0", "error", "1\n", "ZeroDivisionError"),
    ("does not parse", "x = = 1", "error", "", "SyntaxError"),
    ("null byte", "x = '\0'", "error", "", "null bytes"),
    ("lone surrogate", "x = '\ud800'", "error", "", "surrogates"),
    ("nested too deep", "(" * 5000, "error", "", ""),
    ("KeyboardInterrupt", "raise KeyboardInterrupt", "error", "", "KeyboardInterrupt"),
    ("no input", "input()", "error", "", "EOFError"),
    ("memory", "x = bytearray(1 << 34)", "memory", "", "MemoryError"),
    ("caught memory error", "try:\n    bytearray(1 << 34)\nexcept MemoryError:\n    x = 1",
     "ok", "", ""),
    ("time", "print(1)\nwhile True: pass", "timeout", "1\n", "no end within 0.7 s"),
    ("sleep", "import time\ntime.sleep(100)", "timeout", "", "no end within 0.7 s"),
    ("output", "print('x' * 70_000)", "output", "x" * 65536, "64 KiB of stdout"),
    ("kills itself", "import os\nos.kill(os.getpid(), 9)", "killed", "", "SIGKILL"),
    ("file too large", "open('f', 'wb').write(b'x' * (65 << 20))", "error", "", "File too large"),
    ("atexit runs", "import atexit\natexit.register(print, 'end')", "ok", "end\n", ""),
    ("thread is waited for", "import threading, time\nthreading.Thread("
     "target=lambda: (time.sleep(0.2), print('end'))).start()", "ok", "end\n", ""),
    ("daemon thread is not", "import threading, time\nthreading.Thread("
     "target=time.sleep, args=(60,), daemon=True).start()", "ok", "", ""),
    ("child that comes to the end", "import os\nif os.fork():\n    os.wait()\nprint(1)", "ok",
     "1\n1\n", ""),
    ("bytes that are no text", "import os\nos.write(1, b'\\xff')", "ok", "\ufffd", ""),
    ("private folder", "open('/tmp/a', 'w') if False else open('a', 'w').write('1')\n"
     "import tempfile\ntempfile.NamedTemporaryFile().write(b'x')", "ok", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "status", "stdout", "error"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_status(box, program, status, stdout, error):
    patient = status != "timeout"
    result = box.run_blocking(program, Limits(timeout_s=20.0 if patient else 0.7))
    assert (result.status, result.stdout) == (status, stdout), result
    assert error in result.error
    assert (result.error == "") == (status == "ok")
    assert result.level == box.level


def test_a_traceback_shows_the_program_and_nothing_of_ours(box):
    result = box.run_blocking("def f():\n    return 1 / 0\nf()")
    assert 'File "<program>", line 2, in f' in result.error
    assert "return 1 / 0" in result.error
    assert "mathlm" not in result.error


def test_variables_come_typed(box):
    result = box.run_blocking("from sympy import *\nx = symbols('x')\nans = solve(x**2 - 2, x)[1]")
    assert {name: v.type for name, v in result.variables.items()} == {
        "x": "sympy.Symbol",
        "ans": "sympy.Pow",
    }
    assert result.variables["ans"].value == "Pow(Integer(2), Rational(1, 2))"


@pytest.mark.parametrize(
    "program",
    [
        "def f():\n    global ans\n    ans = 3\nf()",
        "globals()['ans'] = 3",
        "exec('ans = 3')",
        "[ans := 3 for _ in range(1)]",
        "for ans in range(4):\n    pass",
        "import math as m\nwith open('f', 'w') as file:\n    ans = 3",
    ],
)
def test_variables_are_found_however_they_are_assigned(box, program):
    assert box.run_blocking(program).variables["ans"].value == "3"


def test_the_same_program_gives_the_same_result(box):
    program = "import random\nans = [random.random(), hash('x'), list({'b', 'a', 'c'})]"
    other = Sandbox(workers=1, minimum_level="rlimits", maximum_level=box.maximum_level)
    try:
        assert other.run_blocking(program).variables == box.run_blocking(program).variables
    finally:
        other.close()


def test_the_program_has_no_privileges_and_no_module_of_ours(box):
    program = "import os, sys\nans = os.getuid()\nours = [m for m in sys.modules if 'mathlm' in m]"
    result = box.run_blocking(program)
    if box.level != "rlimits":
        assert result.variables["ans"].value != "0"
    assert result.variables["ours"].value == "[]"


def test_many_at_once_from_threads_and_an_event_loop(box):
    async def run():
        return await asyncio.gather(*(box.run(f"ans = {n} ** 2") for n in range(40)))

    results = asyncio.run(run())
    assert [r.variables["ans"].value for r in results] == [str(n**2) for n in range(40)]


def test_cancelling_kills_the_program(box):
    async def run():
        task = asyncio.create_task(box.run("while True: pass", Limits(timeout_s=60)))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert processes_left(box.start().zygote_pid) == 0


def test_the_zygote_may_die_and_the_program_is_run_again(box):
    before = box.start().zygote_pid

    async def run():
        task = asyncio.create_task(box.run("import time\ntime.sleep(0.6)\nans = 1"))
        await asyncio.sleep(0.2)
        os.kill(before, signal.SIGKILL)
        return await task

    assert asyncio.run(run()).status == "ok"
    assert box.start().zygote_pid != before
    assert processes_left(before) <= 0


CALLER = """
import sys, time
from mathlm.solving.sandbox import Limits, Sandbox
box = Sandbox(workers=1, minimum_level="rlimits", maximum_level=sys.argv[1])
print(box.start().zygote_pid, flush=True)
box.run_blocking("import os, time\\nfor _ in range(5): os.fork()\\ntime.sleep(60)", Limits(60))
"""


def test_everything_dies_with_a_caller_that_is_killed(box):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", CALLER, box.level]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as caller:
        zygote = int(caller.stdout.readline())
        wanted = Path(f"/proc/{zygote}/cmdline").read_bytes()
        time.sleep(1.0)
        assert len(same(wanted)) > 5
        caller.kill()
    deadline = time.monotonic() + 20
    while same(wanted) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert same(wanted) == []


def same(command):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == command:
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_below_the_minimum_nothing_runs(tmp_path):
    box = Sandbox(workers=1, maximum_level="rlimits")
    try:
        result = box.run_blocking(f"open({str(tmp_path / 'ran')!r}, 'w')")
        assert (result.status, result.level) == ("refused", "rlimits")
        assert "below landlock" in result.error
        with pytest.raises(UserError, match="below landlock"):
            asyncio.run(box.open())
    finally:
        box.close()
    assert not (tmp_path / "ran").exists()


def test_the_function_checks_its_limits_and_keeps_them():
    with pytest.raises(UserError, match="timeout_s"):
        sandbox("1", timeout_s=0)
    assert sandbox("import time\ntime.sleep(9)", timeout_s=0.3).status in {"timeout", "refused"}
    assert sandbox("print('x' * 3000)", output_kib=2).status in {"output", "refused"}


def test_a_closed_sandbox_starts_again():
    async def run():
        async with Sandbox(workers=1, minimum_level="rlimits") as box:
            client = box.start()
            first = await box.run("ans = 1")
        second = await box.run("ans = 1")
        box.close()
        with pytest.raises(MachineError):
            client.submit(Limits(), op="run", code="")
        return first.status, second.status

    assert asyncio.run(run()) == ("ok", "ok")


def test_importing_it_needs_no_torch_and_no_sympy():
    code = "import sys, mathlm.solving.sandbox\nprint({'torch', 'sympy'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "set()\n"
