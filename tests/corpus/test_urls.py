"""Pages by their URLs, from a server on this machine: an index as CDXJ and as JSON, a real WARC."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.parse
from collections import Counter

import pytest
from warcio.archiveiterator import ArchiveIterator

from mathlm.core.errors import MachineError, UserError
from mathlm.corpus.source_config import UrlsSource
from mathlm.corpus.sources.index import Client, fetch, read_urls

FILE = "crawl-data/CC-MAIN-2026-01/segments/1/warc/a b.warc.gz"


class Crawl:
    """An index server and a file server in one; `faults` answers first, while it has any."""

    def __init__(self, archive, *, cdxj):
        self.data = archive.read_bytes()
        self.captures, self.requests, self.faults = {}, [], []
        self.cdxj = cdxj
        with archive.open("rb") as file:
            records = ArchiveIterator(file)
            for record in records:
                url = record.rec_headers.get_header("WARC-Target-URI")
                record.raw_stream.read()
                offset = records.get_record_offset()
                self.captures[url] = (offset, records.get_record_length())

    def lines(self, url):
        offset, length = self.captures[url]
        good = {
            "url": url, "mime": "text/html", "mime-detected": "text/html", "status": "200",
            "digest": "A" * 32, "length": str(length), "offset": str(offset), "filename": FILE,
        }  # fmt: skip
        rows = [
            ("20240101000000", {**good, "offset": "7", "length": "9"}),  # older
            ("20260101000000", good),
            ("20260201000000", {**good, "status": "404"}),
            ("20260202000000", {**good, "mime": "image/png", "mime-detected": "image/png"}),
            ("20260203000000", {**good, "length": "-5"}),
        ]
        for stamp, fields in rows:
            if self.cdxj:
                yield f"org,example)/ {stamp} {json.dumps(fields)}"
            else:
                yield json.dumps({"urlkey": "org,example)/", "timestamp": stamp, **fields})
        yield "{broken"

    def answer(self, path, headers):
        """(status, headers, body)"""
        self.requests.append((time.monotonic(), path, dict(headers)))
        if self.faults:
            return self.faults.pop(0)
        parts = urllib.parse.urlsplit(path)
        if parts.path == "/index":
            url = urllib.parse.parse_qs(parts.query)["url"][0]
            if url not in self.captures:
                return 404, {}, json.dumps({"message": f"No Captures found for: {url}"}).encode()
            return 200, {}, "\n".join(self.lines(url)).encode()
        if urllib.parse.unquote(parts.path) != f"/data/{FILE}":
            return 404, {}, b""
        begin, end = headers["Range"].removeprefix("bytes=").split("-")
        return 206, {}, self.data[int(begin) : int(end) + 1]


@pytest.fixture(params=[True, False], ids=["cdxj", "json"])
def crawl(request, shared, tmp_path):
    pages = [
        (f"https://example.org/{n}?q=a&b", page.encode(), None)
        for n, page in enumerate(shared.PAGES)
    ]
    served = Crawl(shared.warc_of(pages, tmp_path / "a.warc.gz"), cdxj=request.param)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = served.answer(self.path, self.headers)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    served.base = f"http://127.0.0.1:{server.server_address[1]}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def source_of(crawl, tmp_path, **more):
    urls = tmp_path / "urls.txt"
    if not urls.exists():
        urls.write_text("# a list\n\n" + "\n".join([*crawl.captures, "https://example.org/none"]))
    given = {"requests_per_s": 500, "user_agent": "tester (mail@example.org)", **more}
    return UrlsSource(
        file=str(urls), index=f"{crawl.base}/index", data=f"{crawl.base}/data/", **given
    )


def test_pages_come_with_where_the_crawl_has_them(crawl, tmp_path, shared):
    documents, funnel = shared.read_web(source_of(crawl, tmp_path), tmp_path / "out")
    assert [document["text"] for document in documents] == shared.TEXTS
    for document in documents:
        provenance = document["provenance"]
        assert provenance["file"] == FILE
        assert provenance["offset"] == crawl.captures[provenance["url"]][0]
        assert provenance["digest"].startswith("sha1:")
    assert funnel["select"]["dropped"] == {"not in the index": 1}
    assert {headers["User-Agent"] for _, _, headers in crawl.requests} == {
        "tester (mail@example.org)"
    }
    assert len(crawl.requests) == 2 * len(shared.PAGES) + 1


def test_refusals_are_waited_for(crawl, tmp_path):
    crawl.faults = [(503, {}, b""), (429, {"Retry-After": "1"}, b"")]
    urls = list(crawl.captures)
    client = Client(source_of(crawl, tmp_path, retries=2))
    begin = time.monotonic()
    fetch(urls[:1], tmp_path / "f", client)
    assert time.monotonic() - begin > 1.9  # 1 s of our own, then the server's
    times = [moment for moment, _, _ in crawl.requests]
    assert len(times) == 4


def test_the_rate_holds_over_all_threads(crawl, tmp_path):
    client = Client(source_of(crawl, tmp_path, requests_per_s=20))
    threads = [
        threading.Thread(target=client.capture, args=(url,)) for url in [*crawl.captures] * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(moment for moment, _, _ in crawl.requests)
    assert len(times) == len(threads)
    assert times[-1] - times[0] > (len(threads) - 1) / 20 * 0.8


def test_it_goes_on_after_the_last_line(crawl, tmp_path):
    urls = [*crawl.captures, "https://example.org/none"]
    source = source_of(crawl, tmp_path)
    whole = fetch(urls, tmp_path / "whole" / "f", Client(source))
    archive = whole.with_suffix(".warc.gz")
    expected = whole.read_bytes(), archive.read_bytes()
    lines = whole.read_bytes().splitlines(keepends=True)
    for done in range(len(lines)):
        crawl.requests.clear()
        stem = tmp_path / f"killed{done}" / "f"
        stem.parent.mkdir()
        # as a kill leaves it: half a line of the log, and more of the archive than the log knows
        stem.with_suffix(".jsonl").write_bytes(b"".join(lines[:done]) + lines[done][:20])
        stem.with_suffix(".warc.gz").write_bytes(expected[1])
        log = fetch(urls, stem, Client(source))
        assert (log.read_bytes(), log.with_suffix(".warc.gz").read_bytes()) == expected
        asked = Counter("/index" in path for _, path, _ in crawl.requests)
        assert asked[True] == len(lines) - done


def test_what_cannot_be_had_is_counted(crawl, tmp_path, shared):
    """A server that ignores ranges, a record that is cut off, one that is no WARC."""
    urls = list(crawl.captures)
    offset, _ = crawl.captures[urls[0]]
    crawl.captures[urls[0]] = (offset, 10 * len(crawl.data))
    crawl.captures[urls[1]] = (5, 60)
    (tmp_path / "urls.txt").write_text("\n".join(urls[:3]))
    documents, funnel = shared.read_web(source_of(crawl, tmp_path), tmp_path / "out")
    assert funnel["read"]["failed"] == {"cut off": 1, "broken record": 1}
    assert len(documents) == 1


def test_a_server_that_is_down_stops_the_run(crawl, tmp_path):
    urls = list(crawl.captures)
    crawl.faults = [(503, {}, b"")] * 100
    with pytest.raises(MachineError, match="again and again; what was fetched is kept"):
        fetch(urls, tmp_path / "f", Client(source_of(crawl, tmp_path, retries=0)))
    lines = (tmp_path / "f.jsonl").read_text().splitlines()
    assert [json.loads(line)["failed"] for line in lines] == ["HTTP 503"] * 2
    source = UrlsSource(file="x", index="http://127.0.0.1:1/index", retries=0)
    with pytest.raises(MachineError, match="cannot reach"):
        fetch(urls, tmp_path / "g", Client(source))


def test_a_missing_list_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_urls(str(tmp_path / "none.txt"))
