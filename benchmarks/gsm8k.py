"""GSM8K, eight worked examples, many problems: the local engine beside lm-evaluation-harness.

    python benchmarks/gsm8k.py --peer-python PEER/bin/python [--problems 200] [--new-tokens 64]

One JSON line: generated tokens per second of both from the same run (the peer's `hf` backend at
the best of its batch sizes, in a Python that has `lm_eval` installed), the ratio, our mean batch
fill, and our speed at 1, 4, 16 and 64 rows. Both get the same texts (the published eight-shot
prompt and the test questions under MATHLM_DATA), the same model (random weights, 47 M parameters)
and tokenizer, and generate the same number of tokens greedily. Fixed lengths favour the peer,
which pads a batch to its longest member and waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.protocol import Request, Sampling

DATA = Path(os.environ.get("MATHLM_DATA", "../shared/data"))
END = 2
_PEER = """
import json, sys, time
import lm_eval, torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
job = json.load(sys.stdin)
torch.set_num_threads(job["threads"])
until = {"until": ["\\x00"], "max_gen_toks": job["new_tokens"], "do_sample": False}
result = {"lm_eval": lm_eval.__version__, "tokens_per_s": {}}
for size in job["batch_sizes"]:
    engine = HFLM(pretrained=job["model"], device="cpu", dtype="float32", batch_size=size)
    asked = [
        Instance("generate_until", {}, (text, dict(until)), number)
        for number, text in enumerate(job["prompts"])
    ]
    start = time.perf_counter()
    made = engine.generate_until(asked, disable_tqdm=True)
    seconds = time.perf_counter() - start
    assert len(made) == len(asked) and all(made)
    result["tokens_per_s"][size] = len(asked) * job["new_tokens"] / seconds
print("\\n" + json.dumps(result))
"""


def make_model(directory: Path) -> tuple[Any, Any]:
    """A Llama with random weights and a real tokenizer, saved where the peer finds it too."""
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(DATA / "tokenizers/llama-test-tokenizer.json"),
        bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>",
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=10,
        num_attention_heads=8,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=END,
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = END
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return model, tokenizer


def prompts(number: int) -> tuple[str, list[str]]:
    """The worked examples, and whole prompts that begin with them."""
    shots = (DATA / "prompts/llemma/gsm8k_cot_8shot.txt").read_text(encoding="utf-8")
    rows = (DATA / "benchmarks/gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(row)["question"] for row in rows[:number]]
    return shots, [f"{shots}\n\nQ: {question}\nA:" for question in questions]


def ours(
    model: Any, tokenizer: Any, *, shots: str, texts: Sequence[str], rows: int, tokens: int
) -> tuple[float, dict[str, Any]]:
    """Tokens per second over all problems, and the engine's load."""
    engine = LocalEngine(model, tokenizer, max_rows=rows, memory_mib=2048)
    sampling = Sampling(max_tokens=tokens, ignore_eos=True)

    async def ask() -> None:
        wanted = [
            Request(text, str(number), sampling=sampling, shared=shots)
            for number, text in enumerate(texts)
        ]
        made = await asyncio.gather(*(engine.generate(request) for request in wanted))
        assert all(len(generation.token_ids) == tokens for generation in made)

    start = time.perf_counter()
    asyncio.run(ask())
    seconds = time.perf_counter() - start
    engine.close()
    return len(texts) * tokens / seconds, engine.load.summary()


def theirs(python: str, directory: Path, texts: Sequence[str], options: Any) -> dict[str, Any]:
    """The peer's tokens per second by batch size, in its own Python."""
    job = {
        "model": str(directory), "prompts": list(texts), "new_tokens": options.new_tokens,
        "batch_sizes": options.batch_sizes, "threads": options.threads,
    }  # fmt: skip
    out = subprocess.run(
        [python, "-W", "ignore", "-c", _PEER],
        input=json.dumps(job), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if out.returncode:
        raise SystemExit(out.stderr[-2000:])
    result: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--peer-problems", type=int, default=32, help="for each batch size")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--curve", type=int, nargs="*", default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shots, texts = prompts(options.problems)
    with tempfile.TemporaryDirectory() as folder:
        model, tokenizer = make_model(Path(folder))
        peer = theirs(options.peer_python, Path(folder), texts[: options.peer_problems], options)
    common = {"shots": shots, "tokens": options.new_tokens}
    speeds = []
    for _ in range(options.rounds):
        speed, load = ours(model, tokenizer, texts=texts, rows=64, **common)
        speeds.append(speed)
    curve = {
        rows: round(ours(model, tokenizer, texts=texts[: 2 * rows], rows=rows, **common)[0], 1)
        for rows in options.curve
    }
    best = max(peer["tokens_per_s"].values())
    result = {
        "benchmark": "gsm8k",
        "problems": options.problems,
        "prompt_tokens": round(statistics.mean(len(tokenizer(t)["input_ids"]) for t in texts[:50])),
        "new_tokens": options.new_tokens,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_s": round(statistics.median(speeds), 1),
        "mean_batch_fill": round(load["mean_batch_fill"], 3),
        "tokens_per_s_by_rows": curve,
        "lm_eval_tokens_per_s": {k: round(v, 1) for k, v in peer["tokens_per_s"].items()},
        "ratio_to_lm_eval": round(statistics.median(speeds) / best, 2),
        "lm_eval": peer["lm_eval"],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": options.threads,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
