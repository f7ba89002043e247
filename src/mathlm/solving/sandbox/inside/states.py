"""Sessions inside the sandbox: a process that has run some turns waits, and forks for the next one.

The process keeps the interpreter as the turn left it, so a search can go on from any turn as often
as it likes. Not here: clocks and limits (turns, on the zygote's side). Branches of one session
share a namespace and a private folder: they are one problem's own, and not protected from one
another as programs are.
"""

from __future__ import annotations

import array
import json
import os
import random
import socket
from typing import Any

from mathlm.solving.sandbox.inside import program

STREAMS = ("stdout", "stderr", "message", "control", "code")
"""The descriptors that come with a request, in this order."""
_MESSAGE, _CONTROL = 3, 4


def _receive(control: int) -> tuple[str, list[int]] | None:
    """The next request's token and descriptors; None when the session was closed."""
    connection = socket.socket(fileno=control)
    descriptors = array.array("i")
    room = socket.CMSG_SPACE(len(STREAMS) * descriptors.itemsize)
    try:
        token, ancillary, _, _ = connection.recvmsg(64, room)
    finally:
        connection.detach()
    for _, _, data in ancillary:
        descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    if not token or len(descriptors) != len(STREAMS):
        return None
    return token.decode(), list(descriptors)


def _take(descriptors: list[int]) -> int:
    """Put a turn's descriptors where a program expects them: the one that holds its code."""
    high = [os.dup(descriptor) for descriptor in descriptors]
    high = [os.dup(d) if d <= _CONTROL else d for d in high]
    for number, descriptor in zip((1, 2, _MESSAGE, _CONTROL), high, strict=False):
        os.dup2(descriptor, number, inheritable=number < _MESSAGE)
    code = os.dup2(high[-1], _CONTROL + 1, inheritable=False)
    os.closerange(code + 1, 256)
    return code


def _say_hello(control: int) -> None:
    """Send this process's id as it is in its namespace; the kernel adds the host's number."""
    connection = socket.socket(fileno=control)
    connection.send(str(os.getpid()).encode())
    connection.detach()


def _turn(
    token: str, descriptors: list[int], namespace: dict[str, Any], names: dict[str, None]
) -> None:
    """Run one turn in this process, which then is the state after it."""
    os.setsid()
    code = _take(descriptors)
    _say_hello(_CONTROL)
    with open(code, "rb") as file:
        text = file.read().decode("utf-8", "surrogatepass")
    program.open_streams()
    own = os.getpid()
    ending = program.execute(text, namespace, names, show=True)
    if os.getpid() != own:
        os._exit(0)  # a child that the turn forked has come to its end
    program.join_threads()
    program.flush()
    message = program.message_of(ending, namespace, names, token=token)
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(_MESSAGE, data) :]
    os.close(_MESSAGE)


def serve(namespace: dict[str, Any], control: int) -> None:
    """Wait for turns on `control`, each in a fork whose parent is init; never returns."""
    names: dict[str, None] = {}
    try:
        while True:
            request = _receive(control)
            if request is None:
                os._exit(0)
            token, descriptors = request
            state = random.getstate()  # Python seeds anew in a fork
            child = os.fork()
            if child == 0:
                if os.fork() != 0:
                    os._exit(0)
                random.setstate(state)
                _turn(token, descriptors, namespace, names)
                control = _CONTROL
                continue
            os.waitpid(child, 0)
            for descriptor in descriptors:
                os.close(descriptor)
    finally:
        os._exit(74)


def begin(folder: str, control: int) -> None:
    """Be the state before the first turn; never returns."""
    program.settle(folder)
    _say_hello(control)
    serve(program.fresh_namespace(), control)
