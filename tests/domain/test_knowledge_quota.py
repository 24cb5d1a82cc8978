"""How much a tenant may keep: counted to the document and to the byte, also by twenty uploads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from replyx.errors import UploadQuotaExceeded
from replyx.events.memory import MemoryBus
from replyx.storage.database import Database
from replyx.types import SYSTEM
from tests.conftest import Configure
from tests.domain.library import Library, make_assistant
from tests.domain.owners import make_user
from tests.support.clock import MovableClock

#: Uploads at the same moment.
_AT_ONCE = 20

#: A document of 20 bytes.
_TEXT = "Twenty bytes of text"


class _Libraries:
    """Makes a library under quotas of the test's own."""

    def __init__(self, db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> None:
        self._parts, self._configure = (db, bus, clock), configure

    def make(self, *, documents: int = 0, stored: int = 0) -> Library:
        config = self._configure(
            REPLYX_KNOWLEDGE__MAX_DOCUMENTS=str(documents), REPLYX_KNOWLEDGE__MAX_STORAGE_BYTES=str(stored)
        )
        return Library(*self._parts, config)


@pytest.fixture
def libraries(db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> _Libraries:
    return _Libraries(db, bus, clock, configure)


def _upload_at_once(library: Library) -> list[dict[str, object]]:
    """Twenty threads upload to two assistants of one owner; the details of what was refused."""
    other = make_assistant(library.db, library.clock, library.owner)

    def upload(n: int) -> dict[str, object] | None:
        try:
            library.upload(_TEXT, assistant=other if n % 2 else None)
        except UploadQuotaExceeded as error:
            return error.details
        return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [details for details in pool.map(upload, range(_AT_ONCE)) if details is not None]


def _kept(library: Library) -> tuple[int, int]:
    """Documents in the table, and files on disk."""
    folder = library.config.data_dir / "uploads"
    return library.knowledge.list_documents(library.owner)[1], len(list(folder.iterdir()))


def test_of_twenty_uploads_at_once_as_many_pass_as_there_may_be_documents(libraries: _Libraries) -> None:
    library = libraries.make(documents=9)
    for _ in range(4):
        library.upload(_TEXT)

    refused = _upload_at_once(library)

    assert refused == [{"max_documents": 9}] * (_AT_ONCE - 5)
    assert _kept(library) == (9, 9)


def test_of_twenty_uploads_at_once_as_many_pass_as_there_is_room(libraries: _Libraries) -> None:
    # Room for seven of them, and for all but a byte of the eighth.
    library = libraries.make(stored=8 * len(_TEXT) - 1)

    refused = _upload_at_once(library)

    assert len(refused) == _AT_ONCE - 7
    assert {details["max_storage_bytes"] for details in refused} == {8 * len(_TEXT) - 1}
    assert _kept(library) == (7, 7)


def test_a_quota_is_a_tenants_own_and_deleting_makes_room(libraries: _Libraries) -> None:
    library = libraries.make(documents=2, stored=1000)
    stranger = make_user(library.db, library.clock, "stranger@example.com")
    theirs = make_assistant(library.db, library.clock, stranger)
    first = library.upload(_TEXT)
    library.upload(_TEXT)

    for actor in (library.owner, SYSTEM):
        with pytest.raises(UploadQuotaExceeded):
            library.upload(_TEXT, actor=actor)
    library.upload(_TEXT, assistant=theirs, actor=stranger)
    library.knowledge.delete_document(library.owner, first.id)
    library.upload(_TEXT)

    with pytest.raises(UploadQuotaExceeded):
        library.upload("a" * 1001, assistant=theirs, actor=stranger)
    assert library.knowledge.list_documents(stranger)[1] == 1


def test_who_has_no_room_is_refused_before_anything_is_copied(libraries: _Libraries) -> None:
    library = libraries.make(documents=1)
    library.upload(_TEXT)

    with pytest.raises(UploadQuotaExceeded):
        library.upload("a" * 50_000_000)

    assert _kept(library) == (1, 1)


def test_zero_is_no_bound(libraries: _Libraries) -> None:
    library = libraries.make()

    assert _upload_at_once(library) == []
    assert _kept(library) == (_AT_ONCE, _AT_ONCE)
