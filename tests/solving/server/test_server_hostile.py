"""Clients that mean harm or make mistakes: refused with a 4xx, never a 500, never the end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.solving.server.app import Limits
from solving.engines.hosting import Hosted
from solving.engines.twins import model, tokenizer


@pytest.fixture(scope="module")
def hosted() -> Iterator[Hosted]:
    made = Hosted(model("llama"), tokenizer(), limits=Limits(body_mib=0.5, waiting=64))
    yield made
    made.close()


@pytest.fixture(scope="module")
def http(hosted: Hosted) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hosted.url, timeout=60) as client:
        yield client


JSON = {"content-type": "application/json"}
CASES: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[1]",
    "no UTF-8": b'{"model": "\xff"}',
    "nested": b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "endless number": b'{"max_tokens": ' + b"9" * 10_000 + b"}",
    "NaN": b'{"model": "twin", "prompt": "x", "temperature": NaN}',
    "infinite": b'{"model": "twin", "prompt": "x", "temperature": 1e999}',
    "half a surrogate pair": b'{"model": "twin", "prompt": "\\ud800"}',
    "… in a stop": b'{"model": "twin", "prompt": "x", "stop": "\\ud800"}',
    "… in a field's name": b'{"model": "twin", "prompt": "x", "\\ud800": 1}',
    "… in the model's name": b'{"model": "\\ud800", "prompt": "x"}',
    "… in the shared part": b'{"model": "twin", "prompt": "x", "shared_prefix": "\\ud800"}',
    "negative n": {"n": -1},
    "many": {"n": 10_000},
    "more than fit": {"n": 65},
    "negative tokens": {"max_tokens": -5},
    "no tokens": {"max_tokens": 0},
    "text for a number": {"temperature": "hot"},
    "true for a number": {"max_tokens": True},
    "an object for text": {"prompt": {}},
    "no prompt": {"prompt": []},
    "an empty list of ids": {"prompt": [[]]},
    "mixed": {"prompt": ["x", 1]},
    "ids that are none": {"prompt": [-1]},
    "huge ids": {"prompt": [1 << 70]},
    "many prompts": {"prompt": ["x"] * 5000},
    "long": {"prompt": "x" * 100_000},
    "too large": {"prompt": "x" * 600_000},
    "empty stop": {"stop": ""},
    "many stops": {"stop": ["a"] * 100},
    "stop of numbers": {"stop": [1]},
    "seed": {"seed": 1 << 64},
    "top_p": {"top_p": 0},
    "unknown": {"frobnicate": 1},
    "options without a stream": {"stream_options": {"include_usage": True}},
    "best_of": {"best_of": 5},
    "tools": {"tools": [{"type": "function"}]},
    "logprobs": {"logprobs": 21},
    "suffix": {"suffix": "y"},
    "bias": {"logit_bias": {"5": 1.0}},
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_body_is_refused_in_one_line(http: httpx.Client, name: str) -> None:
    case = CASES[name]
    if isinstance(case, dict):
        case = json.dumps({"model": "twin", "prompt": "x", "max_tokens": 2, **case}).encode()
    answer = http.post("/completions", content=case, headers=JSON)
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error" and "\n" not in error["message"]
    assert len(answer.text) < 1000, "what was sent is not sent back"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        "hello",
        [{"role": "boss", "content": "x"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": "x", "weight": 1}],
        [{"role": "user", "content": "x"}],  # this model has no chat template
    ],
)
def test_bad_messages_are_refused(http: httpx.Client, messages: Any) -> None:
    answer = http.post("/chat/completions", json={"model": "twin", "messages": messages})
    assert answer.status_code == 400 and answer.json()["error"]["param"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
FIELDS = ["model", "prompt", "max_tokens", "temperature", "top_p", "n", "seed", "stop", "stream"]
FIELDS += ["stream_options", "top_k", "min_p", "echo", "repetition_penalty", "stop_token_ids"]
FIELDS += ["logprobs", "return_token_ids", "shared_prefix", "ignore_eos", "other"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=4))
def test_any_value_in_any_field_is_answered(http: httpx.Client, fields: dict[str, Any]) -> None:
    body = {"model": "twin", "prompt": "x", "max_tokens": 2, **fields}
    if type(body["max_tokens"]) is int:
        body["max_tokens"] = min(body["max_tokens"], 5)
    data = json.dumps(body).encode()
    answer = http.post("/completions", content=data, headers=JSON)
    assert answer.status_code == 200 or 400 <= answer.status_code < 500
    assert answer.status_code == 200 or "error" in answer.json()


def test_what_a_browsers_page_may_send_is_refused(http: httpx.Client) -> None:
    body = json.dumps({"model": "twin", "prompt": "x"})
    plain = http.post("/completions", content=body, headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        headers = {**JSON, "host": host}
        assert http.post("/completions", content=body, headers=headers).status_code == 403
        assert http.get("/models", headers={"host": host}).status_code == 403
    assert http.get("/models", headers={"host": "localhost:1234"}).status_code == 200
    assert http.get("/completions").status_code == 405
    assert http.get("/../../etc/passwd").status_code == 404


def test_a_client_that_leaves_ends_its_generation(hosted: Hosted, http: httpx.Client) -> None:
    body = {"model": "twin", "prompt": "x", "max_tokens": 1000, "n": 8, "ignore_eos": True}
    for stream in (False, True):
        before = hosted.engine.load.model_tokens
        if stream:
            asked = {**body, "stream": True}
            with http.stream("POST", "/completions", json=asked) as answer:
                assert next(answer.iter_lines()).startswith("data: ")
        else:
            with pytest.raises(httpx.TimeoutException):
                http.post("/completions", json=body, timeout=0.2)
        deadline = time.monotonic() + 30
        health = hosted.url.removesuffix("/v1") + "/health"
        while http.get(health).json()["under_way"]:
            assert time.monotonic() < deadline, "its room is given back"
            time.sleep(0.05)
        assert hosted.engine.load.model_tokens - before < 8 * 900


def test_a_client_that_stops_in_the_middle_of_its_body(hosted: Hosted, http: httpx.Client) -> None:
    port = int(hosted.url.split(":")[2].split("/")[0])
    for data in (b"POST /v1/comp", b"\x00" * 100_000, b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(data)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(head + b"Content-Length: 1000\r\n\r\n{")
    assert http.get("/models").status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_that_breaks_is_said_and_the_next_request_works(stream: bool) -> None:
    hosted = Hosted(model("llama"), tokenizer())
    batcher: Any = hosted.engine._batcher
    whole = batcher.step

    def broken() -> None:
        batcher.step = whole
        raise RuntimeError("a detail of ours")

    batcher.step = broken
    body = {"model": "twin", "prompt": "x", "max_tokens": 3, "stream": stream}
    try:
        answer = httpx.post(f"{hosted.url}/completions", json=body, timeout=60)
        assert answer.status_code == (200 if stream else 500), "a stream's head is sent already"
        assert '"type":"server_error"' in answer.text and "detail" not in answer.text
        assert '"finish_reason"' not in answer.text
        again = httpx.post(f"{hosted.url}/completions", json=body, timeout=60)
        assert again.status_code == 200 and '"finish_reason":"length"' in again.text
    finally:
        hosted.close()
