"""How many threads a model gets where nobody said so: the cores that this process may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that the process may run on, fewer where its control group is allowed less time than they have."""
    cores = len(os.sched_getaffinity(0))
    # Absent outside of control groups; "max" where nothing is limited.
    with contextlib.suppress(OSError, ValueError):
        allowed, period = quota.read_text(encoding="ascii").split()
        cores = min(cores, max(1, int(allowed) // int(period)))
    return cores
