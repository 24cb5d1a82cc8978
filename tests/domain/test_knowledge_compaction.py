"""The index stays in few pieces however it is written to, and what joins them has a bound of its own on memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from replyx.knowledge.compacting import Compaction
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import Embedder
from replyx.knowledge.layers import Layer
from replyx.knowledge.packed import Row
from replyx.knowledge.places import Place
from replyx.knowledge.turns import FileTurns
from replyx.knowledge.vectors import VectorStore


@dataclass
class _Named:
    """An embedder as far as its table knows it."""

    id: str = "test"
    dim: int = 4


def _place(folder: Path) -> Place:
    return Place(str(folder / "index"), FileTurns(folder / "lock"))


def _store(folder: Path) -> VectorStore:
    """The table as another process has it."""
    return VectorStore(_place(folder), "test", lambda: 4)


def _layer(store: VectorStore) -> Layer:
    return Layer(cast(Corpus, None), store, cast(Embedder, _Named()))


def _row(n: int) -> Row:
    return Row(n, 1, n, n, [["слово", f"номер{n}"]], np.eye(4, dtype=np.float32)[n % 4], b"\1" * 4)


def _compaction(folder: Path, memory_mb: int) -> Compaction:
    return Compaction(_place(folder), memory_mb)


def test_many_processes_that_write_once_each_leave_few_pieces(tmp_path: Path) -> None:
    most = 0
    for n in range(100):
        store = _store(tmp_path)
        store.add([_row(n)])
        most = max(most, store.fragments())

    assert store.count() == 100
    assert most < 30


def test_compaction_joins_the_pieces_once_and_changes_no_row(tmp_path: Path) -> None:
    store = _store(tmp_path)
    for n in range(10):
        store.add([_row(n)])
    before = store.load(1)
    compaction = _compaction(tmp_path, 768)

    did = [compaction.of(_layer(store)), compaction.of(_layer(store))]

    assert did == [True, False]
    assert store.fragments() == 1
    after = store.load(1)
    assert {n: one.digest for n, one in after.items()} == {n: one.digest for n, one in before.items()}
    store.add([_row(10)])
    assert compaction.of(_layer(store))


def test_a_compaction_that_needs_too_much_memory_ends_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = _store(tmp_path)
    for n in range(5):
        store.add([_row(n)])

    did = _compaction(tmp_path, 64).of(_layer(store))

    assert not did
    assert "the index is not compacted" in caplog.messages
    assert store.count() == 5
    assert _compaction(tmp_path, 768).of(_layer(store))
