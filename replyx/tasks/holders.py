"""The name under which a process holds leases, and whether the process behind such a name has died on this machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def holder_name() -> str:
    """This process: its machine and namespace, its number, and when it began. Never the same again."""
    return f"{_place()}:{os.getpid()}:{_began(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Whether the process is known to have ended. Of other machines and namespaces nothing is known: then False.

    A host's name would not do: two machines may have the same, and a namespace has numbers of its own.
    """
    place, _, rest = holder.partition(":")
    number, _, began = rest.partition(":")
    if place != _place() or not number.isdecimal():
        return False
    return _began(int(number)) != began


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        # Nothing can be told of others: leases run out.
        boot, namespace = os.urandom(16).hex(), ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:20]


def _began(number: int) -> str:
    """When a process began, in the kernel's ticks since the boot; empty where there is none."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in the parentheses may hold anything. A process that has ended and was not waited for is no process.
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]
