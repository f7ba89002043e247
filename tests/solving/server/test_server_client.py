"""Our server as the official `openai` client meets it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Request, Sampling
from mathlm.solving.server.app import Limits
from solving.engines.hosting import Hosted
from solving.engines.twins import WORDS, ids_of, model, tokenizer

KEY = "a key of the tests"


@pytest.fixture(scope="module")
def hosted() -> Iterator[Hosted]:
    chatting = copy.deepcopy(tokenizer())  # others need it without a template
    chatting.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    made = Hosted(model("llama"), chatting, key=KEY, max_rows=64)
    yield made
    made.close()


@pytest.fixture
def client(hosted: Hosted) -> Iterator[OpenAI]:
    with OpenAI(base_url=hosted.url, api_key=KEY, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """A second engine over the same model: what it makes does not depend on company."""
    made = LocalEngine(model("llama"), tokenizer())
    yield made
    made.close()


def direct(engine: LocalEngine, prompt: Any, **options: Any) -> Any:
    """What the engine itself makes of a request."""
    index = options.pop("sample_index", 0)
    seed, top = options.pop("seed", 0), options.pop("top_logprobs", 0)
    request = Request(
        prompt, sample_index=index, seed=seed, sampling=Sampling(**options), top_logprobs=top
    )
    return asyncio.run(engine.generate(request))


def test_models(client: OpenAI) -> None:
    (only,) = client.models.list().data
    assert (only.id, only.owned_by) == ("twin", "mathlm")
    assert client.models.retrieve("twin").id == "twin"
    with pytest.raises(openai.NotFoundError, match="there is 'twin'"):
        client.models.retrieve("gpt-4")


def test_completions_are_those_of_the_engine(client: OpenAI, engine: LocalEngine) -> None:
    made = client.completions.create(
        model="twin", prompt=[WORDS, "x"], max_tokens=12, temperature=0.8, n=3, seed=5, logprobs=2,
        extra_body={"return_token_ids": True},
    )  # fmt: skip
    assert [choice.index for choice in made.choices] == list(range(6))
    for choice in made.choices:
        prompt = tuple(ids_of([WORDS, "x"][choice.index // 3]))
        expected = direct(
            engine, prompt, max_tokens=12, temperature=0.8, seed=5,
            sample_index=choice.index % 3, top_logprobs=2,
        )  # fmt: skip
        assert choice.text == expected.text
        assert choice.model_extra is not None
        assert choice.model_extra["token_ids"] == list(expected.token_ids)
        assert choice.model_extra["prompt_token_ids"] == list(prompt)
        assert choice.logprobs is not None
        assert choice.logprobs.token_logprobs == list(expected.logprobs)
        assert choice.finish_reason == ("length" if expected.finish_reason == "length" else "stop")
    assert made.usage is not None
    assert made.usage.prompt_tokens == len(ids_of(WORDS)) + len(ids_of("x"))
    assert made.usage.completion_tokens == sum(
        len(choice.model_extra["token_ids"])
        for choice in made.choices  # type: ignore[index]
    )


def test_token_ids_stops_and_vllms_fields(client: OpenAI, engine: LocalEngine) -> None:
    ids = ids_of(WORDS)
    plain = direct(engine, tuple(ids), max_tokens=40, ignore_eos=True)
    stop, stop_id = plain.text[10:13], plain.token_ids[7]
    by_text, by_id, penal = (
        client.completions.create(
            model="twin", prompt=ids, max_tokens=40, temperature=0, stop=stops,
            extra_body={"ignore_eos": True, **extra},
        ).choices[0]
        for stops, extra in (
            (["\x00", stop], {}),
            (None, {"stop_token_ids": [stop_id]}),
            (None, {"repetition_penalty": 1.8, "top_k": 5, "min_p": 0.1}),
        )
    )  # fmt: skip
    assert by_text.text == plain.text[: plain.text.find(stop)] and by_text.finish_reason == "stop"
    assert by_text.model_extra is not None and by_text.model_extra["stop_reason"] == stop
    assert by_id.model_extra is not None and by_id.model_extra["stop_reason"] == stop_id
    expected = direct(engine, tuple(ids), max_tokens=40, repetition_penalty=1.8, ignore_eos=True)
    assert penal.text == expected.text != plain.text


def test_echo_gives_the_prompts_own_logprobs(client: OpenAI, engine: LocalEngine) -> None:
    text = WORDS + " é∑"
    for limit in (0, 3):
        made = client.completions.create(
            model="twin", prompt=text, max_tokens=limit, temperature=0, echo=True, logprobs=1
        )
        (choice,) = made.choices
        expected = asyncio.run(engine.prompt_likelihood(tuple(ids_of(text)), top=1))
        assert choice.text.startswith(text) and (limit > 0 or choice.text == text)
        logprobs: Any = choice.logprobs
        number = len(ids_of(text))
        assert logprobs.token_logprobs[:number] == [None, *expected.logprobs]
        best = [max(place.values()) for place in logprobs.top_logprobs[1:number]]
        assert best == [place[0][1] for place in expected.tops]
        assert len(logprobs.tokens) == number + limit == len(logprobs.text_offset)
        for token, start in zip(logprobs.tokens, logprobs.text_offset, strict=True):
            named = token.startswith(("bytes:", "token_id:"))
            assert named or choice.text[start:].startswith(token)


def test_chat_and_its_logprobs(client: OpenAI, engine: LocalEngine) -> None:
    made = client.chat.completions.create(
        model="twin", max_completion_tokens=8, temperature=0, logprobs=True, top_logprobs=2,
        messages=[
            {"role": "developer", "content": "be short"},
            {"role": "user", "content": [{"type": "text", "text": "what "},
                                         {"type": "text", "text": "is x?"}]},
        ],
    )  # fmt: skip
    expected = direct(
        engine, "system: be short\nuser: what is x?\nassistant:", max_tokens=8, top_logprobs=2
    )
    (choice,) = made.choices
    assert choice.message.role == "assistant" and choice.message.content == expected.text
    content: Any = choice.logprobs.content if choice.logprobs else None
    assert [token.logprob for token in content] == list(expected.logprobs)
    assert [[top.logprob for top in token.top_logprobs] for token in content] == [
        [p for _, p in place] for place in expected.tops
    ]
    data = b"".join(bytes(token.bytes) for token in content)
    assert data.decode("utf-8", "replace") == expected.text
    unlimited = client.chat.completions.create(
        model="twin", temperature=0, messages=[{"role": "user", "content": "x" * 990}]
    )
    assert unlimited.usage is not None and unlimited.usage.total_tokens <= 1024
    assert unlimited.choices[0].finish_reason in {"length", "stop"}


def test_a_final_message_is_continued(client: OpenAI, engine: LocalEngine) -> None:
    made = client.chat.completions.create(
        model="twin", max_completion_tokens=8, temperature=0,
        messages=[{"role": "user", "content": "what?"}, {"role": "assistant", "content": "x ="}],
        extra_body={"add_generation_prompt": False, "continue_final_message": True},
    )  # fmt: skip
    expected = direct(engine, "user: what?\nassistant: x =", max_tokens=8)
    assert made.choices[0].message.content == expected.text


def test_streams_are_the_whole_answer(client: OpenAI, engine: LocalEngine) -> None:
    asked: dict[str, Any] = {
        "model": "twin", "prompt": WORDS, "max_tokens": 30, "temperature": 1.0, "n": 4, "seed": 9,
        "logprobs": 1, "stop": ["is", "\n"],
    }  # fmt: skip
    whole = client.completions.create(**asked)
    texts, logprobs, ends = [""] * 4, [[] for _ in range(4)], [""] * 4
    used = None
    options = {"include_usage": True}
    for chunk in client.completions.create(**asked, stream=True, stream_options=options):
        used = chunk.usage or used
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            if choice.logprobs:
                logprobs[choice.index] += choice.logprobs.token_logprobs or []
            ends[choice.index] = choice.finish_reason or ends[choice.index]
    assert texts == [choice.text for choice in whole.choices]
    assert logprobs == [c.logprobs.token_logprobs for c in whole.choices if c.logprobs]
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert used == whole.usage


def test_chat_streams(client: OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "twin", "max_tokens": 20, "temperature": 0,
        "messages": [{"role": "user", "content": "what is x?"}],
    }  # fmt: skip
    whole = client.chat.completions.create(**asked).choices[0]
    deltas = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, stream=True)]
    assert deltas[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in deltas) == whole.message.content
    assert deltas[-1].finish_reason == whole.finish_reason
    assert len(deltas) > 3


def test_sixty_four_clients_run_as_one_batch(hosted: Hosted) -> None:
    async def ask() -> list[Any]:
        async with AsyncOpenAI(base_url=hosted.url, api_key=KEY, timeout=60) as client:
            asked = (
                client.completions.create(
                    model="twin", prompt=f"{WORDS} {number}", max_tokens=60, temperature=1.0,
                    seed=number, extra_body={"ignore_eos": True},
                )
                for number in range(64)
            )  # fmt: skip
            return await asyncio.gather(*asked)

    asyncio.run(ask())  # connections are open, prompts known
    load = hosted.engine.load
    steps, rows = load.steps, load.row_steps
    made = asyncio.run(ask())
    assert len({answer.choices[0].text for answer in made}) == 64
    assert all(answer.usage.completion_tokens == 60 for answer in made)
    fill = (load.row_steps - rows) / (load.steps - steps) / 64
    assert fill > 0.6, "of 64 rows, the connections' trickle included"


def test_errors_have_the_clients_own_kinds(client: OpenAI, hosted: Hosted) -> None:
    def refused(kind: type[openai.APIStatusError], match: str, **changes: Any) -> None:
        asked: dict[str, Any] = {"model": "twin", "prompt": "x", "max_tokens": 2, **changes}
        with pytest.raises(kind, match=match) as caught:
            client.completions.create(**asked)
        assert isinstance(caught.value.body, dict) and caught.value.body["type"]

    refused(openai.NotFoundError, "there is 'twin'", model="gpt")
    refused(openai.BadRequestError, "temperature", temperature=-1)
    refused(openai.BadRequestError, "no token 400", prompt=[400])
    refused(openai.BadRequestError, "maximum context length is 1024", prompt="x " * 2000)
    refused(openai.BadRequestError, "frobnicate", extra_body={"frobnicate": 1})
    refused(openai.BadRequestError, "not supported", frequency_penalty=0.5)
    with OpenAI(base_url=hosted.url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError, match="key"):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError, match="key"):
            stranger.completions.create(model="twin", prompt="x")


def test_a_full_queue_says_so_and_the_client_comes_again() -> None:
    small = Hosted(model("llama"), tokenizer(), limits=Limits(waiting=4))
    try:
        with OpenAI(base_url=small.url, api_key="-", max_retries=0) as client:
            with pytest.raises(openai.BadRequestError, match="4 at a time"):
                client.completions.create(model="twin", prompt="x", n=5)
            long: Any = {"model": "twin", "prompt": "x", "n": 4, "max_tokens": 300}
            stream = client.completions.create(**long, stream=True)
            next(iter(stream))
            with pytest.raises(openai.RateLimitError) as caught:
                client.completions.create(model="twin", prompt="x")
            assert caught.value.response.headers["retry-after"] == "1"
            stream.close()  # a client that leaves gives its room back
            patient = client.with_options(max_retries=8)
            assert patient.completions.create(model="twin", prompt="x").choices
    finally:
        small.close()
