"""Engines of plugins behind the protocol of all engines: one that crashes, or says nothing, is a failed answer."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace

from replyx.errors import EngineFailed
from replyx.llm.engine import Engine, EngineRequest, ShouldStop, Usage
from replyx.types import EngineName

logger = logging.getLogger(__name__)

#: Pieces that may wait for their reader.
_MOST_WAITING = 64

#: Seconds after which a thread looks whether it is still wanted.
_LOOK_SECONDS = 0.2


class PluginEngine:
    """One model of a plugin. Each answer is written on a thread of its own, so that a plugin that hangs holds none."""

    name = EngineName.PLUGIN

    def __init__(self, plugin: str, model: str, engine: Engine, silence_seconds: float) -> None:
        """After `silence_seconds` without a piece the answer has failed."""
        self._plugin, self._model, self._engine, self._silence = plugin, model, engine, silence_seconds

    def stream(self, request: EngineRequest, should_stop: ShouldStop) -> Generator[str, None, Usage]:
        """Yield the plugin's pieces. Raises EngineFailed, whatever went wrong."""
        answer = _Answer(self._plugin, should_stop)
        asked = replace(request, model=self._model)
        name = f"engine-{self._plugin}"
        threading.Thread(target=answer.write, args=(self._engine, asked), name=name, daemon=True).start()
        try:
            while (came := answer.next(self._silence)) is not None:
                if isinstance(came, Usage):
                    return came
                if isinstance(came, EngineFailed):
                    raise came
                yield came
            return Usage()
        finally:
            answer.is_wanted = False

    def close(self) -> None:
        """Let the plugin free what it holds."""
        try:
            self._engine.close()
        except Exception:
            logger.exception("a plugin failed at closing its engine", extra={"plugin": self._plugin})


class _Answer:
    """What the plugin's thread hands over: pieces, then its end."""

    def __init__(self, plugin: str, should_stop: ShouldStop) -> None:
        self._plugin, self._should_stop = plugin, should_stop
        self._came: queue.Queue[str | Usage | EngineFailed] = queue.Queue(_MOST_WAITING)
        self.is_wanted = True

    def next(self, silence: float) -> str | Usage | EngineFailed | None:
        """What comes next; a failure where nothing does within `silence` seconds; None once nobody wants it."""
        until = time.monotonic() + silence
        while not self._should_stop():
            with suppress(queue.Empty):
                return self._came.get(timeout=_LOOK_SECONDS)
            if time.monotonic() > until:
                logger.error("a plugin's engine is silent", extra={"plugin": self._plugin})
                return EngineFailed(f"The engine of the plugin {self._plugin} is silent", retryable=True)
        return None

    def write(self, engine: Engine, request: EngineRequest) -> None:
        """The plugin's thread."""
        try:
            stream = engine.stream(request, self._is_done)
            try:
                while True:
                    self._hand(str(next(stream)))
            except StopIteration as end:
                self._hand(end.value if isinstance(end.value, Usage) else Usage())
            finally:
                stream.close()
        except EngineFailed as error:
            self._hand(error)
        except Exception:
            logger.exception("a plugin's engine failed", extra={"plugin": self._plugin})
            self._hand(EngineFailed(f"The engine of the plugin {self._plugin} failed", retryable=True))

    def _is_done(self) -> bool:
        return not self.is_wanted or self._should_stop()

    def _hand(self, what: str | Usage | EngineFailed) -> None:
        while self.is_wanted:
            with suppress(queue.Full):
                self._came.put(what, timeout=_LOOK_SECONDS)
                return
