"""`mathlm serve` as a user meets it: what it says, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from mathlm.cli import main
from solving.engines.twins import model, tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "twin"
    model("llama").save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_it_serves_until_it_is_told_to_stop(folder: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "mathlm", "serve", str(folder), "--port", "0", "--json"]
    command += ["--key-env", "TWIN_KEY", "--name", "mine"]
    environment = {**os.environ, "TWIN_KEY": "xyzzy-of-the-tests"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            assert said["model"] == "mine" and said["pid"] == server.pid
            key = {"Authorization": "Bearer xyzzy-of-the-tests"}
            with httpx.Client(base_url=said["url"], timeout=60) as client:
                assert client.get("/models").status_code == 401
                assert client.get("/models", headers=key).json()["data"][0]["id"] == "mine"
                body = {"model": "mine", "prompt": "x", "max_tokens": 900, "stream": True}
                body["ignore_eos"] = True
                with client.stream("POST", "/completions", json=body, headers=key) as answer:
                    assert answer.status_code == 200
                    next(answer.iter_lines())
                    server.send_signal(how)  # in the middle of an answer
                    out, err = server.communicate(timeout=60)
        finally:
            server.kill()
    assert (server.returncode, out) == (0, "")
    assert err == "stopped\n"


def test_mistakes_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = {
            (str(folder), "--port", port): "--port 0 takes a free one",
            (str(folder), "--host", "0.0.0.0"): "give --key-env NAME too",
            (str(folder), "--key-env", "NO_SUCH_KEY"): "no such variable",
            (str(folder), "--port", "70000"): "ports are 0 to 65535",
            (str(folder), "--max-rows", "0"): "--max-rows must be at least 1",
            (str(folder), "--host", "no.such.host.invalid", "--key-env", "PATH"): "no such address",
            (str(folder.parent / "nothing"), "--port", "0"): "no such folder",
        }
        for words, message in cases.items():
            assert main(["serve", *words]) == 2
            err = capsys.readouterr().err
            assert message in err, err
            assert len([line for line in err.splitlines() if line.startswith("mathlm: ")]) == 1
