"""The engine that a solve stage's settings name: made, lent to the stage, closed at the end.

The one place that knows which kinds of engine there are. Not here: how one generates.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.stage import StageContext
from mathlm.core.storage import write_json
from mathlm.core.world import World
from mathlm.solving.config import SolveConfig
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.engines.protocol import Engine

Secret = Callable[[str], str | None]
_MODEL_FILES = frozenset({".safetensors", ".json", ".model", ".txt", ".jinja"})
_BLOCKS, _BLOCK_BYTES = 128, 1 << 16


def model_place(context: StageContext, config: SolveConfig) -> tuple[str, str]:
    """The model's label and where it lies; raises UserError where none or two are given."""
    stage = context.inputs.get("model", ())
    if config.engine == "openai":
        if stage:
            raise UserError(f"stage '{context.name}': a server brings its own model, not a role's")
        named = server_of(config).named
        return named, named
    if stage and config.model is not None:
        raise UserError(f"stage '{context.name}': give the role model or the setting, not both")
    if stage:
        return stage[0].name, str(stage[0].directory / "model")
    if config.model is None:
        raise UserError(f"stage '{context.name}' has no model: give needs.model, or model = PATH")
    return config.model, config.model


def server_of(config: SolveConfig) -> ServerConfig:
    """The server's settings with the model's name, which may stand in either place."""
    names = {name for name in (config.model, config.server.model) if name is not None}
    if len(names) > 1:
        raise UserError(f"model = {config.model} and server.model = {config.server.model} differ")
    return config.server.model_copy(update={"model": next(iter(names), None)})


def model_key(context: StageContext, config: SolveConfig) -> str:
    """What names the model by its content: completions of another one are not taken for its own."""
    _, place = model_place(context, config)
    if config.engine == "openai":
        return f"{config.server.api} of {place}"
    folder = Path(place)
    if not folder.is_dir():
        return place
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _MODEL_FILES:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            _sample(path, digest)
    return digest.hexdigest()


def _sample(path: Path, digest: Any) -> None:
    """Feed a file to the digest: whole if it is small, else blocks spread evenly over it.

    Reading 64 GB of weights to name them would take longer than many a run.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        if size <= _BLOCKS * _BLOCK_BYTES:
            digest.update(file.read())
            return
        for number in range(_BLOCKS):
            file.seek((size - _BLOCK_BYTES) * number // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))


@contextlib.contextmanager
def open_engine(
    context: StageContext, config: SolveConfig, secret: Secret, world: World
) -> Iterator[Engine]:
    """The engine, until the block ends; how well it was used goes to `logs/engine.json`.

    `secret` gives the value of an environment variable: a server's key.
    """
    local = config.engine == "local"
    with _local(context, config, world) if local else _openai(context, config, secret) as engine:
        yield engine


@contextlib.contextmanager
def _openai(context: StageContext, config: SolveConfig, secret: Secret) -> Iterator[Engine]:
    """A server asked over HTTP; nothing here imports torch."""
    try:
        from mathlm.solving.engines.openai import OpenAIEngine
    except ModuleNotFoundError as error:
        reason = f"engine = openai needs {error.name}: pip install 'mathlm[server]'"
        raise UserError(reason) from error
    name, key = config.server.key_env, None
    if name is not None:
        key = (secret(name) or "").strip()
        if not key:
            raise UserError(f"server.key_env = {name}: no such variable, or an empty one")
    engine = OpenAIEngine(server_of(config), key=key, logprobs=config.logprobs)
    try:
        yield engine
    finally:
        engine.close()
        write_json(context.directory / "logs" / "engine.json", engine.load.summary())


@contextlib.contextmanager
def _local(context: StageContext, config: SolveConfig, world: World) -> Iterator[Engine]:
    """A model loaded into this process; torch keeps to the run's number of threads meanwhile."""
    import torch

    from mathlm.models import load_model, load_tokenizer
    from mathlm.solving.engines.local import LocalEngine

    _, place = model_place(context, config)
    auto = "bfloat16" if world.device.type == "cuda" else "float32"
    dtype = auto if config.dtype == "auto" else config.dtype
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, context.workers // world.size))
    model = load_model(place, dtype=dtype, device=str(world.device), download=config.download)
    engine = LocalEngine(
        model,
        load_tokenizer(place, download=config.download),
        max_rows=config.max_rows,
        memory_mib=config.memory_mib,
        deterministic=config.deterministic,
    )
    try:
        yield engine
    finally:
        engine.close()
        torch.set_num_threads(threads)
        load = engine.load.summary()
        name = "engine.json" if world.first else f"engine-{world.rank}.json"
        write_json(context.directory / "logs" / name, load)
        if load["model_tokens"]:
            context.progress.say(
                f"  engine: {load['tokens_per_s']:,.0f} tokens/s, batch fill"
                f" {load['mean_batch_fill']:.2f}, idle {load['idle_share']:.0%}"
            )
