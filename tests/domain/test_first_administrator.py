"""However many register at once on an empty database: none becomes an administrator, and all look alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from replyx.app import open_app
from replyx.storage.accounts import User
from tests.conftest import Configure

_PEOPLE = 50


@pytest.mark.parametrize("round_", range(2))
def test_fifty_who_register_at_once_make_no_administrator(configure: Configure, database_url: str, round_: int) -> None:
    app = open_app(configure(REPLYX_DATABASE__URL=database_url, REPLYX_DATABASE__POOL="10"))
    together = Barrier(_PEOPLE)

    def register(number: int) -> bool:
        together.wait(60)
        return app.registration.sign_up(f"p{round_}.{number}@example.com", "correct-horse-7").is_admin

    try:
        with ThreadPoolExecutor(_PEOPLE) as pool:
            administrators = sum(pool.map(register, range(_PEOPLE)))
        with app.db.connection():
            stored = User.select().where(User.is_admin).count()
            made = User.select().count()
        assert (administrators, stored, made) == (0, 0, _PEOPLE)
        assert app.assistants.demo() is None
        assert app.ledger.verify().ok
    finally:
        app.close()
