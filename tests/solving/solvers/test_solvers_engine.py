"""Solvers over the real local engine: forced text, kept prefixes, a whole tool loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from mathlm.core.records import CompletionSegment, Problem
from mathlm.grading.completions import answer_of
from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Request, Sampling
from mathlm.solving.sandbox import Sandbox
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.tool import tool_loop
from mathlm.solving.solvers.writing import Writing
from mathlm.tasks.prompt import Prompt
from solving.engines.twins import model, tokenizer

torch.set_num_threads(1)
PROBLEM = Problem(id="p", task="t", prompt="6 * 7?")
PROMPT = Prompt((("1 + 1?", "2"),), "Q: {question}\nA:", " {answer}\n\n", ())
LESSON = (
    "```python\nx = 6\nx\n```\n```output\n6\n```\nNow times 7.\n```python\nx * 7\n```\n"
    "```output\n42\n```\nThe answer is \\boxed{42}."
)


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    made = LocalEngine(model("llama"), tokenizer())
    yield made
    made.close()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_going_on_is_as_if_the_whole_text_were_the_prompt(
    engine: LocalEngine, temperature: float
) -> None:
    """Turns over kept prefixes give the tokens of one request with everything before them."""
    sampling = Sampling(temperature=temperature, ignore_eos=True)
    how = Asking("w", PROMPT, 1, sampling)

    async def write() -> tuple[Any, Any, Any]:
        async with Writing(PROBLEM, 3, Services(engine, seed=7), how=how) as text:
            first = await text.turn((), 9)
            text.force(CompletionSegment(source="forced", text="\nforced text "))
            second = await text.turn((), 9)
            text.force(CompletionSegment(source="tool", text="5", status="ok"))
            third = await text.turn((), 9)
            made = text.completion(3, "length")
        ids = tuple(tokenizer()(PROMPT.render(PROBLEM, 1))["input_ids"])
        ids += (*first.token_ids, *tokenizer()("\nforced text ")["input_ids"], *second.token_ids)
        ids += tuple(tokenizer()("5")["input_ids"])
        request = Request(ids, "t/p/w", 3, 7, (2,), Sampling(9, temperature, ignore_eos=True))
        return made, third, await engine.generate(request)

    made, third, alone = asyncio.run(write())
    assert third.token_ids == alone.token_ids
    assert third.logprobs == pytest.approx(alone.logprobs, abs=1e-5)
    assert third.prompt_tokens == alone.prompt_tokens
    assert made.cost.model_tokens == 27 and made.cost.tool_calls == 1
    lengths = [len(tokenizer()(text)["input_ids"]) for text in ("\nforced text ", "5")]
    assert made.cost.forced_tokens == sum(lengths)
    assert [node.uses for node in engine._batcher.tree if node.uses > 1] == []


def test_a_full_context_ends_a_text(engine: LocalEngine) -> None:
    async def write() -> tuple[Any, Any]:
        how = Asking("w", PROMPT, 1, Sampling(ignore_eos=True))
        async with Writing(PROBLEM, 0, Services(engine), how=how) as text:
            first = await text.turn((), 5)
            text.force(CompletionSegment(source="forced", text="x" * engine.context_tokens))
            return first, await text.turn((), 5)

    first, second = asyncio.run(write())
    assert first.finish_reason == "length" and len(first.token_ids) == 5
    assert (second.finish_reason, second.text) == ("length", "")


@pytest.fixture(scope="module")
def pupil() -> Any:
    """A model that has learnt one solution with two programs by heart (some seconds)."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=1024,
        eos_token_id=tokenizer().eos_token_id,
    )
    learner = LlamaForCausalLM(config)
    text = PROMPT.render(PROBLEM, 1) + LESSON
    ids = torch.tensor([[*tokenizer()(text)["input_ids"], tokenizer().eos_token_id]])
    optimizer = torch.optim.AdamW(learner.parameters(), lr=6e-3)
    for _ in range(200):
        loss = learner(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break
    assert loss < 0.05, "it knows its lesson"
    return learner.eval()


def test_a_tool_loop_over_a_real_model(pupil: Any, box: Sandbox) -> None:
    """The model writes, the sandbox answers, the model goes on: what it has learnt comes out."""
    engine = LocalEngine(pupil, tokenizer())
    how = Asking("t", PROMPT, 1, Sampling(max_tokens=200))
    services = Services(engine, sandbox=box)
    try:
        (made,) = asyncio.run(tool_loop(PROBLEM, 0, services, how=how))
        computed = engine.load.prompt_tokens
    finally:
        engine.close()
    assert made.text == LESSON and made.finish_reason == "eos"
    assert [s.text for s in made.segments if s.source == "tool"] == ["6\n", "42\n"]
    assert answer_of(PROBLEM, made) == "42"
    prompt = len(tokenizer()(PROMPT.render(PROBLEM, 1))["input_ids"])
    whole = prompt + made.cost.model_tokens + made.cost.forced_tokens
    assert computed <= whole + prompt, "the prompt at most twice, everything else once"
