"""A seccomp filter that refuses the system calls a mathematical program never needs.

A deny list in classic BPF, made here byte by byte (no libseccomp): a refused call fails with
EPERM, so that a program sees an exception and not its own death. `clone3` fails with ENOSYS,
because its flags lie in memory that a filter cannot read; glibc then falls back to `clone`, whose
flags are checked. Not here: files (Landlock). Sources: `linux/seccomp.h`, `linux/filter.h`,
`linux/audit.h`, and the kernel's system call tables.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import struct

from mathlm.solving.sandbox.inside import syscalls

# name: (x86-64, aarch64); None where the architecture lacks it
DENIED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "lookup_dcookie": (212, 18),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # memory that no rlimit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "mlock": (149, 228),
    "mlock2": (325, 284),
    "mlockall": (151, 230),
}
# Refused beside these where no namespace hides the user's own files and processes: Landlock says
# nothing of modes, owners, times and attributes, and any process may touch others of its user.
DENIED_EXPOSED: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
}
_PRLIMIT, _SCHED_SETAFFINITY = (302, 261), (203, 122)
_FCNTL = (72, 25)
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
_CLONE3 = 435
_CLONE = (56, 220)
_SOCKETPAIR = (53, 199)
_IOCTL = (16, 29)
_SIGNALS = ((62, 129), (129, 138))  # kill, rt_sigqueueinfo
_THREAD_SIGNALS = ((234, 131), (297, 240))  # tgkill, rt_tgsigqueueinfo
_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
_AUDIT_ARCH = (0xC000003E, 0xC00000B7)
_X32_BIT = 0x40000000
_AF_UNIX = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16


def _op(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value)


def _return(action: int) -> bytes:
    return _op(_RETURN, action)


def _when(number: int | None, block: list[bytes]) -> list[bytes]:
    """`block` for this call number, which must end in a return; otherwise go on behind it."""
    return [] if number is None else [_op(_EQUAL, number, 0, len(block)), *block]


def _argument(index: int) -> bytes:
    """Load the low half of an argument (both machines are little-endian)."""
    return _op(_LOAD, _ARGUMENTS + 8 * index)


def _exposed(pid: int, column: int) -> list[bytes]:
    """Rules where all pids are visible: signals and limits reach only the program itself."""
    verdict = [_return(_REFUSE), _return(_ALLOW)]
    only = [_argument(0), _op(_EQUAL, pid, 1, 0), *verdict]
    or_zero = [_argument(0), _op(_EQUAL, pid, 2, 0), _op(_EQUAL, 0, 1, 0), *verdict]
    owner = [_argument(1)]  # a signal may also be had sent, by the owner of a descriptor
    owner += [_op(_EQUAL, _F_SETOWN, 2, 0), _op(_EQUAL, _F_SETSIG, 1, 0)]
    owner += [_op(_EQUAL, _F_SETOWN_EX, 0, 1), *verdict]
    code: list[bytes] = []
    for checked in (*_SIGNALS, _PRLIMIT, _SCHED_SETAFFINITY):
        code += _when(checked[column], or_zero)
    for checked in _THREAD_SIGNALS:
        code += _when(checked[column], only)
    code += _when(_FCNTL[column], owner)
    for denied in DENIED_EXPOSED.values():
        code += _when(denied[column], [_return(_REFUSE)])
    return code


@functools.cache
def program(machine: str, *, exposed_as: int | None = None) -> bytes:
    """The filter as the kernel's `struct sock_filter` array for `machine` (x86_64, aarch64).

    `exposed_as`: the program's own pid where no namespaces hide the user's other processes and
    files; it and its children may then signal and limit only that one.
    """
    column = {"x86_64": 0, "aarch64": 1}[machine]
    code = [_op(_LOAD, _ARCH), _op(_EQUAL, _AUDIT_ARCH[column], 1, 0), _return(_KILL_PROCESS)]
    code.append(_op(_LOAD, _NUMBER))
    if column == 0:
        code += [_op(_AT_LEAST, _X32_BIT, 0, 1), _return(_REFUSE)]
    code += _when(_CLONE3, [_return(_UNKNOWN)])
    namespaces = [_op(_ANY_BIT, _NEW_NAMESPACES, 0, 1), _return(_REFUSE), _return(_ALLOW)]
    code += _when(_CLONE[column], [_argument(0), *namespaces])
    local = [_op(_EQUAL, _AF_UNIX, 1, 0), _return(_REFUSE), _return(_ALLOW)]
    code += _when(_SOCKETPAIR[column], [_argument(0), *local])
    terminal = [_op(_EQUAL, _TIOCSTI, 1, 0), _op(_EQUAL, _TIOCLINUX, 0, 1), _return(_REFUSE)]
    code += _when(_IOCTL[column], [_argument(1), *terminal, _return(_ALLOW)])
    if exposed_as is not None:
        code += _exposed(exposed_as, column)
    for numbers in DENIED.values():
        code += _when(numbers[column], [_return(_REFUSE)])
    return b"".join([*code, _return(_ALLOW)])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(code: bytes) -> None:
    """Put this process and all its children under the filter for ever; needs `no_new_privs`."""
    filter_program = _Program(len(code) // 8, code)
    syscalls.prctl(
        syscalls.PR_SET_SECCOMP, syscalls.SECCOMP_MODE_FILTER, ctypes.byref(filter_program)
    )
