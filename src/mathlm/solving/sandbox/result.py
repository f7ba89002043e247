"""What a program's run came to: one record, made from what the zygote reports.

Not here: any judgement of an answer. The report's `message` was written by the program's own
process and is read as hostile: every field is checked, and nothing in it can turn a run that was
killed or that left by `os._exit` into `ok`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from mathlm.core.records import Record, TypedValue

ProgramStatus = Literal["ok", "error", "timeout", "memory", "output", "killed", "refused"]
Level = Literal["full", "landlock", "rlimits"]
_ERROR_CHARACTERS = 4096


class ProgramResult(Record):
    """How one program ended, what it printed and which variables it left."""

    status: ProgramStatus
    """`ok` only when the program, its `atexit` handlers and its non-daemon threads ended alone."""
    stdout: str = ""
    error: str = ""
    """"" when `ok`; else the traceback, or what was wrong in words."""
    variables: dict[str, TypedValue] = Field(default_factory=dict)
    """By name, as typed text (`sandbox.inside.values`); "" for a value over the size limits."""
    level: Level = "rlimits"
    """How well the program was shut in (`sandbox.inside.ground`)."""
    seconds: float = 0.0
    """Wall time from its fork to its end."""


class _Message(Record):
    """What the program's process says of itself."""

    token: str
    status: Literal["ok", "error", "memory", "refused"]
    error: str = ""
    variables: dict[str, TypedValue] = Field(default_factory=dict)


def _message(report: Mapping[str, Any]) -> _Message | None:
    """The message, if it is whole and carries the run's own token."""
    try:
        message = _Message.model_validate(json.loads(report["message"]))
    except (ValueError, ValidationError, RecursionError):
        return None
    return message if message.token == report["token"] else None


def _exit(text: str) -> tuple[int, int]:
    """Exit code (negative: the signal) and whether children were left; (0, 0) where unknown."""
    status, _, left = text.partition(" ")
    if not (status.isdigit() and left.isdigit()):
        return 0, 0
    return os.waitstatus_to_exitcode(int(status)), int(left)


def _by_signal(number: int, detail: str) -> tuple[ProgramStatus, str]:
    if number == signal.SIGXCPU:
        return "timeout", "the limit on CPU time was reached"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return "killed", f"died of {name}{detail}"


def _outcome(report: Mapping[str, Any], message: _Message | None) -> tuple[ProgramStatus, str]:
    tail = report["stderr"].strip()[-_ERROR_CHARACTERS:]
    detail = f"\n{tail}" if tail else ""
    if report["reason"]:
        return report["reason"], report["note"]
    if message is not None and message.status == "refused":
        return "refused", message.error
    code, left = _exit(report["exit"])
    if code < 0:
        return _by_signal(-code, detail)
    if message is None or code != 0:
        return "error", f"left by os._exit or exec (exit code {code}){detail}"
    if message.status == "ok" and left:
        return "killed", "processes that it left running were killed"
    return message.status, message.error


def judge(report: Mapping[str, Any], level: Level) -> ProgramResult:
    """The result that a zygote's report amounts to."""
    if "refused" in report:
        return ProgramResult(status="refused", error=str(report["refused"]), level=level)
    message = _message(report)
    status, error = _outcome(report, message)
    return ProgramResult(
        status=status,
        stdout=report["stdout"],
        error=error,
        variables=message.variables if message is not None else {},
        level=level,
        seconds=report["seconds"],
    )
