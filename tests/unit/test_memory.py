"""A model that does not fit is refused with figures and with what helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from replyx.errors import EngineFailed
from replyx.llm.cores import usable_cores
from replyx.llm.memory import context_for, free_memory, require_memory


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    with model.open("wb") as file:
        file.truncate(4 << 30)
    with pytest.raises(EngineFailed, match=r"needs about \d+ MiB, 4096 MiB are free.*models.context_tokens") as caught:
        require_memory(model, 4096, free=4 << 30)
    assert not caught.value.retryable
    require_memory(model, 4096, free=5 << 30)


def test_the_context_is_by_the_machines_memory_where_nobody_said_otherwise(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    with model.open("wb") as file:
        file.truncate(4 << 30)
    assert [context_for(model, 0, free=size << 30) for size in (32, 8, 5)] == [8192, 4096, 2048]
    assert context_for(model, 0, slots=4, free=16 << 30) == 8192
    assert context_for(model, 0, slots=16, free=16 << 30) == 2048
    assert context_for(model, 3000, free=32 << 30) == 3000
    with pytest.raises(EngineFailed):
        context_for(model, 0, free=4 << 30)


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("?", None)]
)
def test_a_control_groups_share_bounds_the_threads(tmp_path: Path, quota: str, cores: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert usable_cores(file) == (cores or usable_cores(tmp_path / "absent"))


def test_what_is_free_is_known_here() -> None:
    free = free_memory()
    assert free is not None
    assert free > 1 << 20
