"""A corpus through Ray's client port: a head in its own process, other code, other files."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from mathlm.core.cluster import RayTasks
from mathlm.core.errors import UserError

pytest.importorskip("ray", reason="Ray is not installed (pip install 'mathlm[ray]')")
pytestmark = pytest.mark.ray
TOKEN = {"RAY_AUTH_TOKEN": "a-token-of-the-tests-of-mathlm-0123456789"}
RECIPE = """
name = "toy"
workers = 1
[stage.corpus]
kind = "corpus"
sources.crawl = { kind = "warc", files = ["in/*.warc.gz"] }
sources.pages = { kind = "html", folders = ["in/pages"] }
sources.lines = { kind = "jsonl", files = ["lines/a.jsonl"] }
decontaminate.tasks = []
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Head:
    """`ray start --head` in a process group of its own."""

    def __init__(self, *before, **env):
        self.port, self.folder = free_port(), tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        ray = Path(sys.executable).parent / "ray"
        command = [
            *before, sys.executable, str(ray), "start", "--head", "--port=0",
            "--block", "--num-cpus=1", "--disable-usage-stats", f"--temp-dir={self.folder}",
            f"--ray-client-server-port={self.port}", "--include-dashboard=false",
            f"--object-store-memory={80 << 20}",
        ]  # fmt: skip
        with open(f"{self.folder}/out", "wb") as out:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "RAY_AUTH_MODE": "token", **TOKEN, **env},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.2)
        said = Path(self.folder, "out").read_text()
        self.close()
        pytest.skip(f"no Ray head here: {said[-300:]}")

    @property
    def address(self):
        return f"ray://127.0.0.1:{self.port}"

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def head():
    head = Head()
    yield head
    head.close()


@pytest.fixture
def folder(tmp_path, shared):
    """A recipe and its inputs, by relative paths."""
    (tmp_path / "in" / "pages").mkdir(parents=True)
    pages = [(f"https://e.org/{n}", page.encode(), None) for n, page in enumerate(shared.PAGES)]
    for number, page in enumerate(pages):
        shared.warc_of([page], tmp_path / "in" / f"{number}.warc.gz")
        text = page[1].replace(b"even", b"odd")
        (tmp_path / "in" / "pages" / f"{number}.html").write_bytes(text)
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a.jsonl").write_text('{"text": "The sum of two odd numbers is even."}\n')
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def run(folder, out, *words, code="import sys; from mathlm.cli import main; sys.exit(main())"):
    """Exit code and what was said of a run in a process of its own."""
    command = [sys.executable, "-c", code, "run", "recipe.toml", "--out", out, "--quiet", *words]
    env = {**os.environ, **TOKEN}
    env.pop("RAY_AUTH_MODE", None)
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr


def tree(directory):
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in files
        if "logs" not in path.parts and path.name != "environment.json"
    }


@pytest.mark.slow
def test_a_corpus_through_the_client_port(head, folder):
    assert run(folder, "alone") == (0, "")
    assert run(folder, "far", f"stage.corpus.engine.ray={head.address}") == (0, "")
    near, far = tree(folder / "alone"), tree(folder / "far")
    assert near.pop("recipe.toml") != far.pop("recipe.toml")  # it names the engine
    assert near == far and "corpus/documents/crawl/train-00000.parquet" in far


@pytest.mark.slow
def test_another_version_of_ray(head, folder):
    code = "import os, sys; os.environ['RAY_AUTH_MODE'] = 'token'; import ray; "
    code += "ray.__version__ = '2.1.0'; from mathlm.cli import main; sys.exit(main())"
    words = (f"stage.corpus.engine.ray={head.address}",)
    exit_code, said = run(folder, "other", *words, code=code)
    assert exit_code == 2 and said.count("\n") == 1
    assert "it runs another version: Version mismatch" in said and "2.1.0" in said


@pytest.mark.slow
def test_another_mathlm(folder, root):
    shutil.copytree(root / "src", folder / "src")
    with (folder / "src" / "mathlm" / "corpus" / "stage.py").open("a") as file:
        file.write("# another line\n")
    other = Head(PYTHONPATH=str(folder / "src"))
    try:
        exit_code, said = run(folder, "other", f"stage.corpus.engine.ray={other.address}")
    finally:
        other.close()
    assert exit_code == 2 and "has another mathlm: install the same everywhere" in said
    assert not (folder / "other" / "corpus").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "named"),
    [("in", "in/0.warc.gz"), ("lines", "lines/a.jsonl"), ("out", "out/corpus/work:")],
)
def test_a_machine_that_does_not_see_the_files(folder, hidden, named):
    (folder / "out").mkdir()
    mount = f"mount -t tmpfs none {folder / hidden}"
    unshare = ["unshare", "--mount", "--propagation", "private"]
    tried = subprocess.run([*unshare, "sh", "-c", mount], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no mount namespaces here")
    other = Head(*unshare, "sh", "-c", f'{mount}; exec "$@"', "sh")
    try:
        exit_code, said = run(folder, "out", f"stage.corpus.engine.ray={other.address}")
    finally:
        other.close()
    assert exit_code == 2 and "does not see" in said and named in said


def test_nobody_listens_at_the_client_port():
    address = f"ray://127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"no cluster at '{address}'") as caught:
        RayTasks(address, 1).__enter__()
    assert "\n" not in str(caught.value)
