"""Embedders that an operator brings: a GGUF model through llama.cpp, or an OpenAI-compatible `/embeddings`.

Where the cosines of such a model stand is found out with it: pairs of a question and its answer tell what related and
unrelated texts have.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replyx.errors import ConfigError, ServiceUnavailable
from replyx.knowledge.meaning import Scale
from replyx.llm.llama_vectors import LlamaVectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

logger = logging.getLogger(__name__)

#: Texts of one call, and seconds that it may take.
_TEXTS, _SECONDS = 64, 30.0
#: How much likeness lies between unrelated and related texts, on the scale of ranking: between what the probes are on
#: the measured scales of the bundled models, 0.31 (`use`) and 0.63 (`e5`).
_RELATED = 0.45

#: Questions, each with the sentence that answers it.
_PROBES = (
    ("Как вернуть товар?", "Покупку можно сдать обратно в магазин в течение двух недель."),
    ("Сколько стоит доставка?", "Курьер привозит заказы по городу за триста рублей."),
    ("Во сколько вы открываетесь?", "Мы работаем с девяти утра до шести вечера."),
    ("Забыл пароль, что делать?", "Восстановить доступ к учётной записи можно по ссылке из письма."),
    ("Какая гарантия на телефон?", "На смартфоны действует гарантия двенадцать месяцев."),
    ("Кто написал этот роман?", "Автор книги — русский писатель девятнадцатого века."),
    ("How do I cancel my subscription?", "You can end your plan at any time in the billing settings."),
    ("Which payment methods do you accept?", "We take credit cards, bank transfers and cash."),
    ("Why is my screen black?", "If the display stays dark, check the cable and hold the power button."),
    ("Where is the nearest station?", "The railway stop is two hundred metres from the office."),
    ("When was the bridge built?", "Construction of the crossing was finished in 1932."),
    ("What does the vaccine protect from?", "The injection prevents infection with measles."),
)


class _Brought:
    """What both have in common: a size and a scale that are found out with the model itself."""

    id: str
    near = 0.95

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError

    def embed_query(self, text: str) -> Vectors:
        raise NotImplementedError

    @cached_property
    def dim(self) -> int:
        return len(self.embed_query("?"))

    @cached_property
    def scale(self) -> Scale:
        return probed(self.embed_query, self.embed_passages)

    @property
    def beside(self) -> Scale:
        return self.scale


class ApiEmbedder(_Brought):
    """`api`: POST `{url}/embeddings`, as OpenAI, vLLM, llama-server and others have it."""

    def __init__(self, url: str, model: str, key: str) -> None:
        """Raises ConfigError where the address or the model's name is missing."""
        if not url.startswith(("http://", "https://")) or not model:
            raise ConfigError(
                "knowledge.embedder = api: задайте knowledge.embedder_url и knowledge.embedder_model",
                "knowledge.embedder = api: set knowledge.embedder_url and knowledge.embedder_model",
            )
        self._url, self._model, self._key = url.rstrip("/"), model, key
        self.id = f"api_{_digest(f'{self._url} {model}')}"
        self._lock = threading.Lock()
        self._client: Any = None

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        rows = [self._call(texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        first: Vectors = self._call([text])[0]
        return first

    def _call(self, texts: Sequence[str]) -> Vectors:
        """Raises ServiceUnavailable where no vectors came."""
        import httpx2

        # Some servers refuse an empty text.
        body = {"model": self._model, "input": [text or " " for text in texts]}
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            answer = self._opened(httpx2).post(f"{self._url}/embeddings", json=body, headers=headers)
            answer.raise_for_status()
            rows = sorted(answer.json()["data"], key=lambda row: int(row["index"]))
            return _of_length_1([row["embedding"] for row in rows], len(texts))
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}"
            raise ServiceUnavailable(
                f"Модель векторов не отвечает ({reason}): проверьте knowledge.embedder_url",
                f"The embedding API gives no vectors ({reason}): check knowledge.embedder_url",
            ) from error

    def _opened(self, httpx2: Any) -> Any:
        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(timeout=_SECONDS, follow_redirects=False)
            return self._client


class GgufEmbedder(_Brought):
    """`gguf`: a model file through llama.cpp, from the extra `replyx[local]`."""

    def __init__(self, file: str, threads: int = 2) -> None:
        """Raises ConfigError where there is no such file."""
        path = Path(file)
        if not file or not path.is_file():
            raise ConfigError(
                f"knowledge.embedder = gguf: нет файла {file or 'knowledge.embedder_file'}",
                f"knowledge.embedder = gguf: there is no file {file or 'knowledge.embedder_file'}",
            )
        self.id = f"gguf_{_digest(f'{path.name} {path.stat().st_size}')}"
        # Models of this family are trained with these words before each text.
        self._question, self._passage = ("query: ", "passage: ") if "e5" in path.name.lower() else ("", "")
        self._vectors = LlamaVectors(path, threads)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return _of_length_1([self._vectors.of(self._passage + text) for text in texts], len(texts))

    def embed_query(self, text: str) -> Vectors:
        first: Vectors = _of_length_1([self._vectors.of(self._question + text)], 1)[0]
        return first


def probed(embed_query: Callable[[str], Vectors], embed_passages: Callable[[Sequence[str]], Vectors]) -> Scale:
    """The scale on which a model's pairs of question and answer are related, and all others are not."""
    import numpy as np

    questions = np.stack([embed_query(question) for question, _ in _PROBES])
    answers = embed_passages([answer for _, answer in _PROBES])
    cosines = questions @ answers.T
    related = float(np.diag(cosines).mean())
    count = len(_PROBES)
    unrelated = float((cosines.sum() - np.trace(cosines)) / (count * (count - 1)))
    # A model that cannot tell them apart adds nothing.
    step = _RELATED / (related - unrelated) if related - unrelated > 0.02 else 0.0
    return Scale(unrelated, step, russian=1.0, english=1.15, foreign=0.55)


def _of_length_1(rows: Sequence[Sequence[float]], count: int) -> Vectors:
    """Raises ValueError where these are not `count` vectors of one length."""
    import numpy as np

    found = np.array(rows, dtype=np.float32)
    if found.ndim != 2 or len(found) != count or not np.isfinite(found).all():
        raise ValueError("these are no vectors")
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
