"""k samples of one long prompt: the local engine beside `generate(num_return_sequences=k)`.

    python benchmarks/sampling.py [--rounds 3] [--threads 2]

One JSON line: our tokens per second, the peer's best over its cache settings from the same run,
the ratio, versions and hardware. The weights are random; every sample has the same length. The
peer prefills the prompt k times and attends to k copies; a copied prefix (prefill once, then
`batch_repeat_interleave`) is measured beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Request, Sampling

VOCABULARY = 8192


def make_model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=12,
        num_attention_heads=8,
        max_position_embeddings=2048,
    )
    return LlamaForCausalLM(config).eval()


def make_tokenizer() -> Any:
    bare = Tokenizer(models.WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="w2", unk_token="w0")


def best_of(rounds: int, work: Callable[[], None]) -> float:
    """Seconds of the fastest round."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ours(model: Any, prompt: tuple[int, ...], samples: int, tokens: int) -> None:
    engine = LocalEngine(model, make_tokenizer(), memory_mib=2048)
    sampling = Sampling(max_tokens=tokens, temperature=1.0, ignore_eos=True)

    async def ask() -> None:
        requests = [Request(prompt, "p", k, sampling=sampling) for k in range(samples)]
        made = await asyncio.gather(*(engine.generate(request) for request in requests))
        assert all(len(generation.token_ids) == tokens for generation in made)

    asyncio.run(ask())
    engine.close()


def peer(model: Any, ids: Any, samples: int, tokens: int, **options: Any) -> None:
    made = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_k=0,
        max_new_tokens=tokens,
        eos_token_id=None,
        pad_token_id=0,
        **{"num_return_sequences": samples, **options},
    )
    assert made.shape == (samples, ids.shape[1] + tokens)


@torch.inference_mode()
def copied(model: Any, ids: Any, samples: int, tokens: int) -> None:
    """Prefill once, then copy the cache for every sample."""
    cache = DynamicCache(config=model.config)
    model(ids[:, :-1], past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(samples)
    many = ids.repeat(samples, 1)
    peer(model, many, samples, tokens, past_key_values=cache, num_return_sequences=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--prompt-tokens", type=int, default=1500)
    parser.add_argument("--new-tokens", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = make_model()
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, VOCABULARY, (1, options.prompt_tokens), generator=generator)
    prompt, k, n = tuple(ids[0].tolist()), options.samples, options.new_tokens
    seconds = {
        "ours": best_of(options.rounds, lambda: ours(model, prompt, k, n)),
        "generate": best_of(options.rounds, lambda: peer(model, ids, k, n)),
        "copied_cache": best_of(options.rounds, lambda: copied(model, ids, k, n)),
    }
    result = {
        "benchmark": "sampling",
        "parameters": sum(p.numel() for p in model.parameters()),
        **vars(options),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "tokens_per_s": {name: round(k * n / value, 1) for name, value in seconds.items()},
        "ratio_to_generate": round(seconds["generate"] / seconds["ours"], 2),
        "ratio_to_copied_cache": round(seconds["copied_cache"] / seconds["ours"], 2),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
