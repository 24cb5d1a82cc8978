"""Vectors of texts by a GGUF model, through llama.cpp."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Any

from replyx.errors import ServiceUnavailable

#: Tokens that the model is given of one text: a sentence has fewer.
_CONTEXT = 512


class LlamaVectors:
    """One model, loaded when it is first asked. Safe to use from any thread."""

    def __init__(self, path: Path, threads: int) -> None:
        self._path, self._threads = path, threads
        self._lock = threading.Lock()
        self._model: Any = None

    def of(self, text: str) -> list[float]:
        """The vector of `text`, or of its beginning where it is longer than the model's context.

        Raises:
            ServiceUnavailable: llama.cpp is not installed, or the file cannot be loaded.
        """
        # One text at a time: a question that comes meanwhile waits for no more than that.
        with self._lock:
            if self._model is None:
                self._model = self._loaded()
                # At the latest before Python takes itself down: llama.cpp cannot be called after that.
                weakref.finalize(self, _close, self._model, self._lock)
            model = self._model
            tokens = model.tokenize(text.encode("utf-8", "ignore"))[: _CONTEXT - 2]
            found = model.embed(model.detokenize(tokens).decode("utf-8", "ignore") or " ")
        if found and isinstance(found[0], list):
            # A model without pooling gives a vector for each token.
            return [sum(column) / len(found) for column in zip(*found, strict=True)]
        vector: list[float] = found
        return vector

    def _loaded(self) -> Any:
        try:
            import llama_cpp
        except ImportError as error:
            raise ServiceUnavailable(
                'Нет llama.cpp. Выполните: pip install "replyx[local]"',
                'llama.cpp is not installed. Run: pip install "replyx[local]"',
            ) from error
        try:
            return llama_cpp.Llama(
                str(self._path), embedding=True, n_ctx=_CONTEXT, n_threads=self._threads, verbose=False
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ServiceUnavailable(
                f"Модель векторов не загрузить: {self._path.name}", f"The model cannot be loaded: {self._path.name}"
            ) from error


def _close(model: Any, lock: threading.Lock) -> None:
    """Give the memory back, unless a thread is still at work with it: then the end of the process does."""
    if lock.acquire(timeout=1):
        try:
            model.close()
        finally:
            lock.release()
