"""`mathlm doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

HELP = "Say what works on this machine: packages, compiler, accelerators, disk, sandbox."

_EXTRAS = {
    "corpus": ("pyarrow", "selectolax", "tokenizers"),
    "train": ("torch", "transformers", "safetensors", "tokenizers"),
    "report": ("matplotlib", "latex2mathml"),
    "server": ("httpx2", "starlette", "uvicorn"),
}


class Finding(NamedTuple):
    """One thing looked at: `ok`, `missing` (something optional) or `broken`."""

    name: str
    status: str
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much to try."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--quick", action="store_true", help="do not try the sandbox's escape attempts"
    )


def run(args: argparse.Namespace) -> int:
    """Look at everything; 1 if something is broken."""
    checks: list[Callable[[], Iterator[Finding]]] = [_python, _extras, _machine, _tools]
    checks.append(_sandbox_level if args.quick else _sandbox)
    broken = False
    for check in checks:
        for finding in check():
            broken |= finding.status == "broken"
            _show(finding, as_json=args.json)
    return int(broken)


def _show(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(finding._asdict()), flush=True)
    else:
        mark = {"ok": "✓", "missing": "–", "broken": "✗"}[finding.status]
        print(f"{mark} {finding.name:<28} {finding.detail}", flush=True)


def _python() -> Iterator[Finding]:
    from mathlm import __version__

    yield Finding("mathlm", "ok", __version__)
    version = ".".join(map(str, sys.version_info[:3]))
    known = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield Finding("python", "ok" if known else "broken", version)


def _extras() -> Iterator[Finding]:
    from importlib import metadata

    for extra, packages in _EXTRAS.items():
        found, absent = [], []
        for package in packages:
            try:
                found.append(f"{package} {metadata.version(package)}")
            except metadata.PackageNotFoundError:
                absent.append(package)
        advice = f"without {', '.join(absent)}: pip install 'mathlm[{extra}]'"
        status = "missing" if absent else "ok"
        yield Finding(f"extra {extra}", status, advice if absent else ", ".join(found))


def _machine() -> Iterator[Finding]:
    from mathlm.core import environment

    facts = environment.describe(0)
    cores = f"{facts['threads']} of {facts['cores']} cores, {facts['processor']}"
    yield Finding("processor", "ok", cores)
    if facts["memory_mib"]:
        yield Finding("memory", "ok", f"{facts['memory_mib']} MiB")
    free = shutil.disk_usage(".").free >> 30
    yield Finding("disk here", "ok" if free >= 2 else "missing", f"{free} GiB free")
    found = facts["accelerators"]
    detail = "; ".join(found) if found else "none: training and sampling run on the CPU"
    yield Finding("accelerators", "ok" if found else "missing", detail)


def _tools() -> Iterator[Finding]:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    detail = compiler or "none: torch.compile is not used on the CPU"
    yield Finding("C++ compiler", "ok" if compiler else "missing", detail)


def _sandbox_level() -> Iterator[Finding]:
    from mathlm.solving.sandbox import Sandbox

    box = Sandbox(workers=1, minimum_level="rlimits")
    try:
        level, failed = box.level, box.failed
    finally:
        box.close()
    why = "; ".join(f"{layer}: {reason}" for layer, reason in sorted(failed.items()))
    # below landlock nothing is run unless the user says so: weaker, but not broken
    status = "missing" if level == "rlimits" else "ok"
    yield Finding("sandbox", status, f"level {level}" + (f" ({why})" if why else ""))


def _sandbox() -> Iterator[Finding]:
    from mathlm.solving.sandbox.selftest import selftest

    yield from _sandbox_level()
    for attempt in selftest():
        status = "ok" if attempt.held else "broken"
        detail = f"{attempt.status} {attempt.detail}".strip()
        yield Finding(f"  {attempt.name}", status, detail)
