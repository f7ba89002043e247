"""Attempts to get out of the sandbox or to fool it, as program texts.

Not here: running them (selftest). Every program may use `FACTS`, a dict that stands before it
(`secret`: files that the caller may read and a program must not; `outside`: a folder that anybody
may write; `caller`, `zygote`: process ids; `port`, `unix`: where the caller listens). One that
gets what it should not prints BREACH.
"""

from __future__ import annotations

from mathlm.solving.sandbox.attempt import attempt as _attempt
from mathlm.solving.sandbox.pretences import PRETENCES, PRIVILEGES

FILES = (
    _attempt(
        "read the home folder",
        "ok",
        """
import os
for path in FACTS["secret"]:
    try:
        print("BREACH", path, open(path, "rb").read(20))
    except OSError:
        pass
""",
    ),
    _attempt(
        "read /etc/shadow and other accounts",
        "ok",
        """
for path in ("/etc/shadow", "/etc/passwd", "/etc/hosts", "/root/.bashrc", "/root/.profile"):
    try:
        print("BREACH", path, open(path, "rb").read(20))
    except OSError:
        pass
""",
    ),
    _attempt(
        "write outside the private folder",
        "ok",
        """
import os, sysconfig
places = [FACTS["outside"], "/", "/etc", "/usr/lib", "/var/tmp/..", os.path.expanduser("~")]
places += [sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")]
for place in places:
    try:
        with open(os.path.join(place, "escaped"), "w") as file:
            print("BREACH", place)
    except OSError:
        pass
for change in (os.unlink, lambda p: os.chmod(p, 0o777), lambda p: os.truncate(p, 0)):
    try:
        change(FACTS["secret"][0])
        print("BREACH", change)
    except OSError:
        pass
""",
    ),
    _attempt(
        "symbolic and hard links",
        "ok",
        """
import os
for number, path in enumerate([*FACTS["secret"], "/etc/shadow"]):
    for link in (os.symlink, os.link):
        try:
            name = f"link-{number}-{link.__name__}"
            link(path, name)
            print("BREACH", path, open(name, "rb").read(20))
        except OSError:
            pass
try:
    os.symlink(FACTS["outside"], "folder")
    open("folder/escaped", "w")
    print("BREACH")
except OSError:
    pass
""",
    ),
    _attempt(
        "leave something in /dev/shm or /tmp",
        "ok",
        """
for place in ("/dev/shm", "/tmp", "/var/tmp"):
    try:
        open(place + "/mathlm-left", "w").write("left")
    except OSError:
        pass
""",
    ),
    _attempt(
        "fill the disk",
        "error output ok timeout",
        """
written = 0
for number in range(64):
    with open(f"file-{number}", "wb") as file:
        for _ in range(60):
            written += file.write(b"x" * 2**20)
            if written > 1 << 30:
                print("BREACH", written)
                raise SystemExit
""",
    ),
)

NETWORK = (
    _attempt(
        "connect out",
        "ok",
        """
import ctypes, socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for address in (("1.1.1.1", 53), ("8.8.8.8", 443)):
        try:
            connection = socket.socket(socket.AF_INET, kind)
            connection.settimeout(0.2)
            connection.connect(address)
            print("BREACH", address)
        except OSError:
            pass
if ctypes.CDLL(None).socket(2, 1, 0) >= 0:
    print("BREACH socket()")
""",
    ),
    _attempt(
        "connect to the caller over loopback and unix sockets",
        "ok",
        """
import socket
for family, address in (
    (socket.AF_INET, ("127.0.0.1", FACTS["port"])),
    (socket.AF_UNIX, FACTS["unix"]),
    (socket.AF_UNIX, chr(0) + FACTS["unix"]),
):
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(0.2)
        connection.connect(address)
        print("BREACH", address)
    except (OSError, AttributeError):
        pass
""",
    ),
)

PROCESSES = (
    _attempt(
        "fork bomb",
        "timeout error",
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    ),
    _attempt(
        "daemon that outlives its program",
        "killed",
        """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(1)
    os._exit(0)
time.sleep(0.1)
""",
    ),
    _attempt(
        "threads without end",
        "timeout error memory",
        """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(1000,)).start()
""",
    ),
    _attempt(
        "signals to the caller, the zygote and everybody",
        "ok killed",
        """
import os, signal
for pid in (FACTS["caller"], FACTS["zygote"], os.getppid(), 1, -1):
    if pid == os.getpid():
        continue
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
""",
    ),
    _attempt(
        "ptrace and memory of the caller, the zygote and the parent",
        "ok",
        """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (FACTS["caller"], FACTS["zygote"], os.getppid()):
    if libc.ptrace(16, pid, None, None) == 0:
        print("BREACH ptrace", pid)
    try:
        open(f"/proc/{pid}/mem", "rb")
        print("BREACH memory", pid)
    except OSError:
        pass
""",
    ),
    _attempt(
        "/proc of others",
        "ok",
        """
import os
for pid in (FACTS["caller"], FACTS["zygote"], 1):
    for name in ("environ", "cmdline", "maps", "fd", "root/etc/passwd", "cwd"):
        path = f"/proc/{pid}/{name}"
        try:
            print("BREACH", path, os.listdir(path) if name in ("fd", "cwd") else open(path).read(9))
        except OSError:
            pass
""",
    ),
    _attempt(
        "limits, priority and descriptor signals of the caller",
        "ok",
        """
import fcntl, os, resource, signal
for pid in (FACTS["caller"], FACTS["zygote"]):
    for change in (
        lambda: resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0)),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.sched_setaffinity(pid, {0}),
    ):
        try:
            change()
            print("BREACH", pid)
        except OSError:
            pass
    try:
        read, write = os.pipe()
        fcntl.fcntl(read, fcntl.F_SETOWN, pid)
        fcntl.fcntl(read, 10, signal.SIGKILL)
        fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
        os.write(write, b"x")
    except OSError:
        pass
""",
    ),
    _attempt(
        "stop itself",
        "timeout",
        """
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
""",
    ),
)

RESOURCES = (
    _attempt(
        "memory bomb", "memory", "held = []\nwhile True:\n    held.append(bytearray(2**24))\n"
    ),
    _attempt(
        "memory bomb of many processes",
        "memory",
        """
import os, time
for _ in range(16):
    if os.fork() == 0:
        held = b"x" * (200 * 2**20)
        time.sleep(100)
time.sleep(100)
""",
    ),
    _attempt(
        "endless output",
        "output",
        "import sys\nwhile True:\n    sys.stdout.write('x' * 1000)\n",
    ),
    _attempt(
        "endless output to stderr",
        "output",
        "import os\nwhile True:\n    os.write(2, b'x' * 4096)\n",
    ),
    _attempt(
        "swallowed alarm",
        "timeout",
        """
import signal
signal.alarm(1)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
    ),
    _attempt(
        "raise its own limits",
        "ok",
        """
import resource
for name in ("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_NOFILE"):
    kind = getattr(resource, name)
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("BREACH", name)
    except (OSError, ValueError):
        pass
""",
    ),
)

ATTEMPTS = (*FILES, *NETWORK, *PROCESSES, *RESOURCES, *PRIVILEGES, *PRETENCES)
AFTERWARDS = """
import builtins, math, os, sys
import sympy
for module in (builtins, math, sympy, sys, os):
    if hasattr(module, "left"):
        print("BREACH", module)
if "LEFT" in os.environ or os.path.exists("left") or os.path.exists("/tmp/mathlm-left"):
    print("BREACH left behind")
ans = sympy.Integer(20) + 22
"""
"""Run after every attempt: the service answers, right, and nothing of the attempt is there."""
