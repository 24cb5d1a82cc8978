"""Another embedder: what is known is embedded anew in the background, and the old vectors answer until that is done.

Which embedder answers is noted in the data directory: processes that start with new settings see by it that they have
to work with the old vectors for a while, and with which.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from replyx.errors import ConfigError
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import EmbedderSpec
from replyx.knowledge.index import Index
from replyx.knowledge.layers import Filling, Layer

logger = logging.getLogger(__name__)

#: Seconds between looks at whether the new vectors are complete.
_LOOK_SECONDS = 2.0
#: Seconds after a switch in which other processes may still answer by the old vectors.
_OLD_IS_KEPT = 3600.0


class Switching:
    """Sees to it that the index searches by the configured embedder, now or as soon as its vectors are complete."""

    def __init__(
        self,
        index: Index,
        corpus: Corpus,
        wanted: EmbedderSpec,
        make_layer: Callable[[EmbedderSpec], Layer],
        folder: Path,
    ) -> None:
        """`index` has the configured embedder's layer; nothing is read before `attend`."""
        self._index, self._corpus, self._make_layer = index, corpus, make_layer
        self._wanted, self._new = wanted, index.first
        self._note, self._folder = folder / "knowledge-embedder.json", folder
        self._lock = threading.Lock()
        self._is_settled = False
        self._look_at = 0.0
        self._filling: Filling | None = None
        self._complete: set[int] = set()

    def attend(self) -> None:
        """Before each use of the index; costs nothing once the configured embedder answers."""
        if self._is_settled or time.monotonic() < self._look_at:
            return
        with self._lock:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            active = self._active()
            if active is None or active == self._plain():
                self._settle()
            elif self._filling is None:
                self._begin(active)
            elif self._is_complete():
                self._settle()

    def close(self) -> None:
        """End the work in the background soon; the next process goes on."""
        if self._filling is not None:
            self._filling.close()

    def finish(self) -> None:
        """The configured embedder's vectors are complete, or were begun anew on purpose."""
        with self._lock:
            self._settle()

    def drop_old(self) -> None:
        """Delete tables of embedders that have not answered for an hour.

        Raises:
            IndexBroken: LanceDB cannot be read or written.
        """
        try:
            age = time.time() - self._note.stat().st_mtime
        except OSError:
            return
        if self._is_settled and age > _OLD_IS_KEPT:
            dropped = self._new.store.drop_others(layer.store.name for layer in self._index.layers)
            if dropped:
                logger.info("vectors of former embedders were deleted", extra={"tables": dropped})

    def _begin(self, active: dict[str, str]) -> None:
        """Search by the old vectors, and fill the new."""
        try:
            old = self._make_layer(EmbedderSpec(**{**active, "key": self._wanted.key}))
        except (ConfigError, TypeError) as error:
            # Nobody can ask the old model any more: words answer until the new vectors are there.
            logger.warning("the former embedder is gone", extra={"reason": str(error)})
            self._settle()
            return
        logger.info("another embedder is configured", extra={"old": active["name"], "new": self._wanted.name})
        self._index.switch(old)
        self._filling = Filling(self._new, self._folder / "knowledge-new.lock", self._complete.add)
        self._filling.ask(self._corpus.assistants())

    def _is_complete(self) -> bool:
        waiting = set(self._corpus.assistants()) - self._complete
        if waiting:
            if self._filling is not None:
                self._filling.ask(waiting)
            return False
        # What came meanwhile is embedded when it is missed.
        return True

    def _settle(self) -> None:
        if self._index.first is not self._new:
            self._index.switch(self._new)
            logger.info("the new embedder answers", extra={"embedder": self._wanted.name})
        if self._active() != self._plain():
            self._note.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._note.with_suffix(f".{os.getpid()}-{threading.get_native_id()}.tmp")
            fresh.write_text(json.dumps(self._plain()), encoding="utf-8")
            fresh.replace(self._note)
        self._is_settled = True

    def _plain(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self._wanted).items() if name != "key"}

    def _active(self) -> dict[str, str] | None:
        """The embedder that answers, as noted; None where none is, or the note cannot be read."""
        try:
            found = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "name" in found else None
