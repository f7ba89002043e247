"""WARC files behind a URL: by ranges, over a connection that breaks."""

from __future__ import annotations

import http.server
import re
import threading

import pytest

from mathlm.core import streams
from mathlm.core.errors import UserError
from mathlm.corpus.source_config import WarcSource

pytest.importorskip("aiohttp")


@pytest.fixture
def served(tmp_path, shared):
    """(address of a WARC file, requests so far, faults to come)"""
    pages = [(f"https://e.org/{n}", page.encode(), None) for n, page in enumerate(shared.PAGES)]
    data = shared.warc_of(pages, tmp_path / "a.warc.gz").read_bytes()
    requests, faults = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(b"")

        def do_GET(self):
            self.answer(None)

        def answer(self, body):
            requests.append((self.command, self.headers.get("Range")))
            if faults and body is None:
                faults.pop()
                self.send_error(503)
                return
            if self.path != "/a.warc.gz":
                self.send_error(404)
                return
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            begin, end = 0, len(data)
            if asked:
                begin, end = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
            self.send_response(206 if asked else 200)
            self.send_header("Accept-Ranges", "bytes")
            if asked:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            self.send_header("Content-Length", str(end - begin))
            self.end_headers()
            if body is None:
                self.wfile.write(data[begin:end])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/a.warc.gz", requests, faults
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_behind_a_url(served, tmp_path, shared, monkeypatch):
    monkeypatch.setattr(streams, "_WAITS_S", (0.01, 0.01, 0.01))
    address, requests, faults = served
    faults += [1, 1]
    for size in (1 << 20, 700):
        documents, funnel = shared.read_web(
            WarcSource(files=(address,)), tmp_path / str(size), shard_bytes=size
        )
        assert [document["text"] for document in documents] == shared.TEXTS
        assert documents[0]["provenance"]["file"] == address
        assert not funnel["read"]["failed"]
    assert any(asked for _, asked in requests)


def test_a_url_that_is_not_there(served, tmp_path, shared):
    address = served[0].replace("a.warc", "b.warc")
    with pytest.raises(UserError, match="no such file"):
        shared.read_web(WarcSource(files=(address,)), tmp_path / "o")
