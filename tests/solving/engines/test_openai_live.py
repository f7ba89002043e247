"""The openai engine against a live `transformers serve` (`-m slow`; pip install fastapi)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mathlm.solving.engines.openai import OpenAIEngine
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.engines.protocol import Message, Request, Sampling
from solving.engines.twins import WORDS, model, theirs, tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_spec("fastapi") is None:
        pytest.skip("transformers serve needs fastapi")
    folder = tmp_path_factory.mktemp("live") / "twin"
    chatting = tokenizer()
    chatting.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    model("llama").save_pretrained(folder)
    chatting.save_pretrained(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    command = [str(program), "serve", "twin", "--device", "cpu", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + 180
            while True:
                assert server.poll() is None and time.monotonic() < deadline, "it starts"
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()


def test_greedy_texts_are_those_of_generate(url: str) -> None:
    engine = OpenAIEngine(ServerConfig(base_url=url, model="twin", concurrency=4))
    sampling = Sampling(max_tokens=12)
    prompts = [WORDS + "x" * n for n in range(6)]

    async def ask() -> list[str]:
        asked = [Request(p, sampling=sampling) for p in prompts]
        asked.append(Request((Message("user", prompts[0]),), sampling=sampling))
        return [made.text for made in await asyncio.gather(*map(engine.generate, asked))]

    try:
        texts = asyncio.run(ask())
    finally:
        engine.close()
    for prompt, text in zip([*prompts, prompts[0]], texts, strict=True):
        ids = theirs("llama", tokenizer()(prompt)["input_ids"], 12)
        expected = tokenizer().decode(ids, skip_special_tokens=True)
        # streamed by pieces there: broken characters may be fewer
        assert text.replace("\ufffd", "") == expected.replace("\ufffd", "")
