"""The child's side of `mathlm.core.processes`: reads items, calls one function, sends outcomes.

Run as `python -m mathlm.core.worker RESULT_FD`. Messages are pickles with an 8-byte length
before them; stdin carries work, RESULT_FD outcomes, so that what the function prints harms nothing.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import resource
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

HEADER = struct.Struct("<Q")
_NEW_OBJECTS = 50_000
"""The garbage collector looks for cycles after so many (Python's default: 700, later 2,000)."""


def send(stream: BinaryIO, message: object) -> None:
    """Write one message."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(HEADER.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message; `EOFError` when the other side has gone."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    (size,) = HEADER.unpack(header)
    return pickle.loads(stream.read(size))


def _limit_memory(memory_mib: int) -> None:
    """Bound what the function may add to the address space that the imports already take."""
    used = 0
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = used + (memory_mib << 20)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _load(name: str, options: dict[str, Any]) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return partial(getattr(importlib.import_module(module), function), **options)


def _outcome(function: Callable[[Any], Any], item: Any) -> tuple[str, Any, str, float]:
    """(status, value, detail, seconds) of one item."""
    start = time.perf_counter()
    try:
        status, value, detail = "done", function(item), ""
    except MemoryError:
        status, value, detail = "memory", None, "MemoryError"
    except RecursionError as error:
        status, value, detail = "error", None, f"RecursionError: {error}"
    except Exception as error:  # noqa: BLE001 (the item boundary: a bad item is a value)
        status, value, detail = "error", None, f"{type(error).__name__}: {error}"[:2000]
    return status, value, detail, time.perf_counter() - start


def main() -> None:
    """Serve groups of items until stdin ends."""
    work = sys.stdin.buffer
    results = os.fdopen(int(sys.argv[1]), "wb")
    # The function's own reads and prints must not touch the pipe of work.
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stderr
    try:
        name, prepare, options, path, memory_mib = receive(work)
    except EOFError:  # the parent was killed before it could say what to do
        return
    sys.path[:] = path
    if prepare is not None:
        _load(prepare, options)()
    function = _load(name, options)
    _limit_memory(memory_mib)
    # What is loaded stays; looking through it and through growing trees again and again takes a
    # tenth of the time, and hardly anything that items make is in a cycle.
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    send(results, "ready")
    while True:
        try:
            items = receive(work)
        except EOFError:
            return
        for item in items:
            outcome = _outcome(function, item)
            try:
                send(results, outcome)
            except (pickle.PicklingError, TypeError, AttributeError, MemoryError) as error:
                detail = f"the value cannot be sent: {error}"[:2000]
                send(results, ("error", None, detail, outcome[3]))


if __name__ == "__main__":
    main()
