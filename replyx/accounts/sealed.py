"""Replacing the master key: every sealed secret of the database is sealed anew, while processes run."""

from __future__ import annotations

import logging
from typing import Any

from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.events.audit import Audit
from replyx.security.master_key import add_master_key, forget_earlier_keys, load_master_keys
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.storage.fields import SealedField
from replyx.storage.schema import ALL_TABLES

logger = logging.getLogger(__name__)


class Sealed:
    """The secrets at rest, all of them."""

    def __init__(self, db: Database, clock: Clock, config: Config) -> None:
        self._db, self._config = db, config
        self._audit = Audit(db, clock)

    def rotate(self) -> int:
        """Make a new master key and seal everything under it; returns how many secrets that were.

        The earlier key stays readable, for processes that run and for tokens of people. A key from the settings is
        replaced there, the new one on a line above the earlier one; then everything is sealed under it.

        Raises:
            ConfigError: the key comes from the settings and is one only, or a secret cannot be opened.
        """
        keys = load_master_keys(self._config)
        if not self._config.security.secret_key or len(keys) == 1:
            keys = add_master_key(self._config)
        return self._seal_anew(keys, "master_key.rotated")

    def forget_earlier(self) -> int:
        """Take leave of the earlier keys, once every process runs with the new one; tokens under them end.

        Raises:
            ConfigError: the key comes from the settings, or a secret cannot be opened.
        """
        count = self._seal_anew(load_master_keys(self._config), "master_key.earlier_forgotten")
        forget_earlier_keys(self._config)
        return count

    def _seal_anew(self, keys: tuple[bytes, ...], action: str) -> int:
        box = SecretBox(*keys)
        with self._db.transaction():
            count = sum(_column(table, field, box) for table in ALL_TABLES for field in _sealed_of(table))
            self._audit.record(action, secrets=count)
        logger.warning("the secrets were sealed anew", extra={"action": action, "secrets": count})
        return count


def _column(table: Any, field: Any, box: SecretBox) -> int:
    key = table._meta.primary_key  # noqa: SLF001 - peewee tells it nowhere else
    rows = list(table.select(key, field).where(field.is_null(False) & (field != "")).tuples())
    # A row that somebody changes at this moment was sealed under a key that is still at hand.
    return sum(
        int(table.update({field: box.seal(box.open(sealed))}).where((key == row) & (field == sealed)).execute())
        for row, sealed in rows
    )


def _sealed_of(table: Any) -> list[Any]:
    fields = table._meta.sorted_fields  # noqa: SLF001 - peewee tells it nowhere else
    return [field for field in fields if isinstance(field, SealedField)]
