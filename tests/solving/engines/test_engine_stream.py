"""Generations as they come: the pieces are the whole, whatever the stops and the characters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Generation, Piece, Request, Sampling
from mathlm.solving.engines.text import TextTail, TokenText
from solving.engines.twins import WORDS, forced, ids_of, model, tokenizer


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    made = LocalEngine(model("llama"), tokenizer())
    yield made
    made.close()


def streamed(engine: LocalEngine, request: Request) -> tuple[list[Piece], Generation]:
    async def follow() -> list[Piece | Generation]:
        return [piece async for piece in engine.stream(request)]

    *pieces, whole = asyncio.run(follow())
    assert isinstance(whole, Generation)
    assert all(isinstance(piece, Piece) for piece in pieces)
    return pieces, whole  # type: ignore[return-value]


def test_pieces_are_the_whole_generation(engine: LocalEngine) -> None:
    sampling = Sampling(max_tokens=60, temperature=1.2)
    for index in range(3):
        request = Request(WORDS, sampling=sampling, sample_index=index, top_logprobs=3)
        plain = asyncio.run(engine.generate(request))
        stops = (plain.text[20:23], "\x00 not there")
        for asked in (request, replace(request, sampling=replace(sampling, stops=stops))):
            pieces, whole = streamed(engine, asked)
            assert whole == asyncio.run(engine.generate(asked))
            assert "".join(piece.text for piece in pieces) == whole.text
            assert tuple(id_ for piece in pieces for id_ in piece.token_ids) == whole.token_ids
            assert tuple(p for piece in pieces for p in piece.logprobs) == whole.logprobs
            assert tuple(t for piece in pieces for t in piece.tops) == whole.tops
            assert len(pieces) > 1


def test_leaving_a_stream_ends_its_row(engine: LocalEngine) -> None:
    async def leave() -> int:
        request = Request(WORDS, sampling=Sampling(max_tokens=900, ignore_eos=True))
        stream = engine.stream(request)
        async with contextlib.aclosing(stream):
            async for _ in stream:
                break
        while engine._runner is not None and not engine._runner.done():
            await asyncio.sleep(0.01)
        return engine.load.model_tokens

    assert asyncio.run(leave()) < 500


def test_tops_are_those_of_teacher_forcing(engine: LocalEngine) -> None:
    ids = tuple(ids_of(WORDS * 25))
    assert len(ids) > 600, "more than one pass"
    scored = asyncio.run(engine.prompt_likelihood(ids, top=2))
    assert scored.token_ids == ids[1:]
    expected = forced("llama", ids[:1], ids[1:])
    assert torch.allclose(torch.tensor(scored.logprobs), expected, atol=2e-4)
    with torch.no_grad():
        logits: Any = torch.log_softmax(model("llama")(torch.tensor([ids])).logits[0], -1)
    values, best = logits[:-1].topk(2)
    assert [tuple(id_ for id_, _ in place) for place in scored.tops] == [
        tuple(row) for row in best.tolist()
    ]
    found = torch.tensor([[p for _, p in place] for place in scored.tops])
    assert torch.allclose(found, values, atol=2e-4)
    request = Request(ids[:-3], sampling=Sampling(max_tokens=3), top_logprobs=1)
    made = asyncio.run(engine.generate(request))
    assert [place[0] for place in made.tops] == [*zip(made.token_ids, made.logprobs, strict=True)]


@cache
def _text() -> TokenText:
    return TokenText(tokenizer())


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_nothing_is_shown_that_a_stop_takes_back(text: str, stops: list[str]) -> None:
    tail, shown = TextTail(_text(), stops), ""
    for id_ in ids_of(text):
        stopped = tail.push(id_)
        shown += tail.fresh()
        assert tail.text.startswith(shown)
        if stopped:
            break
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    assert any(ends) == (tail.text != text), "cut where a stop is, only there"
    assert all(stop not in tail.text for stop in stops)
