"""The index in an S3-compatible store: one writer at a time by a lease, answers as from a folder, writers that die."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from replyx.app import open_app
from replyx.config.settings import Config
from replyx.knowledge.corpus import Corpus
from replyx.knowledge.embedders import Embedder
from replyx.knowledge.layers import Layer
from replyx.knowledge.packed import Row
from replyx.knowledge.places import Place, place_of
from replyx.knowledge.turns import LeaseTurns, TurnLost
from replyx.knowledge.vectors import IndexBroken, VectorStore
from replyx.storage.database import Database
from replyx.storage.leases import Lease
from replyx.testing.s3_server import S3Server, serving
from tests.conftest import Configure
from tests.support.cli import Cli
from tests.support.processes import Box, open_box

_PLACE = "s3://shop/index"
_SHOP = """# Доставка
Доставка по городу бесплатна. В другие города заказ едет от трёх до семи дней.

# Возврат
Товар можно вернуть за 14 дней, если сохранён чек. Деньги приходят на карту за три дня.

# Оплата
Мы принимаем карты «Мир», наличные и переводы по номеру телефона.
"""
_QUESTIONS = ("как вернуть товар", "сколько едет заказ", "how can I pay", "погода на завтра")


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with serving() as server:
        yield server


def _settings(s3: S3Server) -> dict[str, str]:
    values = {"URI": _PLACE, "STORE_ENDPOINT": s3.url, "STORE_ACCESS_KEY": "test", "STORE_SECRET_KEY": "secret"}
    return {f"REPLYX_KNOWLEDGE__{name}": value for name, value in values.items()}


@pytest.fixture
def config(configure: Configure, s3: S3Server) -> Config:
    return configure(**_settings(s3))


@pytest.fixture
def box(tmp_path: Path, s3: S3Server) -> Iterator[Box]:
    with open_box(tmp_path / "shop", **_settings(s3)) as box:
        assert box.run("init", "--yes", "--admin-email", "boss@example.com").code == 0
        (box.folder / "shop.md").write_text(_SHOP, encoding="utf-8")
        yield box


def _cli(box: Box, **environment: str) -> Cli:
    """The same installation, from inside this process."""
    return Cli(box.folder, **{**_only_ours(box), **environment})


def _only_ours(box: Box) -> dict[str, str]:
    return {name: value for name, value in box.environment.items() if name.startswith("REPLYX_KNOWLEDGE")}


def _answers(cli: Cli) -> list[Any]:
    return [cli.json("knowledge", "search", "1", question) for question in _QUESTIONS]


def test_answers_from_the_store_are_those_from_a_folder_and_the_folder_stays_empty(box: Box, s3: S3Server) -> None:
    shop = _cli(box)
    shop.json("knowledge", "add", "1", str(box.folder / "shop.md"), "--wait")

    from_store = _answers(shop)
    from_folder = _answers(_cli(box, REPLYX_KNOWLEDGE__URI=str(box.folder / "index")))

    assert from_store == from_folder
    assert all(found["results"] for found in from_store[:3])
    assert not (shop.data_dir / "knowledge").exists()
    assert all(name.startswith("shop/index/") for name in s3.objects)
    rows = shop.json("doctor", "--offline")["checks"]
    assert [(row["state"], _PLACE in row["text"]) for row in rows if row["name"] == "knowledge store"] == [("ok", True)]


def test_a_writer_that_is_killed_in_the_middle_of_writing_leaves_its_turn_to_another(box: Box, s3: S3Server) -> None:
    shop = _cli(box)
    shop.json("knowledge", "add", "1", str(box.folder / "shop.md"), "--wait")
    before = _answers(shop)
    s3.to_hold = 1
    writer = box.start("knowledge", "rebuild")
    assert s3.held.acquire(timeout=60), writer.err
    began = time.monotonic()

    writer.signal(signal.SIGKILL)
    writer.wait()
    s3.free.set()
    rebuilt = shop.json("knowledge", "rebuild")

    assert rebuilt["chunks"] > 0
    assert time.monotonic() - began < 60
    assert _answers(shop) == before


def _store(place: Place) -> VectorStore:
    return VectorStore(place, "test", lambda: 4)


def _row(n: int, words: str = "слово") -> Row:
    return Row(n, 1, 1, hash(words) % 1000, [[words]], np.eye(4, dtype=np.float32)[n % 4], b"\1" * 4)


def _lose_the_turn(db: Database) -> None:
    """As if the lease had run out: a holder that was stopped for too long."""
    with db.transaction():
        Lease.update(lease_until=0).execute()


def test_a_turn_that_was_lost_is_told_before_the_next_commit(db: Database) -> None:
    first, second = LeaseTurns(db, "knowledge"), LeaseTurns(db, "knowledge")
    with first.taken() as check:
        check()
        _lose_the_turn(db)
        with second.taken():
            with pytest.raises(TurnLost):
                check()
            assert second.writer() is not None
    assert second.writer() is None


def test_a_holder_of_another_machine_that_is_silent_is_waited_for_until_its_lease_ends(db: Database) -> None:
    with db.transaction():
        Lease.create(name="knowledge", holder="elsewhere:1:1", label="south:1", lease_until=db.now_ms(1.0), fence=7)
    turns = LeaseTurns(db, "knowledge")
    writer = turns.writer()
    assert writer is not None
    assert writer.label == "south:1"

    with turns.taken(), db.connection():
        assert Lease.get_by_id("knowledge").fence == 8


def test_a_writer_that_lost_its_turn_begins_anew_and_no_row_is_there_twice(
    db: Database, config: Config, s3: S3Server
) -> None:
    slow, quick = _store(place_of(config, db)), _store(place_of(config, db))
    slow.replace_document(1, [_row(n) for n in range(4)])
    s3.to_hold = 1
    late = threading.Thread(target=lambda: slow.replace_document(1, [_row(n, "новое") for n in range(6)]))
    late.start()
    assert s3.held.acquire(timeout=30)

    _lose_the_turn(db)
    quick.replace_document(1, [_row(n, "другое") for n in range(5)])
    s3.free.set()
    late.join()

    quick.refresh()
    assert sorted(quick.ids()) == [(1, n) for n in range(6)]
    assert set(quick.digests(1).values()) == {_row(0, "новое").digest}


class _Items:
    """What the database has, as far as a layer's upkeep asks."""

    def known_ids(self, _: int) -> set[int]:
        return set(range(3))

    def entries(self, _: int) -> list[Any]:
        return []


def test_what_two_writers_wrote_twice_is_set_right_by_the_upkeep(db: Database, config: Config, s3: S3Server) -> None:
    slow, quick = _store(place_of(config, db)), _store(place_of(config, db))
    quick.open()
    s3.to_hold = 1
    late = threading.Thread(target=lambda: slow.add([_row(n) for n in range(3)]))
    late.start()
    assert s3.held.acquire(timeout=30)

    _lose_the_turn(db)
    quick.add([_row(n) for n in range(3)])
    s3.free.set()
    late.join()
    quick.refresh()
    twice = len(quick.ids())
    removed = Layer(cast(Corpus, _Items()), quick, cast(Embedder, None)).remove_surplus()

    assert (twice, removed) in ((6, 3), (3, 0))
    assert len(set(quick.ids())) == len(quick.ids())


def test_a_store_that_is_away_for_a_while_is_not_made_anew(db: Database, config: Config, s3: S3Server) -> None:
    store = _store(place_of(config, db))
    store.add([_row(n) for n in range(3)])
    s3.busy = 100

    with pytest.raises(IndexBroken):
        _store(place_of(config, db)).count()
    s3.busy = 0
    store.reset_if_broken(1)

    assert store.count() == 3


def test_two_hosts_that_make_one_store_anew_at_once_leave_each_row_once_in_both_layers(
    box: Box, configure: Configure, s3: S3Server
) -> None:
    shop = _cli(box, REPLYX_KNOWLEDGE__SECOND="e5")
    shop.json("knowledge", "add", "1", str(box.folder / "shop.md"), "--wait")
    shop.json("knowledge", "rebuild")
    before = _answers(shop)
    both = {"REPLYX_DATABASE__URL": f"sqlite:///{shop.data_dir}/replyx.db", "REPLYX_KNOWLEDGE__SECOND": "e5"}

    # Each with a data directory, and so with locks, of its own.
    hosts = [box.start("--data-dir", name, "knowledge", "rebuild", **both) for name in ("north", "south")]
    ends = [host.wait() for host in hosts]
    app = open_app(configure(**_settings(s3), **both))
    app.knowledge.compact()
    stored, chunks = app.knowledge.place.connect(), app.knowledge.stats()["chunks"]
    counts = [stored.open_table(name).count_rows() for name in stored.list_tables().tables]
    app.close()

    assert [end.code for end in ends] == [0, 0], [end.err for end in ends]
    assert chunks > 0
    assert counts == [chunks, chunks]
    assert _answers(shop) == before
