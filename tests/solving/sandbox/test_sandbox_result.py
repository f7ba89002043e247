import json
import signal

import pytest

from mathlm.solving.sandbox.result import ProgramResult, judge

TOKEN = "secret"


def report(message=None, *, exit="0 0", reason="", note="", stderr=""):
    text = message if isinstance(message, str) else json.dumps(message) if message else ""
    return {
        "reason": reason,
        "note": note,
        "stdout": "out",
        "stderr": stderr,
        "message": text,
        "exit": exit,
        "seconds": 0.5,
        "token": TOKEN,
    }


def said(status="ok", error="", token=TOKEN, **more):
    value = {"type": "int", "value": "1"}
    return {
        "token": token,
        "status": status,
        "error": error,
        "variables": {"ans": value},
        **more,
    }


CASES = [
    ("ended by itself", report(said()), "ok"),
    ("raised", report(said("error", "ZeroDivisionError")), "error"),
    ("out of memory", report(said("memory", "MemoryError")), "memory"),
    ("os._exit", report(), "error"),
    ("os._exit after the message of another run", report(said(token="other")), "error"),
    ("no token", report({"status": "ok"}), "error"),
    ("not JSON", report('{"status": "ok"'), "error"),
    ("deep JSON", report("[" * 100_000), "error"),
    ("unknown field", report(said(extra=1)), "error"),
    ("unknown status", report(said("perfect")), "error"),
    ("variables of a wrong type", report(said(variables={"a": 1})), "error"),
    ("message, then another exit code", report(said(), exit="256 0"), "error"),
    ("message, then a signal", report(said(), exit=f"{signal.SIGSEGV} 0"), "killed"),
    ("left a daemon", report(said(), exit="0 1"), "killed"),
    ("error and a daemon", report(said("error", "x"), exit="0 1"), "error"),
    ("stopped for time, whatever it said", report(said(), reason="timeout", note="n"), "timeout"),
    ("stopped for output", report(said(), reason="output", note="n"), "output"),
    ("CPU time", report(exit=f"{signal.SIGXCPU} 0"), "timeout"),
    ("killed by a signal", report(exit="9 0"), "killed"),
    ("confinement failed", report(said("refused", "Landlock")), "refused"),
    ("no room", {"refused": "fork"}, "refused"),
    ("garbage as exit", report(exit="x y"), "error"),
]


@pytest.mark.parametrize(("given", "status"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_status(given, status):
    result = judge(given, "full")
    assert result.status == status
    assert (result.error == "") == (status == "ok")
    assert ProgramResult.model_validate_json(result.model_dump_json()) == result


def test_the_reason_names_the_signal_and_keeps_the_end_of_stderr():
    result = judge(report(exit=f"{signal.SIGABRT} 0", stderr="free(): invalid pointer\n"), "full")
    assert result.error == "died of SIGABRT\nfree(): invalid pointer"
