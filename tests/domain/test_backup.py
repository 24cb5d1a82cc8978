"""Backups: from either database to either, under load, of earlier schemas; what is damaged changes nothing."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from replyx.app import open_app, open_database
from replyx.backup.archive import HEADER, verify, writing
from replyx.backup.keeping import Backups
from replyx.backup.making import make_backup
from replyx.backup.moving import move
from replyx.backup.restoring import Restore
from replyx.backup.secrets import seal, unseal
from replyx.backup.stores import store_of
from replyx.config.settings import Config
from replyx.errors import BackupUnusable, Conflict
from replyx.storage.database import Database
from replyx.storage.portable import read_rows, shapes_of, snapshot
from replyx.storage.schema import ALL_TABLES, schema_status
from tests.conftest import Configure
from tests.migration.schemas import NAMES, apply_up_to, fill
from tests.support.clock import MovableClock
from tests.support.desk import Desk

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def other(request: pytest.FixtureRequest, configure: Configure, tmp_path: Path) -> Config:
    """An installation of its own, whose database has no table yet."""
    url = f"sqlite:///{tmp_path / 'other' / 'replyx.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("empty_postgres_url")
    return configure(REPLYX_DATABASE__URL=url, REPLYX_DATA_DIR=str(tmp_path / "other"))


def _contents(db: Database) -> dict[str, list[Any]]:
    with snapshot(db):
        return {shape.name: sorted(map(json.dumps, read_rows(db, shape))) for shape in shapes_of(db)}


def _backup(db: Database, config: Config, path: Path, passphrase: str | None = None) -> Path:
    return make_backup(db, config, path, now=_NOW, passphrase=passphrase).path


def _restored(path: Path, config: Config) -> dict[str, list[Any]]:
    Restore(path, config).run()
    with closing(open_database(config)) as database:
        return _contents(database)


@pytest.fixture
def full(configure: Configure, database_url: str) -> Iterator[tuple[Database, Config]]:
    """A database with a row in every table."""
    config = configure(REPLYX_DATABASE__URL=database_url)
    with closing(open_database(config)) as database:
        fill(database)
        yield database, config


def test_every_row_of_every_table_comes_back_on_either_database(
    full: tuple[Database, Config], other: Config, tmp_path: Path
) -> None:
    before = _contents(full[0])
    path = _backup(*full, tmp_path / "one.backup")

    after = _restored(path, other)

    assert {table._meta.table_name for table in ALL_TABLES} - set(before) == {"process_beats", "leases"}
    assert all(before.values()), "every table has a row"
    assert after == before
    with closing(open_database(other)) as database:
        assert list(schema_status(database).applied) == list(NAMES)


def test_all_moves_to_an_empty_database_and_to_no_other(full: tuple[Database, Config], other: Config) -> None:
    before = _contents(full[0])

    rows = move(full[0], other.database_url, 5.0)

    assert {name: len(found) for name, found in before.items()} == rows
    with closing(open_database(other)) as database:
        assert _contents(database) == before
    with pytest.raises(Conflict):
        move(open_database(full[1]), other.database_url, 5.0)


def test_new_rows_get_numbers_behind_the_restored_ones(desk: Desk, other: Config, tmp_path: Path) -> None:
    dialog = desk.open_dialog()
    desk.ask(dialog, "Сколько стоит доставка?")
    path = _backup(desk.app.db, desk.app.config, tmp_path / "one.backup", "верный пароль")
    Restore(path, other).run("верный пароль")

    with closing(open_app(other)) as app:
        again = Desk(app, desk.llm, desk.owner, desk.user, desk.assistant)
        second = again.open_dialog()
        assert second > dialog
        assert again.ask(second, "А в Тверь?") is not None
        assert app.ledger.verify().ok


def test_a_backup_under_load_is_of_one_moment(desk: Desk, other: Config, tmp_path: Path) -> None:
    dialogs = [desk.open_dialog() for _ in range(4)]
    said: dict[int, int] = {}
    stop = threading.Event()

    def talk(dialog: int) -> None:
        number = 0
        while not stop.is_set() and number < 60:
            desk.ask(dialog, f"Вопрос {number}")
            number += 1
            said[dialog] = number

    talkers = [threading.Thread(target=talk, args=(dialog,)) for dialog in dialogs]
    for talker in talkers:
        talker.start()
    while len(said) < 4:
        stop.wait(0.01)
    before = dict(said)
    path = _backup(desk.app.db, desk.app.config, tmp_path / "one.backup")
    stop.set()
    for talker in talkers:
        talker.join()

    Restore(path, other).run()
    with closing(open_app(other)) as app:
        assert app.ledger.verify().ok
        for dialog, number in before.items():
            events = app.dialogs.events(desk.owner, dialog, after_seq=0)
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            texts = [row.text for row in app.dialogs.messages(desk.owner, dialog)]
            assert texts.count(f"Вопрос {number - 1}") == 1, "what was answered before the backup is in it"


@pytest.mark.parametrize("name", [NAMES[5], NAMES[-2]])
def test_a_backup_of_an_earlier_schema_is_restored_and_migrated(
    configure: Configure, empty_database_url: str, other: Config, tmp_path: Path, name: str
) -> None:
    config = configure(REPLYX_DATABASE__URL=empty_database_url)
    with closing(open_database(config)) as database:
        apply_up_to(database, name)
        kept = fill(database)
        path = _backup(database, config, tmp_path / "old.backup")

    Restore(path, other).run()

    with closing(open_database(other)) as database, database.connection():
        assert list(schema_status(database).applied) == list(NAMES)
        for table in set(kept) - {"process_beats"}:
            assert database.native.execute_sql(f'SELECT count(*) FROM "{table}"').fetchone()[0] >= 1


def _damaged(path: Path) -> Iterator[tuple[str, bytes]]:
    whole = path.read_bytes()
    plain = gzip.decompress(whole)
    yield "empty", b""
    yield "no archive", b"%PDF-1.7 " * 100
    yield "cut in half", whole[: len(whole) // 2]
    yield "without its end", gzip.compress(plain[: plain.index(b"checksums.json")])
    yield "changed", gzip.compress(plain.replace(b"correct", b"wronger"))
    yield "a letter changed", gzip.compress(plain.replace("Помощник".encode(), "Помощниц".encode()))
    yield "a foreign file", gzip.compress(plain.replace(b"config/replyx.toml", b"../../../etc/passw"))


def test_a_damaged_backup_is_refused_and_nothing_changes(desk: Desk, tmp_path: Path) -> None:
    desk.ask(desk.open_dialog(), "correct horse")
    before = _contents(desk.app.db)
    path = _backup(desk.app.db, desk.app.config, tmp_path / "one.backup")
    verify(path)

    for what, content in _damaged(path):
        broken = tmp_path / "broken.backup"
        broken.write_bytes(content)
        with pytest.raises(BackupUnusable):
            Restore(broken, desk.app.config).run()
            pytest.fail(what)
    assert _contents(desk.app.db) == before


def test_a_backup_of_a_newer_program_names_the_command(tmp_path: Path, config: Config) -> None:
    with writing(tmp_path / "new.backup") as archive:
        archive.add_bytes(HEADER, json.dumps({"format": 1, "schema": [*NAMES, "9999_later"]}).encode())
        archive.finish({})

    with pytest.raises(BackupUnusable) as refused:
        Restore(tmp_path / "new.backup", config)
    assert "pip install --upgrade replyx" in refused.value.message("en")


def test_a_backup_that_cannot_be_finished_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "one.backup"):
        _ = 1 // 0

    assert list(tmp_path.iterdir()) == []


def test_secrets_are_inside_only_when_asked_for_and_open_only_by_their_passphrase(desk: Desk, tmp_path: Path) -> None:
    app, key = desk.app, (desk.app.config.data_dir / "secret.key").read_text(encoding="utf-8").strip()
    plain = _backup(app.db, app.config, tmp_path / "plain.backup")
    sealed = _backup(app.db, app.config, tmp_path / "sealed.backup", "верный пароль")

    for path in (plain, sealed):
        assert path.stat().st_mode & 0o077 == 0
        content = gzip.decompress(path.read_bytes())
        assert key.encode() not in content
        assert b"sk-test-0123456789abcdef" not in content
    with pytest.raises(BackupUnusable):
        Restore(plain, app.config).run("верный пароль")
    with pytest.raises(BackupUnusable):
        Restore(sealed, app.config).run("другой пароль")
    assert unseal(seal({"a": "б"}, "x"), "x") == {"a": "б"}


def test_the_master_key_comes_back_with_its_passphrase(
    desk: Desk, configure: Configure, tmp_path: Path, empty_postgres_url: str
) -> None:
    path = _backup(desk.app.db, desk.app.config, tmp_path / "one.backup", "верный пароль")
    config = configure(REPLYX_DATABASE__URL=empty_postgres_url, REPLYX_DATA_DIR=str(tmp_path / "elsewhere"))

    without = Restore(path, config).run()
    restored = Restore(path, config).run("верный пароль")

    assert not without.same_key
    assert restored.same_key
    with closing(open_app(config)) as app:
        again = Desk(app, desk.llm, desk.owner, desk.user, desk.assistant)
        answer = again.ask(again.open_dialog(), "Ключ ИИ открывается?")
        assert answer is not None
        assert answer.engine == "remote"


def test_backups_make_themselves_when_they_are_due_and_old_ones_go(
    desk: Desk, configure: Configure, clock: MovableClock
) -> None:
    config = configure(REPLYX_BACKUP__EVERY_HOURS="6", REPLYX_BACKUP__KEEP="2")
    backups = Backups(desk.app.db, clock, config)

    made = []
    for _ in range(5):
        made.append(backups.make_due())
        assert backups.make_due() is None, "none is due right after one"
        clock.advance(timedelta(hours=6).total_seconds())

    assert all(made)
    kept = store_of(config).list()
    assert [one.where for one in kept] == [one.place for one in reversed(made[-2:]) if one]
    assert Backups(desk.app.db, clock, configure(REPLYX_BACKUP__EVERY_HOURS="0")).make_due() is None
    for one in kept:
        verify(Path(one.where))
