"""Many samples of many problems (maj@k): the local engine beside transformers' own batching.

    python benchmarks/voting.py [--model FOLDER] [--device cuda] [--problems 32] [--samples 64]

One JSON line: generated tokens per second of ours, of transformers' continuous batching
(`generate_batch`) and of `generate(num_return_sequences=k)` problem by problem, in the same run;
the ratio to the better of them; on CUDA the peak of allocated memory after a quarter of the work
and at the end; and the share of completions that are equal when the batch is half as large, as it
is and with `deterministic`. Without `--model` the weights are random (1.1 B parameters on CUDA,
47 M on a CPU). Prompts: the published eight-shot prompt and GSM8K's questions under MATHLM_DATA.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Generation, Request, Sampling

DATA = Path(os.environ.get("MATHLM_DATA", "../shared/data"))
_SIZES = {  # hidden, intermediate, layers, heads, key-value heads: of TinyLlama 1.1B, and small
    "cuda": (2048, 5632, 22, 32, 4),
    "cpu": (512, 1408, 10, 8, 8),
}


def load(options: argparse.Namespace) -> tuple[Any, Any]:
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    if options.model:
        model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
        return model.to(options.device).eval(), AutoTokenizer.from_pretrained(options.model)
    torch.manual_seed(0)
    hidden, intermediate, layers, heads, kv_heads = _SIZES[options.device]
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=4096,
    )
    with torch.device(options.device):
        model = LlamaForCausalLM(config).to(dtype).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(DATA / "tokenizers/llama-test-tokenizer.json"),
        bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>",
    )  # fmt: skip
    return model, tokenizer


def prompts(number: int) -> tuple[str, list[str]]:
    """The worked examples, and whole prompts that begin with them."""
    shots = (DATA / "prompts/llemma/gsm8k_cot_8shot.txt").read_text(encoding="utf-8") + "\n\n"
    rows = (DATA / "benchmarks/gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(row)["question"] for row in rows[:number]]
    return shots, [f"{shots}Q: {question}\nA:" for question in questions]


def ours(
    loaded: tuple[Any, Any], texts: Sequence[str], shots: str, options: Any, **settings: Any
) -> tuple[list[Generation], float, dict[str, Any]]:
    """All completions, tokens per second and the engine's load."""
    engine = LocalEngine(*loaded, **settings)
    sampling = Sampling(max_tokens=options.new_tokens, temperature=0.6, top_p=0.95, ignore_eos=True)
    wanted = [
        Request(text, str(number), k, sampling=sampling, shared=shots)
        for number, text in enumerate(texts)
        for k in range(options.samples)
    ]

    async def ask() -> list[Generation]:
        return await asyncio.gather(*(engine.generate(request) for request in wanted))

    start = time.perf_counter()
    made = asyncio.run(ask())
    seconds = time.perf_counter() - start
    engine.close()
    return made, sum(len(m.token_ids) for m in made) / seconds, engine.load.summary()


def _settings(options: Any) -> GenerationConfig:
    return GenerationConfig(
        max_new_tokens=options.new_tokens, do_sample=True, temperature=0.6, top_p=0.95, top_k=0,
        num_return_sequences=options.samples, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip


def one_by_one(model: Any, ids: Sequence[list[int]], options: Any) -> float:
    """Tokens per second of `generate(num_return_sequences=k)`."""
    start = time.perf_counter()
    for row in ids:
        prompt = torch.tensor([row], device=options.device)
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), generation_config=_settings(options)
        )
    if options.device == "cuda":
        torch.cuda.synchronize()
    return len(ids) * options.samples * options.new_tokens / (time.perf_counter() - start)


def continuous(model: Any, ids: Sequence[list[int]], options: Any) -> float | None:
    """Tokens per second of transformers' continuous batching; None where it does not run."""
    start = time.perf_counter()
    try:
        made = model.generate_batch(list(ids), generation_config=_settings(options))
    except Exception as error:  # noqa: BLE001  (the peer's own limits on this device)
        print(f"generate_batch: {type(error).__name__}: {error}", flush=True)
        return None
    tokens = sum(len(one.generated_tokens) for one in made.values())
    return tokens / (time.perf_counter() - start) if tokens else None


def equal_share(one: Sequence[Generation], other: Sequence[Generation]) -> float:
    """The share of completions with the same tokens."""
    pairs = zip(one, other, strict=True)
    return sum(a.token_ids == b.token_ids for a, b in pairs) / len(one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--peer-problems", type=int, default=8)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--rows", type=int, default=256)
    options = parser.parse_args()
    loaded = model, tokenizer = load(options)
    shots, texts = prompts(options.problems)
    quarter = texts[: max(1, len(texts) // 4)]
    cuda = options.device == "cuda"
    memory = []
    ours(loaded, texts[:1], shots, options, max_rows=options.rows)  # kernels are loaded
    for part in (quarter, texts):
        torch.cuda.reset_peak_memory_stats() if cuda else None
        made, speed, engine = ours(loaded, part, shots, options, max_rows=options.rows)
        memory.append(round(torch.cuda.max_memory_allocated() / 2**20) if cuda else None)
    first = made[: len(quarter) * options.samples]
    halved = ours(loaded, quarter, shots, options, max_rows=options.rows // 2)[0]
    fixed = [
        ours(loaded, part, shots, options, deterministic=True)
        for part in (quarter, quarter[: max(1, len(quarter) // 2)])
    ]
    ids = [tokenizer(text)["input_ids"] for text in texts[: options.peer_problems]]
    peers = {
        "generate": one_by_one(model, ids, options),
        "generate_batch": continuous(model, ids, options),
    }
    best = max(value for value in peers.values() if value)
    result = {
        "benchmark": "voting",
        **{key: value for key, value in vars(options).items()},
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_s": round(speed, 1),
        "peer_tokens_per_s": {k: round(v, 1) if v else None for k, v in peers.items()},
        "ratio": round(speed / best, 2),
        "mean_batch_fill": round(engine["mean_batch_fill"], 3),
        "peak_memory_mib": {"quarter": memory[0], "all": memory[1]} if cuda else None,
        "equal_at_half_the_batch": round(equal_share(first, halved), 4),
        "equal_with_deterministic": round(
            equal_share(fixed[0][0][: len(fixed[1][0])], fixed[1][0]), 4
        ),
        "deterministic_tokens_per_s": round(fixed[0][1], 1),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": torch.cuda.get_device_name() if cuda else f"{platform.machine()}, CPU",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
