"""What every engine must hold to, as one suite over the engines and several architectures.

Oracles: `model.generate` for greedy text, teacher forcing for log-probabilities. Another engine
joins by one line in `ENGINES`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Engine, Generation, Message, Request, Sampling
from solving.engines.hosting import OverHttp
from solving.engines.twins import (
    MODELS,
    SHARED,
    SIZES,
    WORDS,
    forced,
    ids_of,
    model,
    theirs,
    tokenizer,
)

torch.set_num_threads(1)
ENGINES: dict[str, Callable[..., Any]] = {"local": LocalEngine, "openai": OverHttp}

LACKS = {"openai": {"processed log-probabilities", "larger crowds than the engine behind it"}}
"""What an engine is declared not to have."""


def needs(start: Callable[..., Any], what: str) -> None:
    engine = start.engine  # type: ignore[attr-defined]
    if what in LACKS.get(engine, ()):
        pytest.skip(f"the {engine} engine has no {what}")


@pytest.fixture(params=sorted(ENGINES))
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes engines and closes them."""
    made = []

    def make(name: str = "llama", **options: Any) -> Any:
        made.append(ENGINES[request.param](model(name), tokenizer(), **options))
        return made[-1]

    make.engine = request.param  # type: ignore[attr-defined]
    yield make
    for engine in made:
        engine.close()


def answers(engine: Engine, requests: Sequence[Request]) -> list[Generation]:
    async def ask() -> list[Generation]:
        return await asyncio.gather(*(engine.generate(request) for request in requests))

    return asyncio.run(ask())


PROMPTS = {
    "one token": "x",
    "short": "Problem: the answer",
    "a page exactly": "x" * 32,
    "shared": SHARED + "Problem: what is x?\nSolution:",
    "shared, long question": SHARED + WORDS * 12,
    "long": WORDS * 30,
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_greedy_is_that_of_generate(start: Callable[..., Any], name: str) -> None:
    engine = start(name)
    lengths = {len(ids_of(prompt)) for prompt in PROMPTS.values()}
    assert min(lengths) == 1 and max(lengths) > 600, "one chunk, several, tiles and wide nodes"
    asked = Sampling(max_tokens=40, ignore_eos=True)
    requests = [Request(p, sampling=asked, shared=SHARED) for p in PROMPTS.values()]
    for request, made in zip(requests, answers(engine, requests), strict=True):
        assert isinstance(request.prompt, str)
        ids = ids_of(request.prompt)
        assert made.token_ids == theirs(name, ids, 40), len(ids)
        assert made.finish_reason == "length" and made.prompt_tokens == len(ids)
        assert made.text == tokenizer().decode(made.token_ids, skip_special_tokens=True)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_logprobs_are_raw_and_those_of_teacher_forcing(
    start: Callable[..., Any], name: str
) -> None:
    sampling = Sampling(max_tokens=40, temperature=0.6, top_p=0.8, top_k=20, ignore_eos=True)
    requests = [
        Request(p, sampling=sampling, shared=SHARED, sample_index=i)
        for p in PROMPTS.values()
        for i in range(2)
    ]
    for request, made in zip(requests, answers(start(name), requests), strict=True):
        assert isinstance(request.prompt, str)
        expected = forced(name, ids_of(request.prompt), made.token_ids)
        assert torch.allclose(torch.tensor(made.logprobs), expected, atol=2e-4)


def test_processed_logprobs_are_those_of_the_warped_distribution(start: Callable[..., Any]) -> None:
    needs(start, "processed log-probabilities")
    sampling = Sampling(
        max_tokens=30, temperature=0.7, top_k=40, top_p=0.9, min_p=0.05, ignore_eos=True
    )
    cold = Sampling(max_tokens=30, ignore_eos=True)
    requests = [Request(WORDS, sampling=s, top_logprobs=5) for s in (sampling, cold)]
    warm, greedy = answers(start(), requests)
    warpers = [
        TemperatureLogitsWarper(0.7), TopKLogitsWarper(40), TopPLogitsWarper(0.9),
        MinPLogitsWarper(0.05),
    ]  # fmt: skip
    before = ids_of(WORDS)
    with torch.no_grad():
        scores = model("llama")(torch.tensor([[*before, *warm.token_ids]])).logits[0].float()
    scores = scores[len(before) - 1 : -1]
    raw = torch.log_softmax(scores, -1)
    for warper in warpers:
        scores = warper(None, scores)
    chosen = torch.tensor(warm.token_ids)[:, None]
    expected = torch.log_softmax(scores, -1).gather(1, chosen)[:, 0]
    assert torch.allclose(torch.tensor(warm.processed_logprobs), expected, atol=1e-3)
    assert set(greedy.processed_logprobs) == {0.0}
    best = raw.topk(5, -1)
    assert [[id_ for id_, _ in place] for place in warm.tops] == best.indices.tolist()
    values = torch.tensor([[value for _, value in place] for place in warm.tops])
    assert torch.allclose(values, best.values, atol=2e-4)
    assert all(place[0][0] == id_ for place, id_ in zip(greedy.tops, greedy.token_ids, strict=True))


def test_repetition_penalty_is_that_of_generate(start: Callable[..., Any]) -> None:
    sampling = Sampling(max_tokens=40, repetition_penalty=1.8, ignore_eos=True)
    (made,) = answers(start(), [Request(WORDS, sampling=sampling)])
    assert made.token_ids == theirs("llama", ids_of(WORDS), 40, repetition_penalty=1.8)
    assert made.token_ids != theirs("llama", ids_of(WORDS), 40)


def test_stop_strings_are_exact_across_tokens(start: Callable[..., Any]) -> None:
    engine = start()
    sampling = Sampling(max_tokens=60, temperature=1.0, ignore_eos=True)
    plain = [Request(WORDS, sampling=sampling, sample_index=i) for i in range(12)]
    texts = [made.text for made in answers(engine, plain)]
    assert len(set(texts)) == 12
    stops = [text[len(text) // 3 :][: 1 + number % 5] for number, text in enumerate(texts)]
    stopping = [
        replace(request, sampling=replace(sampling, stops=("\x00 not there", stop)))
        for request, stop in zip(plain, stops, strict=True)
    ]
    for made, text, stop in zip(answers(engine, stopping), texts, stops, strict=True):
        assert "\ufffd" in stop or made.text == text[: text.find(stop)]
        assert "\ufffd" in stop or (made.finish_reason, made.stop) == ("stop", stop)
        whole = tokenizer().decode(made.token_ids, skip_special_tokens=True)
        assert whole.startswith(made.text.rstrip("\ufffd"))


def test_stop_ids_end_of_text_and_the_first_token(start: Callable[..., Any]) -> None:
    engine = start()
    sampling = Sampling(max_tokens=30, ignore_eos=True)
    (plain,) = answers(engine, [Request(WORDS, sampling=sampling)])
    stop = plain.token_ids[9]
    at = plain.token_ids.index(stop)
    wanted = [
        Request(WORDS, sampling=replace(sampling, stop_ids=(stop,))),
        Request(WORDS, sampling=replace(sampling, max_tokens=1)),
        Request(WORDS, sampling=replace(sampling, stop_ids=(plain.token_ids[0],))),
    ]
    by_id, one, first = answers(engine, wanted)
    assert (by_id.token_ids, by_id.finish_reason) == (plain.token_ids[: at + 1], "stop")
    assert (one.token_ids, one.finish_reason) == (plain.token_ids[:1], "length")
    assert (first.token_ids, first.finish_reason) == (plain.token_ids[:1], "stop")


def test_the_end_token_ends_a_text_and_is_no_part_of_it(start: Callable[..., Any]) -> None:
    sampling = Sampling(max_tokens=100, temperature=3.0)
    requests = [Request(WORDS, sampling=sampling, sample_index=i) for i in range(60)]
    ended = [made for made in answers(start(), requests) if made.finish_reason == "eos"]
    assert ended, "at this temperature some of 6,000 tokens over 400 are the end"
    for made in ended:
        assert made.token_ids[-1] == 0 and 0 not in made.token_ids[:-1]
        assert "<|end|>" not in made.text and len(made.logprobs) == len(made.token_ids)


def test_prefixes_fork_extend_and_drop(start: Callable[..., Any]) -> None:
    engine = start()
    sampling = Sampling(max_tokens=20, ignore_eos=True)
    head, middle, tail = ids_of(WORDS), ids_of(SHARED), ids_of("so x =")
    whole = (*head, *middle, *tail)

    async def search() -> list[Generation]:
        root = await engine.prefix(tuple(head))
        node = await engine.extend(root, middle)
        twin = engine.fork(node)
        engine.drop(node)
        engine.drop(root)
        with pytest.raises(ValueError, match="dropped"):
            await engine.generate(Request("x", parent=node))
        assert twin.token_ids == (*head, *middle)
        leaf = await engine.extend(twin, "so x =")
        made = await asyncio.gather(
            engine.generate(Request(tuple(tail), parent=twin, sampling=sampling)),
            engine.generate(Request("", parent=leaf, sampling=sampling)),
            engine.generate(Request(whole, sampling=sampling)),
        )
        engine.drop(twin)
        engine.drop(leaf)
        return list(made)

    made = asyncio.run(search())
    assert {m.token_ids for m in made} == {theirs("llama", whole, 20)}
    assert {m.prompt_tokens for m in made} == {len(whole)}


def test_likelihood_is_that_of_teacher_forcing(start: Callable[..., Any]) -> None:
    engine = start()
    befores = ["x", WORDS, WORDS * 20]
    texts = [" so x = 5.", "7", WORDS * 3]

    async def score() -> list[Any]:
        handle = await engine.prefix(WORDS)
        pairs = [(before, text) for before in befores for text in texts]
        scored = await asyncio.gather(*(engine.loglikelihood(b, t) for b, t in pairs))
        kept = await engine.loglikelihood(handle, "(7")
        empty = await engine.loglikelihood(handle, "")
        together = [ids_of(before + text) for before, text in pairs]
        assert (empty.token_ids, empty.logprobs, empty.greedy) == ((), (), True)
        assert kept.token_ids == tuple(ids_of("(7"))
        return [*zip(together, scored, strict=True), (ids_of(WORDS) + ids_of("(7"), kept)]

    for ids, value in asyncio.run(score()):
        number = len(value.token_ids)
        assert ids[-number:] == list(value.token_ids)
        expected = forced("llama", ids[:-number], value.token_ids)
        assert torch.allclose(torch.tensor(value.logprobs), expected, atol=2e-4)
        assert value.total == pytest.approx(float(expected.sum()), abs=1e-2)
    (greedy,) = answers(engine, [Request(WORDS, sampling=Sampling(max_tokens=1))])
    likely = asyncio.run(engine.loglikelihood(WORDS, greedy.text)) if greedy.text else None
    assert likely is None or likely.token_ids != greedy.token_ids or likely.greedy


def test_randomness_is_keyed_by_the_request(start: Callable[..., Any]) -> None:
    sampling = Sampling(max_tokens=20, temperature=1.0, ignore_eos=True)
    first = Request(WORDS, problem_id="p", seed=3, sampling=sampling)
    others = [
        replace(first, seed=4),
        replace(first, problem_id="q"),
        replace(first, sample_index=1),
        replace(first, branch=(0,)),
    ]
    made = answers(start(), [first, first, *others])
    assert made[0] == made[1]
    assert len({m.token_ids for m in made}) == 5


def test_a_prompt_that_does_not_fit_is_a_value(start: Callable[..., Any]) -> None:
    limit = SIZES["max_position_embeddings"]
    engine = start()
    sampling = Sampling(max_tokens=50, ignore_eos=True)
    prompts = [tuple([5] * n) for n in (limit + 1, limit, limit - 3)]
    much, full, tight = answers(engine, [Request(p, sampling=sampling) for p in prompts])
    assert (much.finish_reason, much.text, much.token_ids) == ("budget", "", ())
    assert full.finish_reason == "budget"
    assert (tight.finish_reason, len(tight.token_ids)) == ("length", 3)
    assert asyncio.run(engine.loglikelihood("x" * 2 * limit, "y")).token_ids == ()
    with pytest.raises(ValueError, match="fit"):
        asyncio.run(engine.prefix(prompts[0]))


def test_chat_prompts_go_through_the_template(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start()
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    monkeypatch.setattr(tokenizer(), "chat_template", template)
    sampling = Sampling(max_tokens=10, ignore_eos=True)
    turns = (Message("system", "be short"), Message("user", "what is x?"))
    text = "system: be short\nuser: what is x?\nassistant:"
    chat, plain = answers(engine, [Request(p, sampling=sampling) for p in (turns, text)])
    assert chat == plain


def crowd(number: int, seed: int, *, longest: int = 130) -> list[Request]:
    """Requests of every kind, among them the same `number` for every seed."""
    rng = random.Random(seed)
    prompts = sorted(PROMPTS.values())

    def one(index: int, rng: random.Random) -> Request:
        sampling = Sampling(
            max_tokens=rng.choice(
                [1, 20, 60, longest] if longest < 400 else [60, longest, longest]
            ),
            temperature=rng.choice([0.0, 0.7, 1.0, 1.5]),
            top_p=rng.choice([1.0, 0.9]),
            top_k=rng.choice([0, 0, 30]),
            stops=rng.choice([(), ("is",), ("\n",)] if longest < 400 else [(), ("\x00\x00",)]),
            ignore_eos=rng.random() < 0.5,
        )
        prompt = rng.choice(prompts) + rng.choice(["", "x", " 7 more", WORDS])
        return Request(prompt, f"p{index}", sampling=sampling, shared=SHARED, sample_index=index)

    fixed = random.Random(0)
    same = [one(index, fixed) for index in range(number)]
    strangers = rng.randrange(min(2 * number, 60))
    company = [one(10_000 + index, rng) for index in range(strangers)]
    mixed = [*same, *company]
    rng.shuffle(mixed)
    return mixed


def chosen(made: Sequence[Generation], requests: Sequence[Request]) -> dict[int, Generation]:
    return {r.sample_index: m for r, m in zip(requests, made, strict=True) if r.sample_index < 1000}


@pytest.mark.parametrize(
    ("name", "number", "batches"),
    [
        ("llama", 20, [256, 1, 33]),
        ("llama", 160, [256, 64]),
        pytest.param("llama", 100, [256, 1, 7, 33, 100, 64], marks=pytest.mark.slow),
        pytest.param("gpt_neox", 100, [256, 1, 7, 33, 100, 64], marks=pytest.mark.slow),
    ],
)
def test_tokens_do_not_depend_on_company_or_batch_size(
    start: Callable[..., Any], name: str, number: int, batches: list[int]
) -> None:
    if number > 20:
        needs(start, "larger crowds than the engine behind it")
    results = []
    for seed, rows in enumerate(batches):
        requests = crowd(number, seed, longest=400 if number > 150 else 130)
        results.append(chosen(answers(start(name, max_rows=rows), requests), requests))
    tokens = sum(len(made.token_ids) for made in results[0].values())
    print(f"{tokens} tokens of {name} the same in batches of {batches}")
    assert tokens > (20_000 if number > 150 else 33 * number)
    for other in results[1:]:
        assert other == results[0], "the same tokens, and the same bits of log-probabilities"


def test_results_do_not_depend_on_what_was_asked_before(start: Callable[..., Any]) -> None:
    engine, requests = start(memory_mib=1), crowd(15, 5)
    first = answers(engine, requests)
    for request, made in list(zip(requests, first, strict=True))[:5]:
        assert answers(engine, [request]) == [made]
    assert answers(engine, requests[::-1]) == first[::-1]
