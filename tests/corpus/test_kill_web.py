"""A run over WARC files killed at moments uniform over its wall time ends in the same bytes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import sys
from pathlib import Path
from mathlm.core.progress import Progress
from mathlm.corpus.reading import WebReader
from mathlm.corpus.source_config import WarcSource
from mathlm.corpus.sources import Services
from mathlm.corpus.sources.shards import shards_of
source = WarcSource(files=(sys.argv[1],), timeout_s=60)
out, quiet = Path(sys.argv[2]), Progress(quiet=True)
reader = WebReader("web", source, Services(quiet, 2), "default", "k", out / "work")
reader.read(*shards_of(source, quiet, 60_000), target=(out / "web", "k"))
"""


def tree(directory):
    """Every file's bytes: documents, rows, side files, manifest."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def killed_runs(tmp_path, shared, mutation, *, directories, kills, pages):
    rng = random.Random(kills)
    page = mutation.control(7)[:-14] + b"<p>$x^2$ and more</p>" * 150 + b"</body></html>"
    for number in range(3):
        records = [(f"https://e.org/{number}/{n}", page, None) for n in range(pages)]
        path = shared.warc_of(records, tmp_path / f"{number}.warc.gz")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF  # a broken record, too
        path.write_bytes(data)

    def start(directory):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "*.warc.gz"), str(directory)]
        return subprocess.Popen(command)

    begin = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    wall = time.monotonic() - begin
    expected = tree(tmp_path / "whole")
    _, funnel = shared.committed(tmp_path / "whole" / "web")
    assert funnel["select"]["in"] == 3 * pages
    done = 0
    for number in range(directories):
        directory = tmp_path / f"killed{number}"
        for _ in range(kills):
            process = start(directory)
            time.sleep(rng.uniform(0, wall))
            process.send_signal(signal.SIGKILL)
            done += process.wait() == -signal.SIGKILL
        assert start(directory).wait() == 0
        assert tree(directory) == expected
        shared.committed(directory / "web")
    return done


def test_killed_three_times(tmp_path, shared, mutation):
    assert killed_runs(tmp_path, shared, mutation, directories=1, kills=3, pages=100) >= 1


@pytest.mark.slow
def test_killed_twelve_times(tmp_path, shared, mutation):
    assert killed_runs(tmp_path, shared, mutation, directories=4, kills=4, pages=700) >= 10
