"""What the tests of web sources share: a source read by real worker processes into a folder."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from pathlib import Path

import pyarrow.parquet as pq

from mathlm.core.errors import UserError
from mathlm.core.processes import Outcome
from mathlm.core.progress import Progress
from mathlm.corpus import batches
from mathlm.corpus.funnel import check
from mathlm.corpus.reading import WebReader
from mathlm.corpus.sources import Services
from mathlm.corpus.sources.shards import SHARD_BYTES, shards_of

QUIET = Progress(quiet=True)


class PoolHere:
    """A stand-in for the worker processes: batches are read in this one, under a lock."""

    lock = threading.Lock()

    def __init__(self, *, options, **limits):
        self._options = options

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        batches.close()

    @contextlib.contextmanager
    def session(self):
        yield self.run

    def run(self, request):
        with self.lock:
            try:
                return Outcome("done", batches.read_batch(request, **self._options))
            except UserError as error:
                return Outcome("error", detail=f"UserError: {error}")


def read_web(source, folder, *, shard_bytes=SHARD_BYTES, workers=1, quiet=True, pool=PoolHere):
    """The documents (rows of Parquet) and the funnel (by step) of a source."""
    services = Services(Progress(quiet=quiet), workers, pool)
    reader = WebReader("web", source, services, "default", "k", folder / "s")
    reader.read(*shards_of(source, QUIET, shard_bytes), target=(folder / "web", "k"))
    return committed(folder / "web")


def committed(group: Path):
    """The documents and the funnel of a group that was read."""
    rows = json.loads((group / "rows.json").read_text())
    check(rows)
    paths = sorted(group.glob("documents-*.parquet"))
    documents = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert len(documents) == rows[-1]["kept"]
    return documents, {row["step"]: row for row in rows}


def warc_of(pages, path: Path, *, gzip: bool = True, **headers: str) -> Path:
    """A WARC written by warcio: `pages` are (url, HTML bytes, HTTP headers or None)."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=gzip)
        for url, data, http in pages:
            lines = [("Content-Type", "text/html; charset=utf-8")] if http is None else http
            record = writer.create_warc_record(
                url,
                "response",
                payload=io.BytesIO(data),
                http_headers=StatusAndHeaders("200 OK", lines, protocol="HTTP/1.1"),
                warc_headers_dict={"WARC-Date": "2026-01-01T00:00:00Z", **headers},
            )
            writer.write_record(record)
            record.raw_stream.close()
    return path


SENTENCE = "An even number is twice another one, and the sum of two even numbers is even too. "
PAGES = [
    f"<html><title>Page {n}</title><body><h1>Page {n}</h1><p>{SENTENCE * 3}</p></body></html>"
    for n in range(5)
]
TEXTS = [f"# Page {n}\n\n{(SENTENCE * 3).strip()}" for n in range(5)]
