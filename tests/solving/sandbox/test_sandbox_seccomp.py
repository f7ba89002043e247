"""The filter, run by a small interpreter of classic BPF: an oracle that needs no kernel."""

import struct

import pytest

from mathlm.solving.sandbox.inside import seccomp

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
PID = 4242


def verdict(code: bytes, number: int, arch: int, arguments: tuple[int, ...] = ()) -> int:
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=iIQ6Q", number, arch, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", code))
    accumulator, at = 0, 0
    while True:
        operation, true, false, value = instructions[at]
        at += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
            continue
        held = {
            0x15: accumulator == value,
            0x35: accumulator >= value,
            0x45: bool(accumulator & value),
        }[operation]
        at += true if held else false


@pytest.fixture(params=sorted(ARCHES))
def machine(request):
    return request.param


def test_every_denied_call_is_refused_and_every_other_allowed(machine):
    column, arch = ARCHES[machine]
    code = seccomp.program(machine)
    denied = {numbers[column] for numbers in seccomp.DENIED.values()} - {None}
    special = {435, seccomp._CLONE[column], seccomp._SOCKETPAIR[column], seccomp._IOCTL[column]}
    for number in range(600):
        if number in special:
            continue
        assert verdict(code, number, arch) == (EPERM if number in denied else ALLOW), number


def test_ordinary_work_is_allowed(machine):
    column, arch = ARCHES[machine]
    code = seccomp.program(machine)
    calls = {"read": (0, 63), "write": (1, 64), "futex": (202, 98), "mmap": (9, 222)}
    calls |= {"execve": (59, 221), "openat": (257, 56), "exit_group": (231, 94), "kill": (62, 129)}
    for name, numbers in calls.items():
        assert verdict(code, numbers[column], arch) == ALLOW, name


def test_other_architectures_are_killed_and_x32_refused(machine):
    _, arch = ARCHES[machine]
    code = seccomp.program(machine)
    assert verdict(code, 1, 0x40000003) == KILL  # 32-bit x86
    if machine == "x86_64":
        assert verdict(code, 0x40000000 | 41, arch) == EPERM


def test_clone_may_fork_and_start_threads_but_make_no_namespace(machine):
    column, arch = ARCHES[machine]
    code = seccomp.program(machine)
    clone = seccomp._CLONE[column]
    assert verdict(code, 435, arch) == ENOSYS
    assert verdict(code, clone, arch, (17,)) == ALLOW
    assert verdict(code, clone, arch, (0x3D0F00,)) == ALLOW  # a thread of glibc
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(code, clone, arch, (17 | flag,)) == EPERM


def test_socketpair_is_local_only(machine):
    column, arch = ARCHES[machine]
    code = seccomp.program(machine)
    number = seccomp._SOCKETPAIR[column]
    assert verdict(code, number, arch, (1,)) == ALLOW
    assert verdict(code, number, arch, (2,)) == EPERM


def test_without_namespaces_others_are_out_of_reach(machine):
    column, arch = ARCHES[machine]
    code = seccomp.program(machine, exposed_as=PID)
    kill, tgkill = ((62, 129)[column], (234, 131)[column])
    prlimit, fcntl, chmod = (302, 261)[column], (72, 25)[column], (268, 53)[column]
    for number in (kill, prlimit):
        assert verdict(code, number, arch, (PID, 9)) == ALLOW
        assert verdict(code, number, arch, (0, 9)) == ALLOW
        for other in (1, PID + 1, 2**32 - 1):
            assert verdict(code, number, arch, (other, 9)) == EPERM
    assert verdict(code, tgkill, arch, (PID, 1, 6)) == ALLOW
    assert verdict(code, tgkill, arch, (1, 1, 9)) == EPERM
    assert verdict(code, chmod, arch) == EPERM
    assert [verdict(code, fcntl, arch, (3, n)) for n in (1, 2, 4, 8, 10, 15)] == [
        *([ALLOW] * 3),
        *([EPERM] * 3),
    ]
    assert verdict(code, (41, 198)[column], arch) == EPERM
