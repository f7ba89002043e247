"""Web sources as a whole: what pages may do to a run, where ranges meet, what is counted."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import time
import zlib

import brotli
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.core.processes import Pool
from mathlm.corpus import reading
from mathlm.corpus.source_config import HtmlSource, RecordsSource, WarcSource, WetSource
from mathlm.corpus.sources import open_pool
from mathlm.corpus.sources.payload import TooLargeError, decompress, matches_digest, unchunk


def hostile_pool(**settings):
    return Pool("hostile_batches:read_batch", prepare="hostile_batches:prepare", **settings)


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(reading, "_SLACK_S", 5.0)


@pytest.mark.parametrize("layout", ["members", "one member", "plain"])
def test_pages_that_kill_their_worker_are_counted(tmp_path, shared, mutation, short_waits, layout):
    injected = {3: "segfault", 7: "raise", 8: "exit"}
    if layout == "members":
        injected |= {4: "segfault", 10: "hang", 11: "balloon"}
    records = [
        mutation.record(
            f"<!--{injected[n]}-->".encode() if n in injected else mutation.control(n), n
        )
        for n in range(14)
    ]
    path = tmp_path / "a.warc"
    if layout == "members":
        path.write_bytes(b"".join(map(gzip.compress, records)))
    else:
        whole = b"".join(records)
        path.write_bytes(gzip.compress(whole) if layout == "one member" else whole)
    source = WarcSource(files=(str(path),), timeout_s=0.5, memory_mib=300)
    documents, funnel = shared.read_web(source, tmp_path / "o", pool=hostile_pool)
    titles = [document["text"].partition("\n")[0] for document in documents]
    assert titles == [f"# Control {n}" for n in range(14) if n not in injected]
    failed = {"crashed": 2, "error": 1}
    if layout == "members":
        failed = {"crashed": 3, "error": 1, "memory": 1, "timeout": 1}
    assert funnel["read"]["failed"] == failed
    lines = [json.loads(x) for x in (tmp_path / "o/web/read.jsonl").read_text().splitlines()]
    assert [int(line["id"].rpartition("-")[2], 16) for line in lines] == sorted(injected)


def chunked(data):
    half = len(data) // 2
    return b"%x\r\n%b\r\n%x;ext=1\r\n%b\r\n0\r\n\r\n" % (
        half, data[:half], len(data) - half, data[half:],
    )  # fmt: skip


def zstd(data):
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def bare_deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


CODED = {
    "gzip": ({"Content-Encoding": "gzip"}, gzip.compress),
    "x-gzip in capitals": ({"Content-Encoding": "X-GZIP"}, gzip.compress),
    "deflate": ({"Content-Encoding": "deflate"}, zlib.compress),
    "bare deflate": ({"Content-Encoding": "deflate"}, bare_deflate),
    "br": ({"Content-Encoding": "br"}, brotli.compress),
    "zstd": ({"Content-Encoding": "zstd"}, zstd),
    "two": ({"Content-Encoding": "gzip, br"}, lambda data: brotli.compress(gzip.compress(data))),
    "chunked": ({"Transfer-Encoding": "chunked"}, chunked),
    "both": (
        {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"},
        lambda data: chunked(gzip.compress(data)),
    ),
    "gzip in name only": ({"Content-Encoding": "gzip"}, bytes),
    "chunked in name only": ({"Transfer-Encoding": "chunked"}, bytes),
    "unknown": ({"Content-Encoding": "identity, new"}, bytes),
}


def test_payloads_are_decoded_as_their_headers_say(tmp_path, shared):
    page = shared.PAGES[0].encode()
    pages = [
        (f"https://example.org/{n}", pack(page), [("Content-Type", "text/html"), *headers.items()])
        for n, (headers, pack) in enumerate(CODED.values())
    ]
    path = shared.warc_of(pages, tmp_path / "a.warc.gz")
    documents, funnel = shared.read_web(WarcSource(files=(str(path),)), tmp_path)
    assert [d["text"] for d in documents] == [shared.TEXTS[0]] * len(CODED)
    assert "noted" not in funnel["read"]  # warcio's digests are of the payload as stored
    assert all(d["provenance"]["digest"].startswith("sha1:") for d in documents)


@pytest.mark.parametrize("kind", [b"", b"Content-Type: Application/HTTP; msgtype=response\r\n"])
def test_a_response_is_an_http_message_whatever_its_type_is_called(
    tmp_path, shared, mutation, kind
):
    records = [mutation.record(page.encode(), n) for n, page in enumerate(shared.PAGES)]
    records[3] = records[3].replace(b"200 OK", b"404 No")
    named = [r.replace(b"Content-Type: application/http\r\n", kind) for r in records]
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(named))
    documents, funnel = shared.read_web(WarcSource(files=(str(path),)), tmp_path / "o")
    assert [d["text"] for d in documents] == [t for n, t in enumerate(shared.TEXTS) if n != 3]
    assert funnel["select"]["dropped"] == {"status 4xx": 1}


def test_transfer_codings_are_undone(tmp_path, shared, mutation):
    packed = gzip.compress(shared.PAGES[1].encode())
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
    path = tmp_path / "a.warc"
    path.write_bytes(mutation.record(chunked, 1, b"Transfer-Encoding: gzip, chunked\r\n"))
    documents, _ = shared.read_web(WarcSource(files=(str(path),)), tmp_path / "o")
    assert [document["text"] for document in documents] == shared.TEXTS[1:2]


def test_bombs_and_broken_codings():
    limit = 1 << 20
    for pack in (gzip.compress, zlib.compress, brotli.compress, zstd):
        name = {gzip.compress: "gzip", zlib.compress: "deflate", brotli.compress: "br"}.get(
            pack, "zstd"
        )
        with pytest.raises(TooLargeError):
            decompress(pack(bytes(20 << 20)), name, limit)
        whole = random.Random(0).randbytes(200_000)
        assert decompress(pack(whole), name, limit) == whole
        part = decompress(pack(whole)[:100_000], name, limit)
        assert part and (whole.startswith(part) or part == pack(whole)[:100_000])
    assert unchunk(b"ffffffffffffff\r\nabc") == b"abc"
    assert unchunk(b"3\r\nabc\r\n9\r\nde") == b"abcde"
    assert unchunk(b"<html>") == b"<html>"


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_digests(name):
    digest = hashlib.new(name, b"page")
    import base64

    for value in (digest.hexdigest(), base64.b32encode(digest.digest()).decode()):
        assert matches_digest(f"{name}:{value}", b"x", b"page") is True
        assert matches_digest(f"{name.upper()}:{value.lower()}", b"page") is True
        assert matches_digest(f"{name}:{value}", b"other") is False
    assert matches_digest("crc:1", b"page") is None
    assert matches_digest("no digest", b"page") is None


def test_records_that_are_no_pages_are_counted_by_kind(tmp_path, shared):
    page = shared.PAGES[1].encode()
    kinds = [
        ("image/png", page), ("text/plain; charset=utf-8", page), ("application/pdf", page),
        ("weird/type", page), ("", page), ("application/octet-stream", b"\x89PNG"),
        ("TEXT/HTML;charset=x", page), ("application/xhtml+xml", page),
        ("text/html, text/html; charset=x", page), ('"text/html"', page),
    ]  # fmt: skip
    pages = [(f"https://e.org/{n}", d, [("Content-Type", t)]) for n, (t, d) in enumerate(kinds)]
    path = shared.warc_of(pages, tmp_path / "a.warc.gz")
    documents, funnel = shared.read_web(WarcSource(files=(str(path),)), tmp_path)
    assert len(documents) == 5
    assert funnel["select"]["dropped"] == {
        "not HTML: application": 1, "not HTML: image": 1, "not HTML: other": 1,
        "not HTML: text": 1, "not HTML: unknown": 1,
    }  # fmt: skip
    provenance = documents[1]["provenance"]
    assert (provenance["content_type"], provenance["charset_declared"]) == ("text/html", "x")
    assert provenance["charset_used"] == "utf-8"


def test_what_the_crawler_cut_off(tmp_path, shared):
    pages = [("https://e.org/", shared.PAGES[0].encode(), None)]
    path = shared.warc_of(pages, tmp_path / "a.warc.gz", **{"WARC-Truncated": "length"})
    source = WarcSource(files=(str(path),))
    documents, funnel = shared.read_web(source, tmp_path / "keep")
    assert len(documents) == 1
    assert funnel["select"]["noted"] == {"truncated by the crawler": 1}
    source = WarcSource(files=(str(path),), truncated="drop")
    documents, funnel = shared.read_web(source, tmp_path / "drop")
    assert funnel["select"]["dropped"] == {"truncated by the crawler": 1}


def test_wrong_digests_are_noted_and_replaced(tmp_path, shared):
    pages = [("https://e.org/", shared.PAGES[0].encode(), None)]
    path = shared.warc_of(pages, tmp_path / "a.warc", gzip=False)
    data = path.read_bytes()
    path.write_bytes(re.sub(rb"(WARC-Payload-Digest: sha1:)\w{6}", rb"\g<1>AAAAAA", data))
    documents, funnel = shared.read_web(WarcSource(files=(str(path),)), tmp_path)
    assert funnel["read"]["noted"] == {"payload digest differs": 1}
    expected = hashlib.sha256(shared.PAGES[0].encode()).hexdigest()
    assert documents[0]["provenance"]["digest"] == expected


def test_wet_files(tmp_path, shared, mutation):
    text = (mutation.SENTENCE * 4).encode() + "\nÜber \x07x".encode()
    record = mutation.record(b"", 1).split(b"Content-Type")[0].replace(b"response", b"conversion")
    head = record + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text)
    path = tmp_path / "a.wet.gz"
    path.write_bytes(gzip.compress(head + text + b"\r\n\r\n"))
    documents, _ = shared.read_web(WetSource(files=(str(path),)), tmp_path)
    assert documents[0]["text"] == (mutation.SENTENCE * 4) + "\nÜber x"
    assert documents[0]["provenance"]["url"] == "https://example.org/1"


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_ranges_meet_even_where_a_page_looks_like_records(tmp_path, shared, mutation, kind):
    """Pages hold whole records (for gzip: in stored blocks): ranges may begin in them."""
    inner = b"".join(mutation.record(mutation.control(100 + n), 100 + n) for n in range(30))
    records = []
    for number in range(6):
        page = mutation.control(number)
        if number % 2:
            hidden = inner
            if kind == "gzip":
                hidden = b"".join(gzip.compress(inner[:900], 0) for _ in range(20))
            page += b"\n<!--" + hidden + b"-->"
        record = mutation.record(page, number)
        records.append(record if kind == "plain" else gzip.compress(record, 0))
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(records))
    source = WarcSource(files=(str(path),))
    whole = shared.read_web(source, tmp_path / "whole")
    assert len(whole[0]) == 6
    for size in (700, 3000, 9000):
        assert shared.read_web(source, tmp_path / str(size), shard_bytes=size, workers=2) == whole


def test_caps_do_not_depend_on_workers_or_ranges(tmp_path, shared):
    pages = [(f"https://e.org/{n}", page.encode(), None) for n, page in enumerate(shared.PAGES)]
    path = shared.warc_of(pages, tmp_path / "a.warc.gz")
    for cap, kept in (({"max_documents": 3}, 3), ({"max_bytes": 500}, 2), ({"max_bytes": 1}, 1)):
        source = WarcSource(files=(str(path), str(path)), **cap)
        found = [
            shared.read_web(source, tmp_path / f"{cap}{size}{workers}", **more)
            for size, workers in ((1 << 20, 1), (600, 2))
            for more in [{"shard_bytes": size, "workers": workers}]
        ]
        assert found[0] == found[1]
        assert [d["text"] for d in found[0][0]] == shared.TEXTS[:kept]


def test_columns_of_pages(tmp_path, shared):
    rows = [
        {"page": page, "url": f"https://e.org/{n}", "key": n} for n, page in enumerate(shared.PAGES)
    ]
    jsonl = [*rows[:2], {"page": 3}, {"page": "\ud800" + shared.PAGES[2], "key": "\ud800"}]
    lines = "\n".join(map(json.dumps, jsonl)) + "\n[broken\n"
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "b.jsonl.zst").write_bytes(zstd_file(lines.encode()))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    table = pa.table({"page": [page.encode() for page in shared.PAGES]})
    pq.write_table(table, tmp_path / "d.parquet")
    expected = {
        "a.jsonl.gz": (3, {"no page": 1, "not a JSON object": 1}),
        "b.jsonl.zst": (3, {"no page": 1, "not a JSON object": 1}),
        "c.parquet": (5, {}),
        "d.parquet": (5, {}),
    }
    for name, (kept, failed) in expected.items():
        kind = "jsonl" if "jsonl" in name else "parquet"
        source = RecordsSource(kind=kind, files=(str(tmp_path / name),), html="page", id="key")
        documents, funnel = shared.read_web(source, tmp_path / f"out-{name}")
        texts = [d["text"].removeprefix("?\n\n") for d in documents]  # the lone surrogate
        assert texts == shared.TEXTS[:kept]
        assert funnel["read"]["failed"] == failed
        assert documents[1]["provenance"]["url"] == (None if name[0] == "d" else "https://e.org/1")
        assert documents[1]["provenance"]["offset"] == 1
    for name in ("a.jsonl.gz", "b.jsonl.zst"):
        data = bytearray((tmp_path / name).read_bytes())
        data[len(data) // 2 :] = bytes(len(data) // 2)
        (tmp_path / name).write_bytes(data)
        source = RecordsSource(kind="jsonl", files=(str(tmp_path / name),), html="page")
        _, funnel = shared.read_web(source, tmp_path / f"damaged-{name}")
        assert funnel["read"]["failed"]["not a JSON object"] >= 1
    source = RecordsSource(kind="parquet", files=(str(tmp_path / "c.parquet"),), html="none")
    with pytest.raises(UserError, match="no column 'none'"):
        shared.read_web(source, tmp_path / "bad")


def zstd_file(data):
    """Two frames, as parallel compressors write them."""
    return b"".join(zstandard.compress(part) for part in (data[:1000], data[1000:]))


def test_pages_of_folders(root, tmp_path, shared):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "empty.html").write_text("")
    folders = (str(root / "examples" / "pages"), str(tmp_path / "pages"))
    documents, funnel = shared.read_web(
        HtmlSource(folders=folders), tmp_path / "o", workers=2, pool=open_pool
    )
    texts = {document["id"]: document["text"] for document in documents}
    assert len(texts) >= 8
    assert r"\sum_{k=0}^{n} \frac{(-1)^k}{k!}" in texts["pages/script-tex.html"]
    assert all(len(document["provenance"]["digest"]) == 64 for document in documents)
    assert funnel["read"]["failed"] == {"empty": 1}


@pytest.mark.parametrize("kind", ["html", "warc", "jsonl"])
def test_names_of_files_that_are_no_text(tmp_path, shared, mutation, kind):
    """As a mirror of old web pages has them."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    data = shared.PAGES[0].encode()
    if kind == "warc":
        data = mutation.record(data, 0).replace(b"WARC-Record-ID", b"X-Record-Number")
    if kind == "jsonl":
        data = json.dumps({"page": shared.PAGES[0]}).encode()
    (folder / os.fsdecode(b"caf\xe9.%s" % kind.encode())).write_bytes(data)
    files = (f"{folder}/*.{kind}",)
    source = {
        "html": HtmlSource(folders=(str(folder),)),
        "warc": WarcSource(files=files),
        "jsonl": RecordsSource(kind="jsonl", files=files, html="page"),
    }[kind]
    ((document,), _) = shared.read_web(source, tmp_path / "o")
    assert document["text"] == shared.TEXTS[0]
    assert f"caf?.{kind}" in document["id"]


def test_a_changed_input_is_read_again(tmp_path, shared, capsys):
    pages = [(f"https://e.org/{n}", page.encode(), None) for n, page in enumerate(shared.PAGES)]
    first = shared.warc_of(pages[:2], tmp_path / "a.warc.gz")
    second = shared.warc_of(pages[2:], tmp_path / "b.warc.gz")
    source = WarcSource(files=(str(first), str(second)))
    stopped = []

    def stops_before_the_second(**settings):
        pool = shared.PoolHere(**settings)
        run_whole = pool.run

        def run(request):
            if request.shard.file == str(second) and not stopped:
                stopped.append(True)
                raise KeyboardInterrupt
            return run_whole(request)

        pool.run = run
        return pool

    with pytest.raises(KeyboardInterrupt):
        shared.read_web(source, tmp_path / "o", pool=stops_before_the_second)
    time.sleep(0.01)
    shared.warc_of([pages[4]], first)
    os.utime(first)
    documents, _ = shared.read_web(source, tmp_path / "o", quiet=False)
    assert [d["text"] for d in documents] == [shared.TEXTS[n] for n in (4, 2, 3, 4)]
    assert "a.warc.gz: changed, read again" in capsys.readouterr().err


def test_globs_and_missing_files(tmp_path, shared):
    for name in ("b", "a"):
        number = "ab".index(name)
        page = (f"https://e.org/{name}", shared.PAGES[number].encode(), None)
        shared.warc_of([page], tmp_path / f"{name}.warc.gz")
    documents, _ = shared.read_web(WarcSource(files=(str(tmp_path / "*.warc.gz"),)), tmp_path / "o")
    assert [d["text"] for d in documents] == shared.TEXTS[:2]
    for name in ("none.warc.gz", "none-*.warc.gz"):
        with pytest.raises(UserError, match="no such file"):
            shared.read_web(WarcSource(files=(str(tmp_path / name),)), tmp_path / "o2")
    with pytest.raises(UserError, match=r"is a folder: name its files, as in .*/\*$"):
        shared.read_web(WarcSource(files=(f"{tmp_path}/",)), tmp_path / "o2")


def test_extract_takes_archives(tmp_path, shared, capsys):
    pages = [(f"https://e.org/{n}", page.encode(), None) for n, page in enumerate(shared.PAGES)]
    path = shared.warc_of(pages, tmp_path / "a.warc.gz")
    single = tmp_path / "one.html"
    single.write_text(shared.PAGES[4])
    whole = path.read_bytes()
    (tmp_path / "cut.warc.gz").write_bytes(whole[: len(whole) - 100])
    files = [str(tmp_path / "cut.warc.gz"), str(single), str(path)]
    assert main(["extract", "--json", *files]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    texts = [line["text"] for line in lines]
    assert texts == [*shared.TEXTS[:4], "", shared.TEXTS[4], *shared.TEXTS]
    assert [line["reason"] for line in lines if not line["text"]] == ["cut off"]
    assert lines[0]["source"] == f"{files[0]}:0"
    assert lines[5]["source"] == files[1]
