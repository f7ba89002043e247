"""The command line: one file a command; the only place that reads argv or the environment.

A command's module has `HELP`, `add_arguments(parser)` and `run(args) -> exit code`, and is
imported only when it is called, so that `mathlm --help` answers at once.
Exit codes: 0 done; 1 done and found what the command looks for; 2 the user's mistake; 3 a broken
machine; 130 stopped by the user.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import mathlm
from mathlm.core.errors import MachineError, UserError

COMMANDS = {
    "run": "every stage of a recipe in order; finished stages are skipped",
    "evaluate": "solve, grade and report: a model on benchmarks",
    "stage": "one stage alone",
    "plan": "memory, speed, hours and cost of a recipe's training, before it runs",
    "extract": "web pages to text with their mathematics",
    "explain": "what the corpus stage would do with files, and why",
    "overlap": "n-grams that a benchmark shares with a corpus",
    "grade": "judge answers against gold answers, with the rule that decided",
    "compare": "paired comparison of two runs, in a table and one sentence",
    "serve": "an OpenAI-compatible server over a local model",
    "sandbox": "run programs as the tool solver would",
    "doctor": "what works on this machine",
    "completion": "print shell completion for bash, zsh or tcsh",
}
_GROUPS = {
    "from documents to a measured model": ("run", "evaluate", "stage", "plan"),
    "corpus": ("extract", "explain", "overlap"),
    "answers": ("grade", "compare", "sandbox", "serve"),
    "this machine": ("doctor", "completion"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help"}:
        print(_help())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"mathlm {mathlm.__version__}")
        return 0
    if words[0] not in COMMANDS:
        import difflib

        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "mathlm --help lists them"
        return _fail(f"no command '{words[0]}'; {hint}", 2)
    return _guarded(words[0], words[1:])


def build_parser(command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    module = importlib.import_module(f"mathlm.cli.{command}")
    parser = argparse.ArgumentParser(
        prog=f"mathlm {command}",
        description=module.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser


def _guarded(command: str, words: list[str]) -> int:
    """Run a command; every failure of a known kind ends in one message and its exit code."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "RAY_USAGE_STATS_DISABLED"):
        os.environ.setdefault(name, "1")
    signal.signal(signal.SIGTERM, _stop)
    try:
        args = build_parser(command).parse_intermixed_args(words)
        return int(args.run(args))
    except UserError as error:
        return _fail(str(error), 2)
    except MachineError as error:
        return _fail(str(error), 3)
    except BrokenPipeError:  # the reader of our output has gone: nothing to say to anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 3
    except OSError as error:
        return _fail(str(error), 3)
    except KeyboardInterrupt:
        return _fail("stopped; what is finished is kept, the same command goes on from there", 130)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> int:
    first, *rest = message.split("\n")
    print(f"mathlm: {first}", file=sys.stderr)
    for line in rest:
        print(f"        {line}", file=sys.stderr)
    return code


def _help() -> str:
    lines = [
        "usage: mathlm COMMAND …",
        "",
        "mathlm builds and measures mathematical language models.",
    ]
    for group, names in _GROUPS.items():
        lines += ["", f"{group}:"]
        lines += [f"  {name:<12}{COMMANDS[name]}" for name in names]
    lines += ["", "mathlm COMMAND --help says more; mathlm --version prints the version."]
    return "\n".join(lines)
