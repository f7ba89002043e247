"""`mathlm serve MODEL`: the local engine as an OpenAI-compatible server.

Not here: what is answered (`mathlm.solving.server`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from mathlm.core.errors import UserError

HELP = """Serve a model to any OpenAI client: /v1/completions, /v1/chat/completions, /v1/models.
Only this machine reaches it unless --host says otherwise, which needs a key. Ctrl-C stops it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, where to listen, what to take on."""
    parser.add_argument("model", metavar="MODEL", help="a Hugging Face model's folder or id")
    parser.add_argument("--name", help="what clients call it (default: the folder's name)")
    parser.add_argument("--download", action="store_true", help="fetch MODEL from the Hub")
    parser.add_argument("--host", default="127.0.0.1", help="address (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="0: a free one (default 8000)")
    parser.add_argument(
        "--key-env", metavar="NAME", help="environment variable with the key that clients must show"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto"
    )
    for option, default, text in (
        ("--max-rows", 64, "most texts generated at a time"),
        ("--max-waiting", 1024, "most texts under way or waiting; above it clients get 429"),
        ("--body-mib", 4, "largest request"),
    ):
        parser.add_argument(option, type=int, default=default, help=f"{text} (default {default})")
    parser.add_argument(
        "--memory-mib",
        type=int,
        help="memory for keys and values (default: 1 GiB on a CPU, most of what is free on a GPU)",
    )
    parser.add_argument("--json", action="store_true", help="say where it listens as JSON")
    parser.add_argument("--quiet", action="store_true", help="say nothing")


def run(args: argparse.Namespace) -> int:
    """Listen, load the model, answer until told to stop."""
    _check(args)
    key = _key(args)
    listen = _listen()
    if key is None and not listen.is_loopback(args.host):
        raise UserError(f"{args.host} can be reached from outside: give --key-env NAME too")
    listening = listen.open_socket(args.host, args.port)
    engine = None
    try:
        served, engine = _load(args)
        app = _app(args, served, key)
        _announce(args, listen.url_of(listening), served.name)
        listen.server_of(app).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # how a server ends
    finally:
        listening.close()
        if engine is not None:
            engine.close()
    if not args.quiet:
        print("stopped", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    for name in ("max_rows", "memory_mib", "max_waiting", "body_mib"):
        if (value := getattr(args, name)) is not None and value < 1:
            option = "--" + name.replace("_", "-")
            raise UserError(f"{option} must be at least 1, not {getattr(args, name)}")
    if not 0 <= args.port < 1 << 16:
        raise UserError(f"--port {args.port}: ports are 0 to 65535")


def _listen() -> Any:
    """The server's module; it needs packages that are not in the base install."""
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401

        from mathlm.solving.server import listen
    except ModuleNotFoundError as error:
        reason = f"serving needs {error.name}: pip install 'mathlm[train,server]'"
        raise UserError(reason) from error
    return listen


def _key(args: argparse.Namespace) -> str | None:
    if args.key_env is None:
        return None
    key = os.environ.get(args.key_env, "").strip()
    if not key:
        raise UserError(f"--key-env {args.key_env}: no such variable in the environment, or empty")
    return key


def _load(args: argparse.Namespace) -> tuple[Any, Any]:
    import torch

    from mathlm.models import load_model, load_tokenizer
    from mathlm.solving.engines.local import LocalEngine
    from mathlm.solving.server.jobs import Served

    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: there is no CUDA device here")
    cuda = args.device == "cuda" or (args.device == "auto" and torch.cuda.is_available())
    auto = "bfloat16" if cuda else "float32"
    model = load_model(
        args.model,
        dtype=auto if args.dtype == "auto" else args.dtype,
        device="cuda" if cuda else "cpu",
        download=args.download,
    )
    tokenizer = load_tokenizer(args.model, download=args.download)
    engine = LocalEngine(model, tokenizer, max_rows=args.max_rows, memory_mib=args.memory_mib)
    name = args.name or args.model.rstrip("/").rpartition("/")[2] or args.model
    return Served.of(engine, tokenizer, name), engine


def _app(args: argparse.Namespace, served: Any, key: str | None) -> Any:
    from mathlm.solving.server.app import Limits, make_app
    from mathlm.solving.server.listen import hosts_of

    limits = Limits(body_mib=args.body_mib, waiting=args.max_waiting)
    return make_app(served, key=key, hosts=hosts_of(args.host), limits=limits)


def _announce(args: argparse.Namespace, url: str, name: str) -> None:
    if args.json:
        print(json.dumps({"url": url, "model": name, "pid": os.getpid()}), flush=True)
    elif not args.quiet:
        print(f"{name} at {url}  (Ctrl-C stops)", file=sys.stderr, flush=True)
