"""The escape suite as this user and, where this user is root, as an ordinary one too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mathlm.solving.sandbox.escapes import ATTEMPTS
from mathlm.solving.sandbox.selftest import selftest

SOURCE = Path(__file__).parents[3] / "src"
AS_ORDINARY_USER = Path(__file__).with_name("ordinary_user.py")
PROGRAM = """
import dataclasses, json, os, sys
from mathlm.solving.sandbox.selftest import selftest
findings = [dataclasses.asdict(f) for f in selftest(maximum_level=sys.argv[1])]
print(json.dumps({"uid": os.getuid(), "findings": findings}))
"""


def test_the_suite_covers_what_it_promises():
    names = {attempt.name for attempt in ATTEMPTS}
    assert len(names) == len(ATTEMPTS) >= 30


@pytest.mark.parametrize("level", ["full", pytest.param("landlock", marks=pytest.mark.slow)])
def test_every_attempt_is_held_as_this_user(level):
    findings = selftest(maximum_level=level)
    if any(finding.level != level for finding in findings):
        pytest.skip(f"this machine reaches only {findings[0].level}: {findings[0].detail}")
    assert [f for f in findings if not f.held] == []
    assert {f.status for f in findings} == {"ok", "error", "timeout", "memory", "output", "killed"}


@pytest.mark.skipif(os.getuid() != 0, reason="already an ordinary user")
@pytest.mark.parametrize("level", ["full", pytest.param("landlock", marks=pytest.mark.slow)])
def test_every_attempt_is_held_as_an_ordinary_user(level):
    command = [sys.executable, str(AS_ORDINARY_USER), sys.executable, "-c", PROGRAM, level]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if "ordinary_user.py" in done.stderr and "Operation not permitted" in done.stderr:
        pytest.skip("root here may not make mount namespaces")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["uid"] != 0
    assert [f for f in report["findings"] if not f["held"]] == []


def test_the_suite_can_fail():
    """At level `rlimits` files, network and signals are open: the suite must say so."""
    harmless = [a for a in ATTEMPTS if a.name in ("read the home folder", "connect out")]
    findings = selftest(harmless, minimum_level="rlimits", maximum_level="rlimits")
    assert not findings[0].held
    assert "BREACH" in findings[0].detail
