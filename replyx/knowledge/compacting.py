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
import tempfile
import threading
import time
from pathlib import Path

import replyx
from replyx.knowledge.layers import Layer
from replyx.knowledge.places import Place
from replyx.knowledge.turns import AskersTurn, Check, TurnLost
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.types import Json

logger = logging.getLogger(__name__)

#: Seconds after which a compaction is ended; the next one begins where it was.
_MOST_SECONDS = 900.0
#: Seconds between looks at whether it is still our turn.
_LOOK_SECONDS = 1.0
#: How much it gives way to those that answer.
_NICE = 10
#: Each thread of LanceDB has buffers of its own.
_FEW_THREADS = {"LANCE_CPU_THREADS": "1", "LANCE_IO_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}


class Compaction:
    """Compacts tables that have changed since it last did."""

    def __init__(self, place: Place, memory_mb: int) -> None:
        self._place, self._memory_mb = place, memory_mb
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
            "uri": self._place.uri,
            "options": dict(self._place.options),
            "embedder_id": layer.embedder.id,
            "dim": layer.embedder.dim,
            "is_searched": store.is_searched,
            "memory_mb": self._memory_mb,
        }
        try:
            said = store.hold(lambda check: _compacted(work, check))
        except TurnLost:
            logger.info("a compaction was left to another process", extra={"table": store.name})
            return False
        store.refresh()
        # One that failed is tried again when there is something new, not again and again for nothing.
        self._compacted[store.name] = store.version()
        if said is not None:
            reason = {"memory_mb": self._memory_mb, "reason": said}
            logger.warning("the index is not compacted", extra={"table": store.name, **reason})
        return said is None


def _compacted(work: Json, check: Check) -> str | None:
    """Have a process compact what `work` describes, for as long as it is our turn; returns why it failed.

    Raises:
        TurnLost: another process writes now.
    """
    command = [sys.executable, "-P", "-m", "replyx.knowledge.compacting"]
    until = time.monotonic() + _MOST_SECONDS
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=_environment()
        ) as process,
    ):
        try:
            # It stays open: when it ends, we have, and the process does, too.
            if process.stdin is not None:
                process.stdin.write(json.dumps(work).encode() + b"\n")
                process.stdin.flush()
            while time.monotonic() < until:
                try:
                    if process.wait(_LOOK_SECONDS) == 0:
                        return None
                    break
                except subprocess.TimeoutExpired:
                    check()
            else:
                return f"it takes more than {_MOST_SECONDS:.0f} s"
        finally:
            process.kill()
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
        return f"{process.returncode}: {lines[-1] if lines else ''}"


def _environment() -> dict[str, str]:
    """Ours without our secrets, with the folder that this very package was imported from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLYX_")}
    paths = [str(Path(replyx.__file__).parents[1]), *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return {**kept, **_FEW_THREADS, "PYTHONPATH": os.pathsep.join(paths)}


def main() -> None:
    """Compact the table that the first line of the standard input describes; this process is for nothing else."""
    asked = json.loads(sys.stdin.buffer.readline())
    most = int(asked["memory_mb"]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    place = Place(asked["uri"], AskersTurn(), asked["options"])
    store = VectorStore(place, asked["embedder_id"], lambda: int(asked["dim"]), is_searched=asked["is_searched"])
    try:
        store.compact()
    except (IndexBroken, MemoryError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _end_with_the_asker() -> None:
    """Who holds the turn has died once the standard input ends."""
    # Not through the buffered reader, whose lock the end of the interpreter would miss.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
