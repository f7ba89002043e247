"""The openai engine over a server that is busy, slow, gone, or not what it says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from pydantic import ValidationError

from mathlm.core.errors import MachineError, UserError
from mathlm.solving.engines.openai import OpenAIEngine
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.engines.protocol import Generation, Message, Request, Sampling
from mathlm.solving.server.app import Limits
from solving.engines.hosting import Hosted
from solving.engines.twins import WORDS, model, tokenizer

KEY = "sk-this-is-the-key"


def asked(engine: OpenAIEngine, number: int, **sampling: Any) -> list[Generation]:
    async def run() -> list[Generation]:
        requests = (
            Request(WORDS, sample_index=i, sampling=Sampling(**{"max_tokens": 8, **sampling}))
            for i in range(number)
        )
        return await asyncio.gather(*(engine.generate(request) for request in requests))

    return asyncio.run(run())


def settings(url: str, **changes: Any) -> ServerConfig:
    return ServerConfig.model_validate({"base_url": url, **changes})


def test_a_full_server_is_asked_again_until_all_is_done() -> None:
    hosted = Hosted(model("llama"), tokenizer(), limits=Limits(waiting=4))
    engine = OpenAIEngine(settings(hosted.url))
    try:
        made = asked(engine, 16, temperature=1.0)
        assert len({one.token_ids for one in made}) > 10
        load = engine.load.summary()
        assert load["requests"] == 16 and load["retries"] > 0
        assert load["model_tokens"] == sum(one.tokens for one in made)
    finally:
        engine.close()
        hosted.close()


def test_a_server_that_dies_is_waited_for_and_then_given_up() -> None:
    hosted = Hosted(model("llama"), tokenizer())
    port = int(hosted.url.split(":")[2].split("/")[0])
    engine = OpenAIEngine(settings(hosted.url, retries=2))
    try:
        before = asked(engine, 2)
        hosted.close()
        comes_back = threading.Timer(0.3, lambda: again.append(
            Hosted(model("llama"), tokenizer(), port=port)
        ))  # fmt: skip
        again: list[Hosted] = []
        comes_back.start()
        assert asked(engine, 2) == before
        comes_back.join()
        again[0].close()
        with pytest.raises(MachineError, match="failed after 3 tries"):
            asked(engine, 1)
    finally:
        engine.close()


def test_a_slow_server_runs_into_the_timeout() -> None:
    hosted = Hosted(model("llama"), tokenizer())
    engine = OpenAIEngine(settings(hosted.url, timeout_s=0.5, retries=1))
    try:
        asked(engine, 1)
        with pytest.raises(MachineError, match="ReadTimeout"):
            asked(engine, 8, max_tokens=1000, ignore_eos=True)
        deadline = time.monotonic() + 30
        while hosted.engine._batcher.busy():
            assert time.monotonic() < deadline, "what nobody waits for is not generated"
            time.sleep(0.05)
    finally:
        engine.close()
        hosted.close()


def test_keys() -> None:
    hosted = Hosted(model("llama"), tokenizer(), key=KEY)
    try:
        for key, message in ((None, "wants a key"), ("wrong", "refuses the key in TWIN_KEY")):
            engine = OpenAIEngine(settings(hosted.url, key_env="TWIN_KEY"), key=key)
            with pytest.raises(UserError, match=message):
                asked(engine, 1)
            engine.close()
        engine = OpenAIEngine(settings(hosted.url), key=KEY)
        assert asked(engine, 1)[0].tokens == 8
        with pytest.raises(UserError, match="there is twin"):
            other = OpenAIEngine(settings(hosted.url, model="gpt-7"), key=KEY)
            try:
                asked(other, 1)
            finally:
                other.close()
        engine.close()
    finally:
        hosted.close()


def test_nobody_there_is_the_users_mistake() -> None:
    engine = OpenAIEngine(settings("http://127.0.0.1:9/v1", model="x", retries=1))
    with pytest.raises(UserError, match="is the server running"):
        asked(engine, 1)
    engine.close()


def test_settings_refuse_keys_in_addresses_and_nonsense() -> None:
    for url in ("http://me:secret@host/v1", "ftp://host/v1", "host", "http://host:99999/v1",
                "http://host/v1?key=5"):  # fmt: skip
        with pytest.raises(ValidationError):
            settings(url)
    assert settings("http://host/v1/").base_url == "http://host/v1"


def answering(answer: Callable[[], httpx.Response], **changes: Any) -> OpenAIEngine:
    transport = httpx.MockTransport(lambda request: answer())
    config = settings("http://host/v1", model="x", retries=0, **changes)
    return OpenAIEngine(config, key=KEY, transport=transport)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (lambda: httpx.Response(200, text="<html>hello</html>"), UserError, "no JSON object"),
        (lambda: httpx.Response(200, text="[1, 2"), UserError, "no JSON object"),
        (lambda: httpx.Response(200, json=[1]), UserError, "no JSON object"),
        (lambda: httpx.Response(200, json={}), MachineError, "no choices"),
        (lambda: httpx.Response(200, json={"choices": "x"}), MachineError, "no choices"),
        (lambda: httpx.Response(302, headers={"location": "https://b/v1"}), UserError, "https://b"),
        (lambda: httpx.Response(404, text="nothing here"), UserError, "/v1"),
        (lambda: httpx.Response(400, json={"error": "bad " + KEY}), UserError, r"bad \*\*\*"),
        (lambda: httpx.Response(401, json={"error": {"message": KEY}}), UserError, r"\*\*\*"),
        (lambda: httpx.Response(418, text="a\n" * 9999), UserError, "418"),
        (
            lambda: httpx.Response(429, json={"error": {"code": "insufficient_quota"}}),
            UserError,
            "429",
        ),
    ],
)
def test_strange_answers_are_one_line(
    answer: Callable[[], httpx.Response], kind: type[Exception], message: str
) -> None:
    engine = answering(answer)
    with pytest.raises(kind, match=message) as caught:
        asked(engine, 1)
    said = str(caught.value)
    assert KEY not in said and "\n" not in said and len(said) < 900
    engine.close()


def test_what_the_server_asks_for_is_waited() -> None:
    answers = [httpx.Response(429, headers={"retry-after": "0.3"}, text="later")]
    good = {"choices": [{"text": "y", "finish_reason": "stop"}], "usage": {}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(404)
        return answers.pop() if answers else httpx.Response(200, json=good)

    engine = OpenAIEngine(
        settings("http://host/v1", model="x"), transport=httpx.MockTransport(answer)
    )
    start = time.monotonic()
    (made,) = asked(engine, 1)
    assert made.text == "y" and time.monotonic() - start >= 0.3
    engine.close()


def test_a_thought_that_the_server_keeps_apart_stands_before_the_text() -> None:
    message = {"role": "assistant", "content": "5", "reasoning_content": "2 + 3"}
    body = {"choices": [{"message": message, "finish_reason": "stop"}]}
    engine = answering(lambda: httpx.Response(200, json=body))
    request = Request((Message("user", "2 + 3?"),))
    made = asyncio.run(engine.generate(request))
    assert (made.thought, made.text) == ("2 + 3", "5")
    engine.close()


def test_a_stage_runs_without_torch_and_keeps_the_key_to_itself(tmp_path: Path) -> None:
    hosted = Hosted(model("llama"), tokenizer(), key=KEY)
    out = tmp_path / "solve"
    words = ["stage", "solve", "--out", str(out), "engine=openai", 'tasks=["arithmetic-seen"]',
             f"server.base_url={hosted.url}", "server.key_env=TWIN_KEY", "limit=3",
             "solvers.vote.kind=cot", "solvers.vote.samples=2", "solvers.vote.temperature=0.7",
             "solvers.vote.max_tokens=8", "logprobs=true"]  # fmt: skip
    code = (
        f"import sys; from mathlm.cli import main; code = main({words!r});"
        " print(code, [m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    try:
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
            env={"TWIN_KEY": KEY, "PATH": "/usr/bin:/bin"}, check=False,
        )  # fmt: skip
        assert result.stdout == "0 []\n", result.stderr
        lines = (out / "completions.jsonl").read_text().splitlines()
        assert len(lines) == 6
        for line in map(json.loads, lines):
            (segment,) = line["segments"]
            assert len(segment["token_ids"]) == len(segment["logprobs"]) == 8
        load = json.loads((out / "logs" / "engine.json").read_text())
        assert load["requests"] == 6 and load["model_tokens"] == 48
        for path in out.rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
        again = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
            env={"PATH": "/usr/bin:/bin"}, check=False,
        )  # fmt: skip
        assert again.stdout.startswith("0"), "what is finished needs no server"
    finally:
        hosted.close()


def test_the_example_asks_a_server(root: Path) -> None:
    hosted = Hosted(model("llama"), tokenizer())
    try:
        result = subprocess.run(
            [sys.executable, str(root / "examples" / "server.py"), hosted.url],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert result.stdout.count("Solution:") == 5
        assert result.stdout.count("[length]") + result.stdout.count("[stop]") >= 4
    finally:
        hosted.close()
