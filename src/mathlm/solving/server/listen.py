"""Listens on an address: a socket of our own, uvicorn on it, a clean end on Ctrl-C.

Not here: what is answered (`app`). An address that others can reach is refused without a key.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import uvicorn

from mathlm.core.errors import UserError

_GRACE_S = 3
"""How long answers under way may take after Ctrl-C."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str) -> frozenset[str] | None:
    """Names by which clients may call a server on this address; None: by any."""
    if not is_loopback(host):
        return None
    return LOOPBACK_NAMES | {f"[{host}]" if ":" in host else host}


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket; raises `UserError` where the address is taken or not ours."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(f"cannot listen on {host}:{port}: no such address") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        reason = (error.strerror or str(error)).lower()
        hint = "; --port 0 takes a free one" if "in use" in reason else ""
        raise UserError(f"cannot listen on {host}:{port}: {reason}{hint}") from error
    return listening


def url_of(listening: socket.socket) -> str:
    """The base URL for clients."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def server_of(app: Any) -> uvicorn.Server:
    """A server that is run with `run(sockets=[…])` and stops on Ctrl-C."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
