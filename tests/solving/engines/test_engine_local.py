"""The local engine beyond the contract: bounded memory, cancelling, errors, sharing, load."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from mathlm.core.errors import UserError
from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Generation, Request, Sampling

torch.set_num_threads(1)
VOCABULARY = 257


def tokenizer() -> Fast:
    """One token a byte, and an end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = {name: number for number, name in enumerate([*alphabet, "<end>"])}
    bare = Tokenizer(models.BPE(names, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    return Fast(tokenizer_object=bare, eos_token="<end>")


def small_model() -> Any:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
        eos_token_id=256,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    made = LocalEngine(small_model(), tokenizer(), max_rows=64)
    yield made
    made.close()


def answers(engine: LocalEngine, requests: list[Request]) -> list[Generation]:
    async def ask() -> list[Generation]:
        return await asyncio.gather(*(engine.generate(request) for request in requests))

    return asyncio.run(ask())


def asked(tokens: int, **more: Any) -> Sampling:
    return Sampling(max_tokens=tokens, temperature=1.0, ignore_eos=True, **more)


def test_a_shared_prefix_is_computed_once(engine: LocalEngine) -> None:
    shared = "few-shot " * 30
    requests = [
        Request(f"{shared}question {i}?", f"{i}", k, sampling=asked(5), shared=shared)
        for i in range(10)
        for k in range(8)
    ]
    answers(engine, requests)
    computed = engine.load.prompt_tokens
    # 256 shared tokens (270 cut back to a multiple of 16) once, what is left of each prompt once
    assert computed == 256 + 10 * (270 - 256 + len("question 0?"))
    answers(engine, requests)
    assert engine.load.prompt_tokens == computed, "kept for the next time"


def test_a_kept_prefix_uses_the_shared_part_that_is_there(engine: LocalEngine) -> None:
    shared = "worked examples " * 20

    async def ask() -> tuple[Generation, Generation]:
        first = await engine.generate(Request(f"{shared}why?", sampling=asked(5), shared=shared))
        before = engine.load.prompt_tokens
        prefix = await engine.prefix(f"{shared}why?", shared=shared)
        assert engine.load.prompt_tokens - before == len(f"{shared}why?") - len(shared) // 16 * 16
        second = await engine.generate(Request("", parent=prefix, sampling=asked(5)))
        engine.drop(prefix)
        return first, second

    first, second = asyncio.run(ask())
    assert first.token_ids == second.token_ids


def test_memory_stays_within_its_budget() -> None:
    engine = LocalEngine(small_model(), tokenizer(), max_rows=256, memory_mib=24)
    requests = [
        Request(f"question {i} " * 20, f"{i}", sampling=asked(35 + i % 7)) for i in range(100)
    ]
    made = answers(engine, requests)
    assert [len(m.token_ids) for m in made] == [35 + i % 7 for i in range(100)]
    batcher = engine._batcher
    assert 2 * (batcher._rows._k.nbytes + batcher._rows._tiles._k.nbytes) <= 12 * 2**20
    assert batcher.tree.bytes <= 12 * 2**20
    assert batcher._rows._k.shape[2] == 64, "fewer rows than asked for, as many as fit"
    engine.close()


def test_cancelled_requests_free_their_rows(engine: LocalEngine) -> None:
    async def ask() -> Generation:
        slow = [
            asyncio.ensure_future(engine.generate(Request("x", f"{i}", sampling=asked(4000))))
            for i in range(70)
        ]
        await asyncio.sleep(0.3)
        for task in slow:
            task.cancel()
        made = await engine.generate(Request("y", sampling=asked(5)))
        while engine._batcher.busy():
            await asyncio.sleep(0.01)
        return made

    assert len(asyncio.run(ask()).token_ids) == 5
    assert not any(node.uses for node in engine._batcher.tree)


def test_a_failing_model_reaches_everyone_who_waits(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("out of memory")

    async def ask() -> list[Any]:
        wanted = [Request("x", f"{i}", sampling=asked(5)) for i in range(80)]
        with monkeypatch.context() as patch:
            patch.setattr(engine._batcher._forward, "run", broken)
            failed = await asyncio.gather(
                *(engine.generate(r) for r in wanted), return_exceptions=True
            )
        return [*failed, await engine.generate(wanted[0])]

    *failed, good = asyncio.run(ask())
    assert {str(error) for error in failed} == {"out of memory"}
    assert len(good.token_ids) == 5, "and the engine goes on"


def test_solvers_that_ask_again_keep_the_batch_filled(engine: LocalEngine) -> None:
    async def solver(number: int) -> int:
        text, rounds = f"problem {number}", 0
        for turn in range(4):
            request = Request(text, f"{number}", branch=(turn,), sampling=asked(4 + number % 5))
            text += (await engine.generate(request)).text
            rounds += 1
        return rounds

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(solver(number) for number in range(150)))

    assert asyncio.run(all_of_them()) == [4] * 150
    load = engine.load.summary()
    assert load["mean_batch_fill"] > 0.85
    assert load["model_tokens"] == 4 * sum(4 + number % 5 for number in range(150))
    assert 0 <= load["idle_share"] < 1 and load["tokens_per_s"] > 0


def test_the_model_is_left_as_it_was(engine: LocalEngine) -> None:
    model = engine._batcher._forward.model
    before = model.config._attn_implementation
    answers(engine, [Request("x", sampling=asked(3))])
    assert model.config._attn_implementation == before
    assert model.generate(torch.tensor([[1, 2]]), max_new_tokens=2, pad_token_id=0).shape == (1, 4)


@pytest.mark.parametrize("where", ["prompts", "steps"])
def test_out_of_memory_makes_the_batch_smaller(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    wanted = [
        Request(f"question {i % 9} " * (1 + i % 4), f"{i}", i, sampling=asked(20 + i % 50))
        for i in range(120)
    ]
    expected = answers(engine, wanted)
    tight = LocalEngine(small_model(), tokenizer(), max_rows=64)
    run, refused = tight._batcher._forward.run, []

    def cramped(ids: Any, *rest: Any, **more: Any) -> Any:
        limit = 300 if where == "prompts" else 32
        if len(ids) > limit and (len(ids) > 64) == (where == "prompts"):
            refused.append(len(ids))
            raise torch.OutOfMemoryError("out of memory")
        return run(ids, *rest, **more)

    monkeypatch.setattr(tight._batcher._forward, "run", cramped)
    made, again = answers(tight, wanted), answers(tight, wanted[:1])
    assert made == expected and again == expected[:1]
    assert refused and tight.load.summary()["out_of_memory"] == len(refused)
    held = sum(not row.released for row in tight._batcher._rows.rows)
    leaves = [node for node in tight._batcher.tree if node.uses]
    assert held == len(leaves) <= 1, "at most the last row, until the next step"
    tight.close()


def test_out_of_memory_with_a_single_row_is_an_error(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(engine._batcher._forward, "run", never)
    with pytest.raises(torch.OutOfMemoryError):
        answers(engine, [Request("x", sampling=asked(3))])


def test_hidden_states_are_those_below_the_head(engine: LocalEngine) -> None:
    before, texts = "a question " * 40, ["one step. ", "another, longer step " * 3, ""]

    async def ask() -> list[Any]:
        prefix = await engine.prefix(before)
        return await asyncio.gather(*(engine.hidden_states(prefix, text) for text in texts))

    model = engine._batcher._forward.model
    for text, states in zip(texts, asyncio.run(ask()), strict=True):
        ids = tokenizer()(before + text)["input_ids"]
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0]
        assert states.shape == (len(text), 32)
        expected = out[len(before) :]
        assert torch.allclose(torch.from_numpy(states), expected, atol=1e-4)


class Shapes(TorchDispatchMode):
    """Records the shapes that matrix products are given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Any] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.bmm, torch.ops.aten.addmm):
            self.seen.add((str(function), *(tuple(x.shape) for x in args)))
        return function(*args, **(kwargs or {}))


def test_deterministic_steps_have_the_shapes_of_the_request_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = "few-shot " * 30
    mine = Request(shared + "mine?", "p", sampling=asked(30), shared=shared)
    others = [
        Request((shared if i % 2 else "") + f"other {i}", f"{i}", sampling=asked(25), shared=shared)
        for i in range(40)
    ]

    def shapes(requests: list[Request]) -> tuple[Generation, set[Any]]:
        engine = LocalEngine(small_model(), tokenizer(), deterministic=True)
        seen: set[Any] = set()
        run = engine._batcher._forward._call

        def watched(*args: Any, **options: Any) -> Any:
            with Shapes() as mode:
                out = run(*args, **options)
            seen.update(mode.seen)
            return out

        monkeypatch.setattr(engine._batcher._forward, "_call", watched)
        made = answers(engine, requests)
        engine.close()
        return made[0], seen

    alone, few = shapes([mine])
    together, many = shapes([mine, *others])
    assert alone == together
    rows = {shape for shape in few if 64 in shape[1][:2]}
    assert rows and few <= many, "what it is computed by alone, it is computed by in company"


def test_models_without_the_attention_interface_are_refused() -> None:
    model = BloomForCausalLM(BloomConfig(vocab_size=257, hidden_size=32, n_layer=1, n_head=2))
    with pytest.raises(UserError, match="attention interface"):
        LocalEngine(model, tokenizer())


@pytest.mark.gpu
def test_greedy_on_cuda_is_that_of_generate() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    model = small_model().to("cuda")
    engine = LocalEngine(model, tokenizer())
    prompt = torch.tensor([list(range(40, 90))], device="cuda")
    request = Request(tuple(prompt[0].tolist()), sampling=Sampling(max_tokens=30, ignore_eos=True))
    (made,) = answers(engine, [request])
    expected = model.generate(prompt, max_new_tokens=30, do_sample=False, eos_token_id=None)
    assert list(made.token_ids) == expected[0, prompt.shape[1] :].tolist()
    engine.close()
