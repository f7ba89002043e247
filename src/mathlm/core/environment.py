"""What a run ran on: commit, versions, hardware, seeds, threads; written beside its results."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mathlm

_PACKAGES = (
    "torch", "transformers", "tokenizers", "safetensors", "numpy", "pydantic", "sympy",
    "latex2sympy2_extended", "pyarrow", "selectolax", "networkx", "scipy", "mpmath", "matplotlib",
)  # fmt: skip


def describe(seed: int) -> dict[str, Any]:
    """The environment as JSON."""
    return {
        "mathlm": mathlm.__version__,
        "commit": _commit(),
        "command": sys.argv,
        "seed": seed,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": available_cores(),
        "memory_mib": _memory_mib(),
        "accelerators": _accelerators(),
        "packages": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _first_line(command: list[str], cwd: Path | None = None) -> list[str]:
    """Output lines of a command, or nothing where it cannot be run."""
    if shutil.which(command[0]) is None:
        return []
    try:
        result = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return result.stdout.split("\n")[:-1] if result.returncode == 0 else []


def _commit() -> str | None:
    """The commit of the checkout that this package runs from; `+` marks uncommitted changes."""
    folder = Path(__file__).resolve().parent
    lines = _first_line(["git", "rev-parse", "HEAD"], folder)
    tracked = _first_line(["git", "ls-files", "--error-unmatch", __file__], folder)
    if not lines or not tracked:
        return None
    dirty = _first_line(["git", "status", "--porcelain", "--untracked-files=no"], folder)
    return lines[0] + ("+" if dirty else "")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def available_cores() -> int:
    """Cores that this process may use (its affinity where the system tells)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (ValueError, OSError):
        return None


def _accelerators() -> list[str]:
    return _first_line(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])


def data_folder() -> Path | None:
    """The folder of benchmarks and prompts that `MATHLM_DATA` names, or None."""
    value = os.environ.get("MATHLM_DATA")
    return Path(value) if value else None
