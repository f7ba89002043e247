"""Inputs in a bucket of S3: the documents of the same files on disk, over whatever breaks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mathlm.cli import main
from mathlm.core import streams
from mathlm.core.errors import MachineError, UserError
from mathlm.corpus import reading
from mathlm.corpus.source_config import RecordsSource, WarcSource
from mathlm.corpus.sources import open_pool

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (pip install 'mathlm[remote]')")
moto = pytest.importorskip("moto.server", reason="moto is not installed")
moto_settings = pytest.importorskip("moto.settings")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
BUCKET = "crawl-of-tests"


class Line:
    """A TCP port in front of a server that cuts connections off, or refuses to answer."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.cuts: list[int] = []
        """After so many bytes of an answer each of the next connections is cut off."""
        self.stalled = threading.Event()
        """Set: answers are held back."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.server)
            self._open += [near, far]
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answer: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                while answer and self.stalled.is_set():
                    time.sleep(0.02)
                if answer and self.cuts and passed + len(data) > self.cuts[0]:
                    target.sendall(data[: self.cuts.pop(0) - passed])
                    break
                target.sendall(data)
                passed += len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self._listener, *self._open):
            end.close()


@pytest.fixture(scope="module")
def server():
    """A server that speaks S3."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def bucket(server, tmp_path, shared, monkeypatch):
    """(line to the server, folder): the folder's files are in the bucket, too."""
    line = Line(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setattr(streams, "_WAITS_S", (0.01, 0.01, 0.01))
    s3fs.S3FileSystem.clear_instance_cache()
    folder = tmp_path / "in"
    folder.mkdir()
    pages = [(f"https://e.org/{n}", page.encode(), None) for n, page in enumerate(shared.PAGES)]
    shared.warc_of(pages[:3], folder / "a.warc.gz")
    shared.warc_of(pages[3:], folder / "b.warc.gz")
    rows = [{"id": str(n), "page": page} for n, page in enumerate(shared.PAGES)]
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = s3fs.S3FileSystem()
    store.mkdir(BUCKET)
    for file in folder.iterdir():
        store.put_file(str(file), f"{BUCKET}/{file.name}")
    yield line, folder
    store.rm(BUCKET, recursive=True)
    line.close()
    s3fs.S3FileSystem.clear_instance_cache()


def with_local_names(documents):
    for document in documents:
        document["provenance"]["file"] = document["provenance"]["file"].rpartition("/")[2]
    return documents


def equal_to_local(line, folder, out, shared, source):
    """Read the source from the bucket and from the folder: the same documents and funnel."""
    far = source.model_copy(update={"files": tuple(f"s3://{BUCKET}/{f}" for f in source.files)})
    near = source.model_copy(update={"files": tuple(f"{folder}/{f}" for f in source.files)})
    documents, funnel = shared.read_web(far, out / "far", shard_bytes=700)
    expected, steps = shared.read_web(near, out / "near", shard_bytes=700)
    assert with_local_names(documents) == expected and funnel == steps
    assert [document["text"] for document in documents] == shared.TEXTS
    return funnel


def test_the_same_as_on_disk(bucket, tmp_path, shared):
    line, folder = bucket
    table = pa.Table.from_pylist([{"page": page} for page in shared.PAGES])
    pq.write_table(table, folder / "pages.parquet")
    s3fs.S3FileSystem().put_file(str(folder / "pages.parquet"), f"{BUCKET}/pages.parquet")
    for number, source in enumerate(
        (
            WarcSource(files=("*.warc.gz",)),
            RecordsSource(kind="jsonl", files=("pages.jsonl",), html="page"),
            RecordsSource(kind="parquet", files=("pages.parquet",), html="page"),
        )
    ):
        equal_to_local(line, folder, tmp_path / str(number), shared, source)


def recipe(folder, where):
    """A corpus of pages and of texts."""
    crawl = f'sources.crawl = {{ kind = "warc", files = ["{where}/*.warc.gz"] }}'
    text = f'sources.text = {{ kind = "jsonl", files = ["{where}/pages.jsonl"], text = "page" }}'
    path = folder / "recipe.toml"
    stage = f'kind = "corpus"\n{crawl}\n{text}\ndecontaminate.tasks = []\n'
    path.write_text(f'name = "toy"\nworkers = 1\n[stage.corpus]\n{stage}')
    return str(path)


def documents(run):
    """Every row of a run's documents, with the names that files have on disk."""
    paths = sorted((run / "corpus" / "documents").rglob("*.parquet"))
    return with_local_names([row for path in paths for row in pq.read_table(path).to_pylist()])


def test_a_run_from_a_bucket(bucket, tmp_path, capfd):
    line, folder = bucket
    far, near = tmp_path / "far", tmp_path / "near"
    assert main(["run", recipe(tmp_path, folder), "--out", str(near), "--quiet"]) == 0
    path = recipe(tmp_path, f"s3://{BUCKET}")
    line.cuts += [300, 700, 700]
    assert main(["run", path, "--out", str(far), "--quiet"]) == 0
    assert not line.cuts and documents(far) == documents(near)
    assert (far / "corpus/funnel.json").read_bytes() == (near / "corpus/funnel.json").read_bytes()

    s3fs.S3FileSystem().put_file(str(folder / "b.warc.gz"), f"{BUCKET}/c.warc.gz")
    shutil.copy(folder / "b.warc.gz", folder / "a.warc.gz")
    s3fs.S3FileSystem().put_file(str(folder / "pages.jsonl"), f"{BUCKET}/pages.jsonl")  # unchanged
    assert main(["run", path, "--out", str(far), "--quiet"]) == 2
    assert f"sources.crawl: 1 added (s3://{BUCKET}/c.warc.gz)): delete" in told(capfd)
    s3fs.S3FileSystem().rm([f"{BUCKET}/{name}.warc.gz" for name in "ac"])
    assert main(["run", path, "--out", str(far)]) == 0
    assert f"skipped (sources.crawl: 1 gone (s3://{BUCKET}/a.warc.gz)" in told(capfd)


def told(capfd):
    return capfd.readouterr().err


def test_what_is_not_there(bucket, tmp_path, shared):
    for name in (f"{BUCKET}/none.warc.gz", f"{BUCKET}/none*", "no-such-bucket/*.warc.gz",
                 "no-such-bucket/a.warc.gz", "no-such-bucket/a.jsonl"):  # fmt: skip
        kind = {"kind": "jsonl", "html": "page"} if name.endswith("jsonl") else {}
        source = (RecordsSource if kind else WarcSource)(files=(f"s3://{name}",), **kind)
        with pytest.raises(UserError, match=rf"no such file: s3://{name.replace('*', '.')}"):
            shared.read_web(source, tmp_path / "o")


def test_credentials(bucket, tmp_path, shared, monkeypatch):
    source = WarcSource(files=(f"s3://{BUCKET}/a.warc.gz",))
    whole = WarcSource(files=(f"s3://{BUCKET}/*.warc.gz",))

    def refused(given, why):
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(UserError, match=f"no permission to read s3://.*{why}") as caught:
            shared.read_web(given, tmp_path / "o")
        assert "\n" not in str(caught.value)

    with monkeypatch.context() as checked:
        checked.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
        refused(source, "")
        refused(whole, "The AWS Access Key Id you provided does not exist")
    s3fs.S3FileSystem().chmod(f"{BUCKET}/a.warc.gz", "public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    refused(source, "credentials; for a public bucket: FSSPEC_S3_ANON=true")
    monkeypatch.setenv("FSSPEC_S3_ANON", "true")
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    fsspec.config.set_conf_env(fsspec.config.conf)
    s3fs.S3FileSystem.clear_instance_cache()
    assert len(shared.read_web(source, tmp_path / "o")[0]) == 3


def test_a_connection_that_stays_down_is_no_broken_file(bucket, tmp_path, shared, monkeypatch):
    """Nothing is counted as failed, and once the store is back the run goes on."""
    line, _ = bucket
    monkeypatch.setattr(s3fs.core.S3FileSystem, "retries", 1)
    for name, kind in (("*.warc.gz", {}), ("pages.jsonl", {"kind": "jsonl", "html": "page"})):
        source = (RecordsSource if kind else WarcSource)(files=(f"s3://{BUCKET}/{name}",), **kind)

        def cut_from_now_on(**settings):
            pool = shared.PoolHere(**settings)
            line.cuts += [150] * 500
            return pool

        with pytest.raises(MachineError, match=rf"cannot read s3://{BUCKET}/"):
            shared.read_web(source, tmp_path / f"o{name[-1]}", pool=cut_from_now_on)
        line.cuts.clear()
        documents, funnel = shared.read_web(source, tmp_path / f"o{name[-1]}")
        assert [document["text"] for document in documents] == shared.TEXTS
        assert not funnel["read"]["failed"]


def test_a_store_that_is_silent_for_a_while_costs_no_page(bucket, tmp_path, shared, monkeypatch):
    """The limit on a page is not spent by waiting: a stalled worker is replaced and asks again."""
    line, _ = bucket
    monkeypatch.setattr(reading, "_SLACK_S", 1.0)
    source = WarcSource(files=(f"s3://{BUCKET}/*.warc.gz",), timeout_s=0.5)

    def silent_from_now_on(**settings):
        line.stalled.set()
        threading.Timer(3.5, line.stalled.clear).start()
        return open_pool(**settings)

    documents, funnel = shared.read_web(source, tmp_path / "o", pool=silent_from_now_on)
    assert [document["text"] for document in documents] == shared.TEXTS
    assert not funnel["read"]["failed"]


@pytest.mark.slow
def test_a_store_that_stays_silent_stops_the_run(bucket, tmp_path, shared, monkeypatch):
    line, _ = bucket
    monkeypatch.setattr(reading, "_SLACK_S", 1.0)
    source = WarcSource(files=(f"s3://{BUCKET}/*.warc.gz",), timeout_s=0.5)

    def silent_for_good(**settings):
        line.stalled.set()
        return open_pool(**settings)

    with pytest.raises(MachineError, match=rf"s3://{BUCKET}/a.warc.gz: it does not answer"):
        shared.read_web(source, tmp_path / "p", pool=silent_for_good)
    line.stalled.clear()
    documents, funnel = shared.read_web(source, tmp_path / "p")
    assert [document["text"] for document in documents] == shared.TEXTS
    assert not funnel["read"]["failed"]
