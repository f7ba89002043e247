"""A run over WARC files killed at moments uniform over its wall time ends in the same bytes."""

from __future__ import annotations

import os
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
    hostile = mutation.archive([page], range(100), rng, {})
    (tmp_path / "3.warc.gz").write_bytes(hostile)

    def start(directory):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "*.warc.gz"), str(directory)]
        return subprocess.Popen(command)

    begin = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    wall = time.monotonic() - begin
    expected = tree(tmp_path / "whole")
    _, funnel = shared.committed(tmp_path / "whole" / "web")
    assert funnel["select"]["in"] >= 3 * pages + 95
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


@pytest.mark.parametrize(
    "parts", [(0.6,), pytest.param((0.1, 0.3, 0.5, 0.7, 0.9), marks=pytest.mark.slow)]
)
def test_interrupted(tmp_path, shared, parts):
    """Ctrl-C goes to all processes: one line, no process left, the same bytes afterwards."""
    for number in range(2):
        records = [
            (f"https://e.org/{n}", shared.PAGES[n % 5].replace("even", f"w{n} even").encode(), None)
            for n in range(150)
        ]
        shared.warc_of(records, tmp_path / f"{number}.warc.gz")

    def start(out):
        command = [
            sys.executable, "-m", "mathlm", "stage", "corpus", "--out", str(tmp_path / out),
            "sources.crawl.kind=warc", f'sources.crawl.files=["{tmp_path}/*.warc.gz"]',
            "decontaminate.tasks=[]",
        ]  # fmt: skip
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def ended(process):
        said = process.communicate(timeout=60)[1]
        return process.returncode, said

    begin = time.monotonic()
    assert ended(start("whole"))[0] == 0
    wall = time.monotonic() - begin
    rng, stopped = random.Random(), 0
    for part in parts:
        delay = rng.uniform(part - 0.1, part + 0.1) * wall
        process = start("stopped")
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        code, said = ended(process)
        assert "Traceback" not in said, f"after {delay:.2f} s"
        if code == 130:
            stopped += 1
            assert said.splitlines()[-1].startswith("mathlm: stopped; what is finished is kept")
        else:  # before or behind the command's own work, where Python is stopped as any program
            assert code in (0, -signal.SIGINT), said
    assert stopped and ended(start("stopped"))[0] == 0
    documents = "documents/crawl"
    assert tree(tmp_path / "stopped" / documents) == tree(tmp_path / "whole" / documents)


def test_killed_three_times(tmp_path, shared, mutation):
    assert killed_runs(tmp_path, shared, mutation, directories=1, kills=3, pages=100) >= 1


@pytest.mark.slow
def test_killed_twelve_times(tmp_path, shared, mutation):
    assert killed_runs(tmp_path, shared, mutation, directories=4, kills=4, pages=700) >= 10
