"""Running one program inside its confined process, and telling how it ended.

`ok` is said only after the program, its non-daemon threads and its `atexit` handlers have ended by
themselves: a program that leaves through `os._exit` never reaches the message, whatever it
printed. Not here: limits (confine), the clock and the final status (zygote), which also looks at
how the process ended.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import gc
import io
import json
import linecache
import os
import sys
import tempfile
import threading
import traceback
import types
from typing import Any

from mathlm.solving.sandbox.inside import values

FILENAME = "<program>"
_SHOW = " show"
"""No name that a program could use."""
MAX_ERROR_CHARACTERS = 4096
_ENOMEM = 12
_DYNAMIC = frozenset({"exec", "globals", "vars", "locals", "setattr", "__dict__", "update"})
"""A program that mentions one of these may have variables whose names it never mentions."""


def fresh_namespace() -> dict[str, Any]:
    """The globals of a new `__main__` module."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    return module.__dict__


def settle(folder: str) -> None:
    """Give the interpreter the state of a fresh one: streams, environment, seeds, folder."""
    os.environ.clear()
    os.environb.clear()
    sys.argv = [FILENAME]
    tempfile.tempdir = folder
    open_streams()
    seed()
    gc.enable()


def open_streams() -> None:
    """New text streams over descriptors 0, 1 and 2; every line goes out at once."""
    sys.stdin = sys.__stdin__ = _stream(0, "r")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w")  # type: ignore[misc]


def _stream(descriptor: int, mode: str) -> io.TextIOWrapper:
    binary = open(descriptor, mode + "b", closefd=False)  # noqa: SIM115  (lives with the process)
    return io.TextIOWrapper(
        binary, encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def seed() -> None:
    """The same random numbers for the same program, whichever zygote runs it."""
    import random

    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)
    sympy_random = sys.modules.get("sympy.core.random")
    if sympy_random is not None:
        sympy_random.seed(0)


def _describe(error: BaseException) -> str:
    """The traceback as Python prints it, without our own frames, the end of it if it is long."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != FILENAME:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace, limit=-12)
    return "".join(lines).strip()[-MAX_ERROR_CHARACTERS:]


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == _ENOMEM)


def _names(compiled: types.CodeType) -> list[str]:
    """Names that the code mentions, nested functions last; its variables are among them."""
    found, waiting = list(compiled.co_names), list(compiled.co_consts)
    while waiting:
        constant = waiting.pop()
        if isinstance(constant, types.CodeType):
            found += constant.co_names
            waiting += constant.co_consts
    return found


def _shown(code: str) -> ast.Module:
    """The syntax tree of `code` with a last line that is an expression shown, as in a notebook."""
    tree = ast.parse(code, FILENAME)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        shown = ast.Call(ast.Name(_SHOW, ast.Load()), [last.value], [])
        tree.body[-1] = ast.copy_location(ast.Expr(shown), last)
    return ast.fix_missing_locations(tree)


def _show(value: Any) -> None:
    if value is not None:
        print(repr(value))


def execute(
    code: str, namespace: dict[str, Any], names: dict[str, None], *, show: bool = False
) -> tuple[str, str]:
    """Run `code` in `namespace`: (`ok` | `error` | `memory`, what went wrong).

    Adds the names that the code mentions to `names`. `show`: print the value of the last line.
    """
    linecache.cache[FILENAME] = (len(code), None, code.splitlines(keepends=True), FILENAME)
    try:
        source = _shown(code) if show else code
        compiled = compile(source, FILENAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        return "error", _describe(error)
    names.update(dict.fromkeys(name for name in _names(compiled) if name != _SHOW))
    builtins.__dict__[_SHOW] = _show
    try:
        exec(compiled, namespace)
    except SystemExit as leaving:
        if leaving.code in (None, 0):
            return "ok", ""
        return "error", f"SystemExit: {leaving.code}"[:MAX_ERROR_CHARACTERS]
    except BaseException as error:  # noqa: BLE001  (whatever a program raises is its result)
        return ("memory" if _is_memory(error) else "error"), _describe(error)
    return "ok", ""


def _end_threads() -> None:
    """Wait for non-daemon threads, as the interpreter does when it ends."""
    ending = getattr(threading, "_shutdown", None)
    if ending is not None:
        ending()


def join_threads() -> None:
    """Wait for non-daemon threads and leave the interpreter able to go on (sessions)."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def flush() -> None:
    """Send out what the program's streams still hold."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001  (a program may have closed or replaced its stream)
            continue


def send(descriptor: int, message: dict[str, Any]) -> None:
    """Write one JSON message and nothing after it."""
    data = json.dumps(message).encode()
    while data:
        data = data[os.write(descriptor, data) :]


def variables(namespace: dict[str, Any], names: dict[str, None]) -> dict[str, dict[str, str]]:
    """The program's variables, among `names`: looking at all that a star import brought is slow."""
    if _DYNAMIC.intersection(names):
        return values.collect(namespace)
    return values.collect({name: namespace[name] for name in names if name in namespace})


def message_of(
    ending: tuple[str, str], namespace: dict[str, Any], names: dict[str, None], *, token: str
) -> dict[str, Any]:
    """What the zygote is told of a program that came to its end."""
    status, error = ending
    clean = error.encode("utf-8", "backslashreplace").decode()
    found = variables(namespace, names)
    return {"token": token, "status": status, "error": clean, "variables": found}


def run_and_leave(code: str, folder: str, descriptor: int, *, token: str) -> None:
    """Run a program whole in this process and end the process; never returns.

    `token` proves that the message is ours: a program that writes one blindly does not know it.
    """
    leave, identity = os._exit, os.getpid
    try:
        settle(folder)
        own = identity()
        namespace = fresh_namespace()
        names: dict[str, None] = {}
        ending = execute(code, namespace, names)
        if identity() != own:
            leave(0)  # a child that the program forked has come to the program's end
        _end_threads()
        atexit._run_exitfuncs()
        message = message_of(ending, namespace, names, token=token)
        flush()
        send(descriptor, message)
        leave(0)
    finally:
        leave(71)
