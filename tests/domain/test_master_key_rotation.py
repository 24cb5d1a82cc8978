"""Replacing the master key: secrets, logins and processes outlive it; an earlier key can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.app import App, open_app
from replyx.errors import ConfigError, NotAuthenticated
from replyx.security.master_key import FILE_NAME, load_master_keys
from replyx.security.secretbox import SecretBox
from replyx.security.tokens import TokenKind, TokenSigner
from replyx.storage.ai_tokens import AiToken
from tests.conftest import Configure

SECRET = "sk-proj-0123456789abcdefghijklmnopqr"


@pytest.fixture
def app(configure: Configure, database_url: str) -> Iterator[App]:
    app = open_app(configure(REPLYX_DATABASE__URL=database_url))
    yield app
    app.close()


def sealed(app: App) -> str:
    with app.db.connection():
        return str(AiToken.get().secret)


def started_since(app: App) -> TokenSigner:
    """What a process that starts now reads tokens with."""
    return TokenSigner(app.clock, *load_master_keys(app.config))


def test_secrets_and_logins_outlive_the_key_also_in_a_process_that_runs(app: App, database_url: str) -> None:
    app.ai_tokens.add("a", SECRET, model_access=["m"])
    (old,) = load_master_keys(app.config)
    login = app.tokens.issue(TokenKind.TICKET, "1", 60)

    assert app.sealed.rotate() == 1

    new, *earlier = load_master_keys(app.config)
    assert new != old
    assert earlier == [old]
    assert SecretBox(new).open(sealed(app)) == SECRET
    with pytest.raises(ConfigError):
        SecretBox(old).open(sealed(app))
    # This process began under the earlier key.
    key = app.ai_tokens.reserve("m")
    assert key is not None
    assert key.secret == SECRET
    assert started_since(app).read(login, TokenKind.TICKET).subject == "1"
    assert (app.config.data_dir / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_forgotten_key_opens_nothing_more(app: App) -> None:
    app.ai_tokens.add("a", SECRET, model_access=["m"])
    login = app.tokens.issue(TokenKind.TICKET, "1", 60)
    app.sealed.rotate()
    app.sealed.forget_earlier()
    (only,) = load_master_keys(app.config)
    assert SecretBox(only).open(sealed(app)) == SECRET
    with pytest.raises(NotAuthenticated):
        started_since(app).read(login, TokenKind.TICKET)


def test_a_key_from_the_settings_is_replaced_there(configure: Configure, sqlite_url: str) -> None:
    old, new = "0123456789abcdef" * 2 + "f7e6d5c4b3a29180" * 2, "fedcba9876543210" * 2 + "0192a3b4c5d6e7f8" * 2
    first = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, REPLYX_SECURITY__SECRET_KEY=old))
    first.ai_tokens.add("a", SECRET, model_access=["m"])
    with pytest.raises(ConfigError, match="line above"):
        first.sealed.rotate()
    first.close()
    second = open_app(configure(REPLYX_DATABASE__URL=sqlite_url, REPLYX_SECURITY__SECRET_KEY=f"{new}\n{old}"))
    assert second.sealed.rotate() == 1
    assert SecretBox(bytes.fromhex(new)).open(sealed(second)) == SECRET
    second.close()
