"""Training speed in tokens/s of the whole loop, beside a bare loop over the same model.

    python benchmarks/training.py [--steps 20] [--threads 2] [--hidden 128] [--layers 4] [--compile]

One JSON line: our figure (data order, clipping, guard, metrics and all), the peer's best over
several settings, the ratio. The peer is what one writes by hand over transformers: random windows
of one array, `loss.backward()`, `clip_grad_norm_`, AdamW. Blocks of steps of ours and of each peer
alternate, and the best block of each counts, so that a busy machine harms all alike. `--compile`
adds torch.compile to both sides. The text is noise: speed does not depend on it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mathlm.core.progress import Progress
from mathlm.core.stage import StageContext, StageInput
from mathlm.models.sizes import ModelSizes
from mathlm.tokens.store import write_store
from mathlm.tokens.tokenizer import save, train_bpe
from mathlm.training import stage
from mathlm.training.config import TrainConfig
from mathlm.training.loop import Records, finish_step, train_step
from mathlm.training.metrics import MetricsFile, SpeedLog
from mathlm.training.parallel import open_world
from mathlm.training.setup import session
from mathlm.training.speed import flops_per_token, peak_flops

Block = Callable[[], None]
BLOCK_STEPS = 5


def make_tokens(folder: Path, vocab_size: int) -> None:
    words = np.random.default_rng(0).integers(97, 123, (40_000, 6)).astype(np.uint8)
    text = " ".join(bytes(word).decode() for word in words)
    save(train_bpe([text], vocab_size=vocab_size), folder / "tokenizer")
    ids = np.random.default_rng(0).integers(0, vocab_size, 2_000_000)
    with write_store(folder / "stores" / "noise.train", end_id=0) as writer:
        writer.add(ids, 4 * len(ids))


def ours(scratch: Path, config: TrainConfig, threads: int, world: Any) -> tuple[Block, Any]:
    """A block of our steps, and the model it trains."""
    inputs = {"tokens": (StageInput("tokens", "tokens", scratch / "tokens"),)}
    context = StageContext("bench", scratch / "bench", inputs, workers=threads)
    run = stage.prepare(context, config, world)
    run.model.train()
    counter = iter(range(1, config.steps))
    metrics = MetricsFile(context.directory / "metrics.jsonl", size=0)
    speed = SpeedLog(context.directory / "logs", flops_per_token=1.0, peak=1.0, peak_origin="none")

    def block() -> None:
        with Progress(quiet=True).task("bench") as task:
            for _ in range(BLOCK_STEPS):
                outcome = train_step(run, next(counter))
                finish_step(run, Records(task, metrics, speed), outcome)

    return block, run.model


def peer(tokens: np.ndarray, config: TrainConfig, scratch: Path, **settings: bool) -> Block:
    """A block of steps as written by hand."""
    from mathlm.models import create_llama

    assert config.model is not None
    vocab_size = int(tokens.max()) + 1
    model = create_llama(config.model, vocab_size=vocab_size, seed=0, max_positions=4096).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, fused=settings["fused"], foreach=not settings["fused"]
    )
    random, length = np.random.default_rng(1), config.sequence_length

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        if settings["labels"]:
            return model(input_ids=rows[:, :-1], labels=rows[:, :-1], use_cache=False).loss
        logits = model(input_ids=rows[:, :-1], use_cache=False).logits
        return torch.nn.functional.cross_entropy(
            logits.view(-1, logits.shape[-1]), rows[:, 1:].reshape(-1)
        )

    step = torch.compile(loss_of, dynamic=False) if settings["compile"] else loss_of

    def block() -> None:
        for _ in range(BLOCK_STEPS):
            starts = random.integers(0, len(tokens) - length - 1, config.batch_sequences)
            rows = np.stack([tokens[s : s + length + 1].astype(np.int64) for s in starts])
            loss = step(torch.from_numpy(rows))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()

    return block


def best_seconds(blocks: dict[str, Block], rounds: int) -> dict[str, float]:
    """Seconds of each block's fastest round; rounds go through all of them in turn."""
    for block in blocks.values():
        block()  # warm: allocations, compilation
    best = dict.fromkeys(blocks, float("inf"))
    for _ in range(rounds):
        for name, block in blocks.items():
            start = time.perf_counter()
            block()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def measure(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    make_tokens(scratch / "tokens", arguments.vocab)
    config = TrainConfig(
        model=ModelSizes(
            layers=arguments.layers, hidden=arguments.hidden, heads=arguments.hidden // 64
        ),
        steps=10**6,
        sequence_length=arguments.sequence,
        batch_tokens=arguments.batch,
        device="cpu",
        compile=arguments.compile,
    )
    tokens = np.random.default_rng(0).integers(0, arguments.vocab, 2_000_000).astype(np.uint16)
    rounds = max(1, arguments.steps // BLOCK_STEPS)
    with (
        open_world("cpu") as world,
        session(world.device, threads=arguments.threads, deterministic=False),
    ):
        mine, model = ours(scratch, config, arguments.threads, world)
        blocks = {"ours": mine}
        for fused, labels in ((True, False), (False, False), (True, True)):
            name = f"fused={fused} labels={labels} compile={arguments.compile}"
            blocks[name] = peer(
                tokens, config, scratch, fused=fused, labels=labels, compile=arguments.compile
            )
        best = best_seconds(blocks, rounds)
        peak, _ = peak_flops(world.device)
    rates = {name: BLOCK_STEPS * arguments.batch / seconds for name, seconds in best.items()}
    own = rates.pop("ours")
    theirs = max(rates, key=lambda name: rates[name])
    flops = flops_per_token(model, model.config, arguments.sequence)
    return {
        "benchmark": "training",
        "tokens_per_s": round(own),
        "peer": f"bare loop over transformers, {theirs}",
        "peer_tokens_per_s": round(rates[theirs]),
        "ratio": round(own / rates[theirs], 3),
        "mfu_of_measured_matmul": round(own * flops / peak, 3),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "batch_tokens": arguments.batch,
        "sequence_length": arguments.sequence,
        "threads": arguments.threads,
        "compiled": arguments.compile,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {
        "steps": 40,
        "threads": 2,
        "hidden": 128,
        "layers": 4,
        "vocab": 2048,
        "sequence": 256,
        "batch": 2048,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(arguments, Path(scratch))))


if __name__ == "__main__":
    main()
