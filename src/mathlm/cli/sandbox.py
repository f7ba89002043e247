"""`mathlm sandbox FILE.py…|-`: run programs as the tool solver would run them.

Not here: the sandbox (`mathlm.solving.sandbox`). One object an input, in input order. A program
that fails is a result and not a failure of this command: the exit code is 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from mathlm.solving.sandbox import Limits, ProgramResult, Sandbox

HELP = "run programs that a model wrote, shut in, as the tool solver would"
_OPTIONS = (
    ("--timeout-s", float, 10.0, "wall clock of each program, seconds"),
    ("--memory-mib", int, 1024, "memory of each program, MiB"),
    ("--processes", int, 64, "processes and threads of each program"),
    ("--file-mib", int, 64, "size of each file that it writes, MiB"),
    ("--output-kib", int, 64, "size of each of stdout and stderr, KiB"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE.py", help="programs; - is stdin")
    for name, kind, default, text in _OPTIONS:
        parser.add_argument(name, type=kind, default=default, help=f"{text} (default {default:g})")
    parser.add_argument("--workers", type=int, default=None, help="programs at a time")
    parser.add_argument(
        "--minimum-level",
        choices=("full", "landlock", "rlimits"),
        default="landlock",
        help="refuse to run where the machine reaches less (default landlock)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a program")


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}") from error
    return data.decode("utf-8", "replace")


def _limits(args: argparse.Namespace) -> Limits:
    from mathlm.solving.sandbox import Limits

    values: dict[str, Any] = {}
    for option, *_ in _OPTIONS:
        name = option.removeprefix("--").replace("-", "_")
        values[name] = getattr(args, name)
        if not values[name] > 0:
            raise UserError(f"{option} must be positive, not {values[name]}")
    return Limits(**values)


def _results(box: Sandbox, programs: list[str], limits: Limits) -> Iterator[ProgramResult]:
    with ThreadPoolExecutor(max_workers=box.workers) as pool:
        yield from pool.map(lambda program: box.run_blocking(program, limits), programs)


def _print(path: str, result: ProgramResult) -> None:
    print(f"{path}: {result.status} ({result.level}, {result.seconds:.2f} s)")
    if result.stdout:
        print(result.stdout, end="" if result.stdout.endswith("\n") else "\n")
    for name, variable in result.variables.items():
        print(f"  {name}: {variable.type} = {variable.value or '(too large)'}")
    if result.error:
        print(f"  {result.error}")


def run(args: argparse.Namespace) -> int:
    """Run every program and print what came of it."""
    from mathlm.solving.sandbox import Sandbox

    limits = _limits(args)
    programs = [_read(name) for name in args.files]
    box = Sandbox(workers=args.workers, minimum_level=args.minimum_level)
    try:
        for path, result in zip(args.files, _results(box, programs, limits), strict=True):
            if args.json:
                print(json.dumps({"path": path, **result.model_dump()}), flush=True)
            else:
                _print(path, result)
    finally:
        box.close()
    return 0
