"""A model that does not fit is refused with figures and with what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from replyx.errors import EngineFailed
from replyx.llm.memory import free_memory, require_memory


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    with model.open("wb") as file:
        file.truncate(4 << 30)
    with pytest.raises(EngineFailed, match=r"needs about \d+ MiB, 4096 MiB are free.*models.context_tokens") as caught:
        require_memory(model, 4096, free=4 << 30)
    assert not caught.value.retryable
    require_memory(model, 4096, free=5 << 30)


def test_what_is_free_is_known_here() -> None:
    free = free_memory()
    assert free is not None
    assert free > 1 << 20
