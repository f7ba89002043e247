"""`mathlm.corpus.batches` for tests: a page that says so crashes, hangs or balloons its worker.

Or takes away the process above it, once.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

from mathlm.corpus import batches

_document_of = batches.document_of


def _hostile(page, settings):
    data = page.data
    if b"<!--segfault-->" in data:
        ctypes.string_at(0)
    if b"<!--hang-->" in data:
        time.sleep(1e6)
    if b"<!--killed-->" in data:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"<!--parent" in data:
        _kill_the_task_once(data.partition(b"<!--parent ")[2].partition(b"-->")[0])
    if b"<!--exit-->" in data:
        os._exit(0)
    if b"<!--balloon-->" in data:
        held = []
        while True:
            held.append(bytearray(64 << 20))
    if b"<!--raise-->" in data:
        raise ValueError("a defect")
    return _document_of(page, settings)


def _kill_the_task_once(flag):
    """What a machine without memory does to the process that runs this one."""
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1e6)


batches.document_of = _hostile
read_batch, prepare = batches.read_batch, batches.prepare
