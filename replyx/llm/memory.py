"""Whether a local model fits into what is free of the machine's memory: looked at before it is loaded."""

from __future__ import annotations

import contextlib
from pathlib import Path

from replyx.errors import EngineFailed

_MIB = 1 << 20

#: Bytes that a token of context takes at least, and a share of the model's size that common larger models stay below.
_LEAST_TOKEN, _SHARE = 24 * 1024, 32768

#: Bytes that the library needs for itself.
_OWN = 96 * _MIB


#: Contexts that are taken where none is asked for, and the share of the free memory that a model may take with one.
_CONTEXTS, _GENEROUS = (8192, 4096, 2048), 0.6


def context_for(model: Path, asked: int, *, slots: int = 1, free: int | None = None) -> int:
    """Tokens of context for each of so many `slots`: as `asked`, or where that is 0 as the machine's memory allows.

    Raises:
        EngineFailed: not even the least fits; see `require_memory`.
    """
    available = free_memory() if free is None else free
    chosen = asked or next(
        (size for size in _CONTEXTS if available is None or _need(model, size * slots) <= available * _GENEROUS),
        _CONTEXTS[-1],
    )
    require_memory(model, chosen * slots, available)
    return chosen


def require_memory(model: Path, context_tokens: int, free: int | None = None) -> None:
    """Refuse a model that would not fit. `free` is bytes, by default what the machine has.

    Raises:
        EngineFailed: it needs more than is free; says how much, and what helps.
    """
    need = _need(model, context_tokens)
    available = free_memory() if free is None else free
    if available is not None and need > available:
        raise EngineFailed(
            f"The local model needs about {need // _MIB} MiB, {available // _MIB} MiB are free. Take a smaller model "
            f"(replyx models list), or lower models.context_tokens, now {context_tokens}",
            retryable=False,
        )


def _need(model: Path, context_tokens: int) -> int:
    size = model.stat().st_size
    return size + max(_LEAST_TOKEN, size // _SHARE) * context_tokens + _OWN


def free_memory() -> int | None:
    """Bytes that this process may still take: of the machine, or of its control group where that has less."""
    found = [value for value in (_of_machine(), _of_group()) if value is not None]
    return min(found, default=None)


def _of_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return int(rest.split()[0]) * 1024
    return None


def _of_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        most = int((folder / "memory.max").read_text(encoding="ascii"))
        return most - int((folder / "memory.current").read_text(encoding="ascii"))
    return None
