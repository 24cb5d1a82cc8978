"""Where the index lies: a folder, or a bucket of an S3-compatible store; and whose turn it is to write there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from replyx.config.settings import Config
from replyx.errors import ServiceUnavailable
from replyx.knowledge.lance import import_lancedb
from replyx.knowledge.processor import require_avx2
from replyx.knowledge.turns import FileTurns, LeaseTurns, Turns
from replyx.storage.database import Database

#: How long an answer waits for a store that does not answer: a search without vectors is better than none.
_PATIENCE = {"connect_timeout": "2s", "timeout": "20s", "client_max_retries": "2", "client_retry_timeout": "5"}


@dataclass(frozen=True)
class Place:
    """`options` are LanceDB's for an object store, the keys to it among them."""

    uri: str
    turns: Turns
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_remote(self) -> bool:
        """Whether it may be out of reach for a while, and whole when it is back."""
        return "://" in self.uri

    def connect(self) -> Any:
        """LanceDB's connection; nothing is asked of a store yet.

        Raises:
            ConfigError: this processor cannot run LanceDB.
        """
        require_avx2()
        return import_lancedb().connect(self.uri, storage_options=dict(self.options) or None)

    async def connect_async(self) -> Any:
        """The same for LanceDB's asynchronous interface.

        Raises:
            ConfigError: this processor cannot run LanceDB.
        """
        require_avx2()
        return await import_lancedb().connect_async(self.uri, storage_options=dict(self.options) or None)

    def require_reach(self) -> None:
        """Ask the store what tables there are.

        Raises:
            ServiceUnavailable: it does not answer, or refuses. ConfigError: as `connect`.
        """
        try:
            self.connect().list_tables(limit=1)
        except (RuntimeError, ValueError, OSError) as error:
            why = " ".join(str(error).split())[:200]
            raise ServiceUnavailable(f"{self.uri}: {why}", f"{self.uri}: {why}") from error


def place_of(config: Config, db: Database) -> Place:
    """What `knowledge.uri` names."""
    uri, settings = config.knowledge_uri, config.knowledge
    if "://" not in uri:
        return Place(uri, FileTurns(config.data_dir / "knowledge.lock"))
    given = {
        "aws_endpoint": settings.store_endpoint,
        "aws_region": settings.store_region,
        "aws_access_key_id": settings.store_access_key,
        "aws_secret_access_key": settings.store_secret_key,
    }
    options = {name: value for name, value in given.items() if value}
    if settings.store_endpoint.startswith("http://"):
        options["allow_http"] = "true"
    # One lease for all who name the same place: two installations have two databases, and two places.
    return Place(uri, LeaseTurns(db, "knowledge"), options | _PATIENCE)
