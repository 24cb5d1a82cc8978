"""What a process that reads a strange file gives up before it looks at it, by itself and for good.

The kernel keeps it (seccomp): a list of calls that reading memory and writing to open files need, and nothing beside.
No file can be opened, no socket made, no program started, nobody signalled, so a hole in a parser leads nowhere. It
takes no right and no namespace, works under `NoNewPrivileges` and systemd's filters, and is inherited. On a processor
whose call numbers are not known here, Python's audit hooks are the fence, which stop Python and not a hole in C.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
import sys

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
#: Calls of x86-64's 32-bit twin have this bit.
_X32 = 0x4000_0000

#: Machine → (its name for the kernel's auditors, the number of each call).
_X86_64 = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20,
    "select": 23, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "nanosleep": 35, "getitimer": 36,
    "setitimer": 38, "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79, "gettimeofday": 96,
    "getrlimit": 97, "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107,
    "getegid": 108, "getppid": 110, "sigaltstack": 131, "arch_prctl": 158, "gettid": 186, "time": 201, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "newfstatat": 262, "set_robust_list": 273, "ppoll": 271,
    "getrandom": 318, "membarrier": 324, "statx": 332, "rseq": 334,
    # Named to be refused to those who may do more.
    "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "ptrace": 101,
    "accept4": 288, "sendmmsg": 307, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
    "io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438,
}  # fmt: skip
_AARCH64 = {
    "getcwd": 17, "dup": 23, "fcntl": 25, "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66,
    "pread64": 67, "ppoll": 73, "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98,
    "set_robust_list": 99, "nanosleep": 101, "getitimer": 102, "setitimer": 103, "clock_gettime": 113,
    "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128,
    "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "uname": 160,
    "getrlimit": 163, "getrusage": 165, "gettimeofday": 169, "getpid": 172, "getppid": 173, "getuid": 174,
    "geteuid": 175, "getgid": 176, "getegid": 177, "gettid": 178, "sysinfo": 179, "brk": 214, "munmap": 215,
    "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278, "membarrier": 283, "statx": 291,
    "rseq": 293,
    "ptrace": 117, "socket": 198, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206,
    "sendmsg": 211, "accept4": 242, "sendmmsg": 269, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
    "io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438,
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000_003E, _X86_64), "aarch64": (0xC000_00B7, _AARCH64)}
#: Ways out of the machine, or into another process.
_OUT = (
    "socket", "connect", "accept", "accept4", "bind", "listen", "sendto", "sendmsg", "sendmmsg", "ptrace",
    "process_vm_readv", "process_vm_writev", "bpf", "io_uring_setup", "pidfd_open", "pidfd_getfd",
)  # fmt: skip
#: What Python tells its auditors before it does it.
_AUDITED_OUT = ("socket.",)
_AUDITED = ("open", "os.", "shutil.", "socket.", "subprocess.", "ctypes.dlopen", "signal.pthread_kill")


def limit(memory_mb: int, processor_seconds: float, seconds: float) -> None:
    """Bound memory, processor time, wall time and files; none of it can be raised again."""
    memory, processor = memory_mb * 1024 * 1024, max(1, int(processor_seconds))
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (value, value))
    # Also where the parent is gone: the default action of the signal ends the process.
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)


def close_the_door() -> None:
    """From now on: read memory and what is open, write to what is open, end. Everything needed is imported before."""
    _filter(deny=False)
    sys.addaudithook(_no_more)


def cut_the_network() -> None:
    """From now on no connection, also of programs that are started; files stay, for readers that need them."""
    _filter(deny=True)
    sys.addaudithook(_no_network)


def is_kept_by_the_kernel() -> bool:
    """Whether this machine's kernel keeps the fence; else Python alone does."""
    return os.uname().machine in _MACHINES and struct.calcsize("P") == 8


def _no_more(event: str, _: object) -> None:
    if event.startswith(_AUDITED):
        raise PermissionError(errno.EPERM, event)


def _no_network(event: str, _: object) -> None:
    if event.startswith(_AUDITED_OUT):
        raise PermissionError(errno.EPERM, event)


def _filter(*, deny: bool) -> None:
    """Hand the kernel a filter: with `deny` the ways out are refused, else all but the needed calls are."""
    if not is_kept_by_the_kernel():
        return
    audit_name, numbers = _MACHINES[os.uname().machine]
    refuse = _REFUSE | errno.EPERM
    named = [numbers[name] for name in _OUT] if deny else [n for name, n in numbers.items() if name not in _OUT]
    hit, miss = (refuse, _ALLOW) if deny else (_ALLOW, refuse)
    code = [
        struct.pack("HBBI", _LOAD, 0, 0, 4),
        struct.pack("HBBI", _EQUAL, 1, 0, audit_name),
        struct.pack("HBBI", _RETURN, 0, 0, _KILL),
        struct.pack("HBBI", _LOAD, 0, 0, 0),
        struct.pack("HBBI", _AT_LEAST, len(named) + 1, 0, _X32),
        *(struct.pack("HBBI", _EQUAL, len(named) - place + 1, 0, number) for place, number in enumerate(named)),
        struct.pack("HBBI", _RETURN, 0, 0, miss),
        struct.pack("HBBI", _RETURN, 0, 0, refuse),
        struct.pack("HBBI", _RETURN, 0, 0, hit),
    ]
    program = ctypes.create_string_buffer(b"".join(code))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.addressof(header), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(value) for value in arguments)):
            raise OSError(ctypes.get_errno(), "the kernel takes no filter of calls")
