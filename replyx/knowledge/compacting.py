"""Compaction of an index in a process of its own, with a bound of its own on memory: what it takes, nobody misses.

Joining files and clustering vectors takes memory by the size of the table, in one piece and for a moment. A process of
its own gives it back to the machine, and one that would take more than it may is ended instead of the server.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

import replyx
from replyx.knowledge.layers import Layer
from replyx.knowledge.vectors import IndexBroken, VectorStore

logger = logging.getLogger(__name__)

#: Seconds after which a compaction is ended; the next one begins where it was.
_MOST_SECONDS = 900.0
#: How much it gives way to those that answer.
_NICE = 10
#: Each thread of LanceDB has buffers of its own.
_FEW_THREADS = {"LANCE_CPU_THREADS": "1", "LANCE_IO_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}


class Compaction:
    """Compacts tables that have changed since it last did."""

    def __init__(self, uri: str, lock_file: Path, memory_mb: int) -> None:
        self._uri, self._lock_file, self._memory_mb = uri, lock_file, memory_mb
        self._compacted: dict[str, int] = {}

    def of(self, layer: Layer) -> bool:
        """Compact a layer's table; False where nothing has changed, or the compaction did not come to its end.

        Raises:
            IndexBroken: the table cannot be read.
        """
        store = layer.store
        store.refresh()
        if self._compacted.get(store.name) == store.version():
            return False
        work = {
            "uri": self._uri,
            "lock_file": str(self._lock_file),
            "embedder_id": layer.embedder.id,
            "dim": layer.embedder.dim,
            "is_searched": store.is_searched,
            "memory_mb": self._memory_mb,
        }
        command = [sys.executable, "-P", "-m", "replyx.knowledge.compacting", json.dumps(work)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, env=_environment(), timeout=_MOST_SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            logger.warning("compacting takes too long", extra={"table": store.name, "seconds": _MOST_SECONDS})
            return False
        store.refresh()
        # One that failed is tried again when there is something new, not again and again for nothing.
        self._compacted[store.name] = store.version()
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = {"returncode": done.returncode, "memory_mb": self._memory_mb, "reason": said[-1] if said else ""}
            logger.warning("the index is not compacted", extra={"table": store.name, **reason})
        return done.returncode == 0


def _environment() -> dict[str, str]:
    """Ours without our secrets, with the folder that this very package was imported from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLYX_")}
    paths = [str(Path(replyx.__file__).parents[1]), *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return {**kept, **_FEW_THREADS, "PYTHONPATH": os.pathsep.join(paths)}


def main(work: str) -> None:
    """Compact the table that `work` describes; this process is for nothing else."""
    asked = json.loads(work)
    most = int(asked["memory_mb"]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    store = VectorStore(
        asked["uri"],
        Path(asked["lock_file"]),
        asked["embedder_id"],
        lambda: int(asked["dim"]),
        is_searched=asked["is_searched"],
    )
    try:
        store.compact()
    except (IndexBroken, MemoryError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
