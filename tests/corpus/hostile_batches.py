"""`mathlm.corpus.batches` for tests: a page that says so crashes, hangs or balloons its worker."""

from __future__ import annotations

import ctypes
import os
import time

from mathlm.corpus import batches

_document_of = batches.document_of


def _hostile(page, settings):
    data = page.data
    if b"<!--segfault-->" in data:
        ctypes.string_at(0)
    if b"<!--hang-->" in data:
        time.sleep(1e6)
    if b"<!--exit-->" in data:
        os._exit(0)
    if b"<!--balloon-->" in data:
        held = []
        while True:
            held.append(bytearray(64 << 20))
    if b"<!--raise-->" in data:
        raise ValueError("a defect")
    return _document_of(page, settings)


batches.document_of = _hostile
read_batch, prepare = batches.read_batch, batches.prepare
