"""Inputs that an ordinary user may not read, and disks that are full: told or counted."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from mathlm.cli import main
from mathlm.core.errors import MachineError, UserError
from mathlm.core.storage import disk_errors
from mathlm.corpus.source_config import HtmlSource, WarcSource

NOBODY = 65534


@contextlib.contextmanager
def ordinary_user():
    """Nobody's rights, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if before == 0:
            os.seteuid(0)


@pytest.fixture
def folder(shared):
    """Two WARCs and three pages, in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="mathlm-test-"))
    folder.chmod(0o777)
    for number, page in enumerate(shared.PAGES[:2]):
        shared.warc_of(
            [(f"https://e.org/{number}", page.encode(), None)], folder / f"{number}.warc"
        )
    for number, page in enumerate(shared.PAGES[:3]):
        (folder / "pages" / "inner").mkdir(parents=True, exist_ok=True)
        place = folder / "pages" / ("inner" if number == 2 else ".")
        (place / f"{number}.html").write_text(page)
    yield folder
    (folder / "pages" / "inner").chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_that_may_not_be_read_is_told_before_any_work(folder, shared):
    (folder / "1.warc").chmod(0)
    source = WarcSource(files=(f"{folder}/*.warc",))
    with (
        ordinary_user(),
        pytest.raises(UserError, match=f"^no permission to read {folder}/1.warc$"),
    ):
        shared.read_web(source, folder / "o")
    assert not (folder / "o").exists()


@pytest.mark.parametrize("rights", [0o000, 0o644])
def test_a_folder_that_may_not_be_read_is_told_or_counted(folder, shared, rights):
    (folder / "pages" / "inner").chmod(rights)
    with ordinary_user():
        found, funnel = shared.read_web(HtmlSource(folders=(f"{folder}/pages",)), folder / "o")
        assert [document["text"] for document in found] == shared.TEXTS[:2]
        assert funnel["read"]["failed"] == {"unreadable": 1}
        for closed in (f"{folder}/pages/inner", f"{folder}/pages/inner/more"):
            with pytest.raises(UserError, match=f"no permission to read the folder {closed}"):
                shared.read_web(HtmlSource(folders=(closed,)), folder / "p")


def test_a_finished_stage_of_somebody_else(folder, capsys):
    words = ["stage", "corpus", "--out", str(folder / "o"), "decontaminate.tasks=[]",
             "sources.crawl.kind=warc", f'sources.crawl.files=["{folder}/*.warc"]']  # fmt: skip
    assert main([*words, "--quiet"]) == 0
    os.utime(folder / "0.warc")  # the new time could be noted, but not by this user
    if os.geteuid() != 0:
        pytest.skip("only root can have another user look")
    with ordinary_user():
        assert main(words) == 0
    assert "finished before, skipped" in capsys.readouterr().err


def test_a_full_disk_is_told_in_one_line_and_the_run_goes_on_later(folder, capsys):
    def words(out):
        return ["stage", "corpus", "--quiet", "--out", str(folder / out), "decontaminate.tasks=[]",
                "sources.crawl.kind=warc", f'sources.crawl.files=["{folder}/*.warc"]']  # fmt: skip

    assert main(words("whole")) == 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
        assert main(words("full")) == 3
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    said = capsys.readouterr().err
    assert said.startswith("mathlm: cannot write ") and said.endswith("; finished work is kept\n")
    assert said.count("\n") == 1 and f"errno {errno.EFBIG}" in said
    assert main(words("full")) == 0
    file = "documents/crawl/train-00000.parquet"
    assert (folder / "whole" / file).read_bytes() == (folder / "full" / file).read_bytes()


def test_a_disk_that_is_full_in_the_middle_of_a_file(folder, shared):
    """What was to be written last is not written once more when the file is closed."""
    records = [
        (f"https://e.org/{n}", random.Random(n).randbytes(500_000).hex().encode(), None)
        for n in range(8)
    ]
    source = WarcSource(files=(str(shared.warc_of(records, folder / "large.warc")),))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        with pytest.raises(MachineError, match=r"^cannot write .*finished work is kept$"):
            shared.read_web(source, folder / "o")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_short_write_of_numpy_is_a_full_disk(tmp_path):
    with (
        pytest.raises(MachineError, match=os.strerror(errno.ENOSPC)),
        disk_errors(tmp_path),
    ):
        raise OSError("11200 requested and 3056 written")
