"""Attempts to gain privileges or to pass for something else, as program texts (see escapes)."""

from __future__ import annotations

from mathlm.solving.sandbox.attempt import attempt as _attempt

PRIVILEGES = (
    _attempt(
        "become root",
        "ok",
        """
import os
for change in (os.setuid, os.setgid, os.seteuid):
    try:
        change(0)
        print("BREACH", change)
    except OSError:
        pass
if os.getuid() == 0 or os.geteuid() == 0:
    print("BREACH runs as root")
""",
    ),
    _attempt(
        "new namespaces, mounts and other forbidden calls",
        "ok",
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "unshare": lambda: libc.unshare(0x10000000),
    "mount": lambda: libc.mount(b"none", b"/", b"tmpfs", 0, None),
    "umount": lambda: libc.umount2(b"/", 2),
    "chroot": lambda: libc.chroot(b"/"),
    "memfd_create": lambda: libc.memfd_create(b"x", 0),
    "shmget": lambda: libc.shmget(0, 1 << 30, 0o1777),
    "personality": lambda: libc.personality(0x0040000),
    "keyctl": lambda: libc.syscall(250, 0, 0, 0, 0, 0),
    "bpf": lambda: libc.syscall(321, 0, 0, 0),
    "userfaultfd": lambda: libc.syscall(323, 0),
    "io_uring_setup": lambda: libc.syscall(425, 1, ctypes.create_string_buffer(200)),
    "perf_event_open": lambda: libc.syscall(298, ctypes.create_string_buffer(200), 0, -1, -1, 0),
    "clone with a user namespace": lambda: libc.syscall(56, 0x10000011, 0, 0, 0, 0),
}
import platform
if platform.machine() != "x86_64":
    calls = {name: call for name, call in calls.items() if "syscall" not in call.__code__.co_names}
for name, call in calls.items():
    if call() >= 0:
        print("BREACH", name)
""",
    ),
    _attempt(
        "descriptors of the caller",
        "ok",
        """
import os
for number in range(3, 256):
    try:
        if os.read(number, 1):
            print("BREACH read from", number)
    except OSError:
        pass
    if number > 3:
        try:
            os.fstat(number)
            print("BREACH descriptor", number)
        except OSError:
            pass
""",
    ),
    _attempt(
        "secrets in the environment",
        "ok",
        """
import ctypes, os
if os.environ:
    print("BREACH", dict(os.environ))
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
for name in (b"MATHLM_SELFTEST_SECRET", b"HOME", b"PATH", b"SSH_AUTH_SOCK"):
    if libc.getenv(name):
        print("BREACH", name)
try:
    if b"MATHLM_SELFTEST" in open("/proc/self/environ", "rb").read():
        print("BREACH /proc/self/environ")
except OSError:
    pass
""",
    ),
    _attempt(
        "another interpreter without the confinement",
        "ok",
        """
import subprocess, sys
code = "print(open(" + repr(FACTS["secret"][0]) + ").read())"
for command in ([sys.executable, "-c", code], ["/bin/sh", "-c", "cat " + FACTS["secret"][0]]):
    try:
        done = subprocess.run(command, capture_output=True, timeout=3)
        if done.returncode == 0:
            print("BREACH", command[0], done.stdout[:40])
    except OSError:
        pass
""",
    ),
)

PRETENCES = (
    _attempt(
        "os._exit after a fake success",
        "error",
        "import os\nans = 42\nprint(ans, flush=True)\nos._exit(0)\n",
    ),
    _attempt(
        "os._exit in an atexit handler",
        "error",
        "import atexit, os\nans = 42\nprint(ans)\natexit.register(os._exit, 0)\n",
    ),
    _attempt(
        "a message of success of its own",
        "error",
        """
import os
message = b'{"status": "ok", "error": "", "variables": {"ans": {"type": "int", "value": "42"}}}'
for number in range(3, 10):
    try:
        os.write(number, message)
    except OSError:
        pass
os._exit(0)
""",
    ),
    _attempt(
        "a thread that never ends",
        "timeout",
        """
import threading, time
threading.Thread(target=lambda: [time.sleep(1) for _ in iter(int, 1)]).start()
ans = 42
""",
    ),
    _attempt("crash through ctypes", "killed", "import ctypes\nctypes.string_at(0)\n"),
    _attempt("abort", "killed", "import os\nprint(42)\nos.abort()\n"),
    _attempt(
        "crash of the C stack",
        "killed error memory",
        """
import sys
sys.setrecursionlimit(10**9)
class Deep:
    def __repr__(self):
        return repr(self)
repr(Deep())
""",
    ),
    _attempt(
        "symbols for the next program",
        "ok",
        """
import builtins, math, os, sys
import sympy
builtins.left = math.left = sympy.left = sys.left = os.left = "left"
os.environ["LEFT"] = "left"
sympy.Integer.__add__ = lambda self, other: 0
open("left", "w").write("left")
""",
    ),
)
