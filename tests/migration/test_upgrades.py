"""`replyx upgrade` ends in the new schema or in the old one, with every row; where it died, the next call goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.backup.restoring import Restore
from replyx.backup.upgrade_lock import holding
from replyx.backup.upgrading import STATE, Upgrade
from replyx.clock import SystemClock
from replyx.config.loading import load_config
from replyx.config.settings import Config
from replyx.errors import AlreadyRunning, UpgradeFailed
from replyx.storage.database import Database
from replyx.storage.schema import migrate, schema_status
from tests.migration.conftest import Stages
from tests.migration.schemas import NAMES, describe, fill, rows
from tests.migration.upgrading import NotedUnits
from tests.support.processes import Box
from tests.support.programs import wait_until

#: An old schema with messages, money and knowledge in it, and the newest but one.
_OLD, _LAST_BUT_ONE = NAMES[6], NAMES[-2]


@pytest.fixture
def installation(empty_database_url: str, tmp_path: Path) -> Config:
    """Settings and a data directory: the test runs once on each kind of database."""
    (tmp_path / "replyx.toml").write_text(
        f'[database]\nurl = "{empty_database_url}"\n[paths]\ndata_dir = "{tmp_path}"\n', encoding="utf-8"
    )
    return load_config(tmp_path / "replyx.toml", {})


@pytest.fixture
def old_db(installation: Config) -> Iterator[Database]:
    """Its database, without a table."""
    db = Database(installation.database_url, pool=2, timeout=30)
    yield db
    db.close()


def _filled(db: Database, config: Config, stages: Stages, name: str) -> dict[str, tuple[object, ...]]:
    """A database as the ReplyX of that migration would have left it, with a row in every table, and balanced books."""
    stages.put(config.database_url, name)
    filled = fill(db)
    with db.transaction():
        db.native.execute_sql('DELETE FROM "process_beats"')
    del filled["process_beats"]
    return filled


def _upgrade(config: Config, **how: bool) -> Upgrade:
    units = NotedUnits(config.data_dir / "units", refuse=how.get("refuse", False))
    return Upgrade(config, units, SystemClock())


def _asked(config: Config) -> list[str]:
    """What the units were asked for, in its order."""
    return [json.loads(line)[0] for line in (config.data_dir / "units").read_text().splitlines()]


@pytest.mark.parametrize("name", NAMES[6:-1])
def test_every_released_schema_upgrades_and_its_backup_brings_it_back(
    installation: Config, old_db: Database, stages: Stages, name: str
) -> None:
    filled, schema = _filled(old_db, installation, stages, name), describe(old_db)

    done = _upgrade(installation).run()

    assert done.applied == [later for later in NAMES if later > name]
    assert rows(old_db, filled) == {table: [values] for table, (_, values) in filled.items()}
    assert _asked(installation) == ["stop", "start"]
    assert not (installation.data_dir / STATE).exists()
    old_db.close()

    assert done.backup is not None
    Restore(Path(done.backup), installation, migrate_after=False).run()
    assert describe(old_db) == schema
    assert rows(old_db, filled) == {table: [values] for table, (_, values) in filled.items()}


@pytest.mark.parametrize("name", [_OLD, _LAST_BUT_ONE])
def test_units_that_do_not_start_bring_the_old_database_back(
    installation: Config, old_db: Database, stages: Stages, name: str
) -> None:
    filled, schema = _filled(old_db, installation, stages, name), describe(old_db)

    with pytest.raises(UpgradeFailed, match="put back as it was"):
        _upgrade(installation, refuse=True).run()
    old_db.close()

    assert describe(old_db) == schema
    assert rows(old_db, filled) == {table: [values] for table, (_, values) in filled.items()}
    assert _asked(installation) == ["stop", "start", "stop"]
    assert _upgrade(installation).run().applied == [later for later in NAMES if later > name]


def test_what_came_in_since_is_not_lost_with_the_way_back(
    installation: Config, old_db: Database, stages: Stages
) -> None:
    _filled(old_db, installation, stages, _LAST_BUT_ONE)

    class Working(NotedUnits):
        """A unit that takes something in before it fails."""

        def start(self, names: list[str]) -> list[str]:
            with old_db.transaction():
                old_db.native.execute_sql("UPDATE events SET id = id + 1")
            return names

    work = Upgrade(installation, Working(installation.data_dir / "units", refuse=True), SystemClock())
    with pytest.raises(UpgradeFailed, match="is the new one and sound"):
        work.run()

    assert schema_status(old_db).applied == NAMES


def test_a_migration_that_fails_changes_nothing(installation: Config, old_db: Database, stages: Stages) -> None:
    _filled(old_db, installation, stages, _OLD)
    with old_db.transaction():
        # In the way of a later migration.
        old_db.native.execute_sql('CREATE TABLE "payments" ("other" INTEGER)')
    schema = describe(old_db)

    with pytest.raises(UpgradeFailed, match="It is as it was"):
        _upgrade(installation).run()

    assert describe(old_db) == schema
    assert schema_status(old_db).applied[-1] == _OLD
    with old_db.transaction():
        old_db.native.execute_sql('DROP TABLE "payments"')
    assert _upgrade(installation).run().applied[-1] == NAMES[-1]


@pytest.mark.parametrize(
    "death",
    ["--die-at=stop", "--die-at=backup", "--die-before=CREATE TABLE.*payments", "--die-at=migrate", "--die-at=start"],
)
def test_an_upgrade_that_dies_is_finished_by_the_next_call(
    installation: Config, old_db: Database, stages: Stages, box: Box, death: str
) -> None:
    filled = _filled(old_db, installation, stages, _OLD)
    old_db.close()
    dead = box.start_python("-m", "tests.migration.upgrading", str(installation.data_dir), death).wait(60)
    assert dead.code == -signal.SIGKILL, dead.err
    # PostgreSQL notices the death a moment later; the database is of one schema or the other.
    wait_until(lambda: schema_status(old_db).applied[-1] in (_OLD, NAMES[-1]), 30, "a schema between two")
    old_db.close()

    done = _upgrade(installation).run()

    assert done.resumed is True
    assert done.units == ["replyx-server.service", "replyx-worker@1.service"]
    assert schema_status(old_db).applied == NAMES
    assert rows(old_db, filled) == {table: [values] for table, (_, values) in filled.items()}
    assert _asked(installation)[-1] == "start"
    assert not (installation.data_dir / STATE).exists()


def test_a_way_back_that_dies_is_gone_to_its_end_by_the_next_call(
    installation: Config, old_db: Database, stages: Stages, box: Box
) -> None:
    filled, schema = _filled(old_db, installation, stages, _OLD), describe(old_db)
    old_db.close()
    dead = box.start_python("-m", "tests.migration.upgrading", str(installation.data_dir), "--refuse", "--die-at=back")
    assert dead.wait(60).code == -signal.SIGKILL

    with pytest.raises(UpgradeFailed, match="put back as it was"):
        _upgrade(installation).run()
    old_db.close()

    assert describe(old_db) == schema
    assert rows(old_db, filled) == {table: [values] for table, (_, values) in filled.items()}


def test_a_second_upgrade_is_refused(installation: Config, old_db: Database) -> None:
    migrate(old_db)

    with holding(installation), pytest.raises(AlreadyRunning, match="under way"):
        _upgrade(installation).run()
