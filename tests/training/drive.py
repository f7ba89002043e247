"""Makes a tiny `tokens` stage and runs training on it, here or in forked processes.

Run as a script it forks from one warm process, so that a test may kill dozens of runs at the cost
of one import of torch: `python drive.py kill ROOT ATTEMPTS SEED`, `… crash ROOT STRIDE`,
`… world ROOT SIZE`. Each prints one JSON line.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mathlm.core.stage import StageContext, StageInput
from mathlm.models.sizes import ModelSizes
from mathlm.tokens.store import write_store
from mathlm.tokens.tokenizer import save, train_bpe
from mathlm.training.config import TrainConfig

SMALL: dict[str, Any] = {
    "model": ModelSizes(layers=2, hidden=32, heads=2, intermediate=64),
    "sequence_length": 16,
    "batch_tokens": 128,
    "steps": 12,
    "warmup_steps": 3,
    "learning_rate": 0.01,
    "checkpoint_every": 3,
    "validate_every": 5,
    "validation_bytes": 200,
    "device": "cpu",
}


def make_tokens(root: Path, *, documents: int = 60) -> Path:
    """A `tokens` stage of two sources: counting upwards (a) and noise (b), 3 bytes a token."""
    save(train_bpe(["0123 abc"], vocab_size=260), root / "tokenizer")
    for source in "ab":
        for split, number, seed in (("train", documents, 1), ("heldout", 5, 2)):
            noise = np.random.default_rng(seed)
            with write_store(root / "stores" / f"{source}.{split}", end_id=0) as writer:
                for _ in range(number):
                    start, length = noise.integers(2, 200), int(noise.integers(20, 60))
                    ids = (start + np.arange(length)) % 250 + 2
                    if source == "b":
                        ids = noise.integers(2, 258, length)
                    writer.add(ids, 3 * length)
    return root


def context(root: Path, folder: str, **inputs: Path) -> StageContext:
    """The context of stage `base` in `root/folder`, whose tokens lie in `root/tokens`."""
    kinds = {"tokens": "tokens", "checkpoint": "train", "model": "train"}
    given = {"tokens": root / "tokens", **inputs}
    return StageContext(
        "base",
        root / folder,
        {role: (StageInput(path.name, kinds[role], path),) for role, path in given.items()},
        seed=1,
        workers=1,
    )


def train(root: Path, folder: str, **settings: Any) -> Path:
    """Train as `SMALL` says but for `settings`; the stage's directory."""
    from mathlm.training.stage import run

    here = context(root, folder)
    run(here, TrainConfig(**{**SMALL, **settings}))
    return here.directory


def result(directory: Path) -> tuple[bytes, bytes, bytes]:
    """What a killed and continued run must reproduce to the byte."""
    names = ("model/model.safetensors", "metrics.jsonl", "summary.json")
    weights, metrics, summary = ((directory / name).read_bytes() for name in names)
    return weights, metrics, summary


def forked(work: Callable[[], None]) -> int:
    """The id of a child process that does `work` and exits with 0, or with 1 after an error."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException as error:  # noqa: BLE001 - a child must never return into the parent
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(status)


def status_of(child: int) -> int:
    """Wait for a child; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill(root: Path, attempts: int, seed: int) -> dict[str, Any]:
    """Kill runs at times uniform over an uninterrupted run's, continuing each to the end."""
    start = time.monotonic()
    train(root, "whole")
    seconds, expected = time.monotonic() - start, result(root / "whole")
    random.seed(seed)
    equal = killed = 0
    for _ in range(attempts):
        child = forked(lambda: void(train(root, "killed")))
        time.sleep(random.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        killed += status_of(child) == -signal.SIGKILL
        status = status_of(forked(lambda: void(train(root, "killed"))))
        equal += status == 0 and result(root / "killed") == expected
        shutil.rmtree(root / "killed")
    return {"attempts": attempts, "killed": killed, "equal": equal, "seconds": round(seconds, 2)}


def void(_value: object) -> None:
    """Nothing, of anything."""


def dying(calls: int) -> None:
    """Die, as by SIGKILL, before the `calls`-th change of a file in this process."""
    left = [calls]

    def mortal(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    os.replace, os.fsync = mortal(os.replace), mortal(os.fsync)
    os.unlink, shutil.rmtree = mortal(os.unlink), mortal(shutil.rmtree)
    os.mkdir = mortal(os.mkdir)


def crash(root: Path, stride: int) -> dict[str, Any]:
    """Die before every `stride`-th change of a file, continuing each time to the end."""
    train(root, "whole")
    expected = result(root / "whole")
    point, equal, points = 1, 0, 0
    while True:

        def work(point: int = point) -> None:
            dying(point)
            train(root, "crashed")

        died = status_of(forked(work)) == -signal.SIGKILL
        status = status_of(forked(lambda: void(train(root, "crashed"))))
        equal += status == 0 and result(root / "crashed") == expected
        points, point = points + 1, point + stride
        shutil.rmtree(root / "crashed")
        if not died:
            return {"points": points, "equal": equal}


def world(root: Path, size: int) -> dict[str, Any]:
    """Train in `size` processes that find each other as those of torchrun do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def work(rank: int) -> None:
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "TORCHELASTIC_RUN_ID": "test",
        }
        train(root, "sharded", **json.loads(os.environ.get("SETTINGS", "{}")))

    children = [forked(lambda rank=rank: work(rank)) for rank in range(size)]  # type: ignore[misc]
    return {"status": [status_of(child) for child in children]}


def main() -> None:
    """Do what the command line says."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaForCausalLM  # noqa: F401 - warm

    import mathlm.training.stage  # noqa: F401 - warm

    torch.set_num_threads(1)
    mode, root = sys.argv[1], Path(sys.argv[2])
    modes: dict[str, Callable[..., dict[str, Any]]] = {"kill": kill, "crash": crash, "world": world}
    print(json.dumps(modes[mode](root, *map(int, sys.argv[3:]))), flush=True)


if __name__ == "__main__":
    main()
