"""Letters that confirm addresses: sent once, tried again, given up; the bonus comes with the link, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replyx.accounts.views import UserView
from replyx.app import App, open_app
from replyx.config.settings import Config
from replyx.errors import ConfigError, Conflict, NotAuthenticated, TokenExpired, ValidationFailed
from replyx.security.tokens import TokenKind
from replyx.storage.letters import Letter
from replyx.testing import smtp_server
from replyx.testing.smtp_server import SmtpServer
from replyx.types import Actor, Role
from tests.conftest import Configure
from tests.support.clock import MovableClock

PASSWORD = "correct horse battery"
SITE = "https://help.example"


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with smtp_server.serving() as server:
        yield server


@pytest.fixture
def app(configure: Configure, database_url: str, smtp: SmtpServer, clock: MovableClock) -> Iterator[App]:
    """An app that sends letters."""
    opened = open_app(_config(configure, database_url, smtp), clock=clock)
    yield opened
    opened.close()


def _config(configure: Configure, database_url: str, smtp: SmtpServer, **more: str) -> Config:
    settings = {
        "REPLYX_DATABASE__URL": database_url,
        "REPLYX_MAIL__HOST": "127.0.0.1",
        "REPLYX_MAIL__PORT": str(smtp.port),
        "REPLYX_MAIL__SECURITY": "none",
        "REPLYX_MAIL__SENDER": "Магазин <help@shop.example>",
    }
    return configure(**{**settings, **more})


def _sign_up(app: App, email: str = "anna@example.com", language: str = "ru") -> UserView:
    return app.registration.sign_up(email, PASSWORD, language=language, link_base=SITE)


def _actor(user: UserView) -> Actor:
    return Actor(Role.OWNER, user_id=user.id)


def _token(smtp: SmtpServer, number: int = -1) -> str:
    found = re.search(rf"{SITE}/verify-email\?token=(\S+)", smtp.taken[number].text)
    assert found is not None, smtp.taken[number].text
    return found[1]


def _hurry(app: App) -> None:
    """What is due later is due now, and whoever sends has died."""
    with app.db.transaction():
        Letter.update(due_at=0, lease_until=0).execute()


def test_the_bonus_comes_with_the_link_and_once(app: App, smtp: SmtpServer) -> None:
    user = _sign_up(app)
    assert (user.balance, user.welcome_bonus, user.is_verified) == (0, 0, False)

    assert app.verification.letters.send_due() == 1
    token = _token(smtp)
    app.verification.look(token)
    assert not app.accounts.get(user.id).is_verified

    assert app.verification.confirm(token) is True
    assert app.verification.confirm(token) is False

    after = app.accounts.get(user.id)
    assert (after.balance, after.welcome_bonus, after.is_verified) == (500_00, 500_00, True)
    assert app.ledger.transactions(user.id)[1] == 1
    assert app.ledger.verify().ok
    assert app.verification.letters.send_due() == 0
    assert app.verification.letters.counts() == {"sent": 1}


@pytest.mark.parametrize(
    ("language", "subject", "word"),
    [("ru", "Подтвердите адрес электронной почты", "Здравствуйте"), ("en", "Confirm your e-mail address", "Hello")],
)
def test_letters_are_whole_and_speak_the_users_language(
    app: App, smtp: SmtpServer, language: str, subject: str, word: str
) -> None:
    _sign_up(app, language=language)
    app.verification.letters.send_due()

    (mail,) = smtp.taken
    message = mail.message
    assert (mail.sender, mail.recipient) == ("help@shop.example", "anna@example.com")
    assert (message["Subject"], message["To"], message["From"]) == (
        subject, "anna@example.com", "Магазин <help@shop.example>",
    )  # fmt: skip
    assert str(message["Message-ID"]).endswith("@shop.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert word in mail.text
    assert mail.content.isascii()
    assert not re.search(rb"(?<!\r)\n", mail.content)


def test_an_address_has_one_bonus_for_ever(app: App, smtp: SmtpServer) -> None:
    for balance in (500_00, 0):
        user = _sign_up(app)
        app.verification.letters.send_due()
        assert app.verification.confirm(_token(smtp)) is True
        assert app.accounts.get(user.id).balance == balance
        app.accounts.delete_user(user.id)
    assert app.ledger.verify().ok


def test_of_many_presses_at_once_one_counts(app: App, smtp: SmtpServer) -> None:
    user = _sign_up(app)
    app.verification.letters.send_due()
    token = _token(smtp)

    with ThreadPoolExecutor(6) as pool:
        counted = list(pool.map(app.verification.confirm, [token] * 12))

    assert sorted(counted) == [False] * 11 + [True]
    assert app.accounts.get(user.id).balance == 500_00
    assert app.ledger.verify().ok


def test_links_of_others_old_ones_and_other_tokens_confirm_nothing(
    app: App, smtp: SmtpServer, clock: MovableClock
) -> None:
    user = _sign_up(app)
    app.verification.letters.send_due()
    token = _token(smtp)

    wrong = ["", "x", token[:-2], app.accounts.issue_access(user), app.tokens.issue(TokenKind.LETTER, "nobody", 60)]
    for text in (*wrong, app.tokens.issue(TokenKind.LETTER, "999999", 60)):
        with pytest.raises(NotAuthenticated):
            app.verification.confirm(text)
    with pytest.raises(NotAuthenticated):
        app.accounts.authenticate(token)
    clock.advance(48 * 3600)
    with pytest.raises(TokenExpired):
        app.verification.confirm(token)
    assert not app.accounts.get(user.id).is_verified


def test_a_disabled_user_confirms_nothing(app: App, smtp: SmtpServer) -> None:
    user = _sign_up(app)
    app.verification.letters.send_due()
    app.accounts.set_active(user.id, False)
    with pytest.raises(NotAuthenticated):
        app.verification.confirm(_token(smtp))


def test_an_administrator_vouches_in_place_of_the_link(app: App, smtp: SmtpServer) -> None:
    user = _sign_up(app)

    vouched = app.verification.vouch(user.id)

    assert (vouched.balance, vouched.is_verified) == (500_00, True)
    assert app.verification.vouch(user.id) == vouched
    assert app.verification.letters.send_due() == 0
    assert smtp.taken == []
    with pytest.raises(Conflict):
        app.verification.ask(_actor(user), "ru", SITE)


def test_who_had_the_bonus_or_an_opening_balance_gets_none_with_the_link(app: App, smtp: SmtpServer) -> None:
    made = app.registration.register("made@example.com", PASSWORD)
    rich = app.registration.register("rich@example.com", PASSWORD, opening_balance=7_00)
    operator = app.registration.register("olga@example.com", PASSWORD, operator_of=made.id)
    assert (made.balance, rich.balance) == (500_00, 7_00)

    for user in (made, rich, operator):
        app.verification.ask(_actor(user), "en", SITE)
    assert app.verification.letters.send_due() == 3
    for number in range(3):
        assert app.verification.confirm(_token(smtp, number)) is True

    balances = [app.accounts.get(user.id).balance for user in (made, rich, operator)]
    assert balances == [500_00, 7_00, 0]


def test_a_letter_on_its_way_is_not_doubled(app: App, smtp: SmtpServer) -> None:
    user = _sign_up(app)
    app.verification.ask(_actor(user), "ru", SITE)
    assert app.verification.letters.send_due() == 1
    app.verification.ask(_actor(user), "en", SITE)
    assert app.verification.letters.send_due() == 1
    assert len({mail.message["Message-ID"] for mail in smtp.taken}) == 2
    # An earlier letter's link is as good as the last one's.
    assert app.verification.confirm(_token(smtp, 0)) is True


@pytest.mark.parametrize("email", ["a<me@example.com", "me(x)@example.com", "a,b@example.com", 'a"b@example.com'])
def test_addresses_that_can_be_read_as_others_get_no_letter(app: App, email: str) -> None:
    with pytest.raises(ValidationFailed):
        _sign_up(app, email)
    old = app.registration.register(email, PASSWORD)
    with pytest.raises(ValidationFailed):
        app.verification.ask(_actor(old), "ru", SITE)


def test_an_address_of_other_letters_is_written_to(app: App, smtp: SmtpServer) -> None:
    user = _sign_up(app, "почта@пример.рф")
    assert app.verification.letters.send_due() == 1
    assert smtp.taken[0].recipient == user.email


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_what_the_server_does_not_take_now_is_tried_again(app: App, smtp: SmtpServer, step: str) -> None:
    _sign_up(app)
    smtp.refusals[step] = "451 4.7.1 Come back later"
    assert app.verification.letters.send_due() == 0
    assert app.verification.letters.send_due() == 0
    assert app.verification.letters.counts() == {"new": 1}
    assert app.verification.letters.last_failure() == "451 4.7.1 Come back later"

    del smtp.refusals[step]
    assert app.verification.letters.send_due() == 0
    _hurry(app)
    assert app.verification.letters.send_due() == 1
    assert app.verification.letters.last_failure() is None


@pytest.mark.parametrize("step", ["RCPT", "DATA", "CONTENT"])
def test_what_the_server_will_never_take_is_given_up_and_others_go_on(app: App, smtp: SmtpServer, step: str) -> None:
    _sign_up(app, "nobody@example.com")
    smtp.refusals[step] = "550 5.1.1 No such user"
    assert app.verification.letters.send_due() == 0
    assert app.verification.letters.counts() == {"failed": 1}
    del smtp.refusals[step]
    _sign_up(app)
    assert app.verification.letters.send_due() == 1
    assert app.verification.letters.last_failure() == "550 5.1.1 No such user"


def test_a_server_that_stays_away_is_given_up_when_the_link_would_be_over(
    app: App, smtp: SmtpServer, clock: MovableClock
) -> None:
    _sign_up(app)
    smtp.refusals["MAIL"] = "550 not you"
    app.verification.letters.send_due()
    assert app.verification.letters.counts() == {"new": 1}
    clock.advance(48 * 3600 + 1)
    _hurry(app)
    app.verification.letters.send_due()
    assert app.verification.letters.counts() == {"failed": 1}
    clock.advance(31 * 86_400)
    assert app.verification.letters.purge() == 1


def test_a_letter_in_doubt_is_sent_once_more_under_the_same_name(app: App, smtp: SmtpServer) -> None:
    _sign_up(app)
    smtp.silences = 5

    assert app.verification.letters.send_due() == 0
    assert app.verification.letters.send_due() == 0
    _hurry(app)
    assert app.verification.letters.send_due() == 0
    _hurry(app)
    assert app.verification.letters.send_due() == 0

    assert app.verification.letters.counts() == {"maybe_sent": 1}
    first, second = smtp.taken
    assert first.message["Message-ID"] == second.message["Message-ID"]


def test_a_sender_that_died_before_the_letter_leaves_no_doubt(app: App, smtp: SmtpServer) -> None:
    _sign_up(app)
    for state, doubts in (("sending", 0), ("handing", 1)):
        with app.db.transaction():
            Letter.update(state=state, lease_until=app.db.now_ms(60)).execute()
        assert app.verification.letters.send_due() == 0
        app.verification.letters.take_back()
        smtp.refusals["MAIL"] = "421 not now"
        app.verification.letters.send_due()
        with app.db.connection():
            assert (Letter.get().state, Letter.get().doubts) == ("new", doubts)
    smtp.refusals.clear()
    _hurry(app)
    assert app.verification.letters.send_due() == 1
    assert len(smtp.taken) == 1


def test_of_several_workers_one_sends_a_letter(app: App, smtp: SmtpServer) -> None:
    for number in range(6):
        _sign_up(app, f"user{number}@example.com")

    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(lambda _: app.verification.letters.send_due(), range(8)))

    assert sent == 6
    assert sorted(mail.recipient for mail in smtp.taken) == [f"user{number}@example.com" for number in range(6)]


def test_one_that_was_overtaken_sends_nothing(app: App, smtp: SmtpServer) -> None:
    _sign_up(app)
    attempt = app.verification.letters._claim()
    assert attempt is not None
    _hurry(app)
    assert app.verification.letters.send_due() == 1

    assert app.verification.letters._begins(attempt) is False
    assert app.verification.letters._settle(attempt, "failed") is False
    assert app.verification.letters.counts() == {"sent": 1}


def test_without_mail_the_bonus_comes_at_once_and_no_letter_is_owed(configure: Configure, database_url: str) -> None:
    app = open_app(configure(REPLYX_DATABASE__URL=database_url))
    try:
        user = _sign_up(app)
        assert (user.balance, user.is_verified) == (500_00, False)
        with pytest.raises(Conflict, match="replyx users verify"):
            app.verification.ask(_actor(user), "en", SITE)
        assert app.verification.letters.counts() == {}
        assert app.verification.vouch(user.id).balance == 500_00
    finally:
        app.close()


@pytest.mark.parametrize("sender", ["", "nobody", "Магазин <почта@пример.рф>"])
def test_a_sender_that_is_no_address_is_refused_with_the_settings(configure: Configure, sender: str) -> None:
    with pytest.raises(ConfigError, match=r"mail\.sender"):
        configure(REPLYX_MAIL__HOST="127.0.0.1", REPLYX_MAIL__SENDER=sender)


def test_a_password_file_is_read_and_the_password_never_shown(
    configure: Configure, database_url: str, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret-pass\n")
    with smtp_server.serving(login=("robot", "s3cret-pass")) as server:
        secret = {"REPLYX_MAIL__USER": "robot", "REPLYX_MAIL__PASSWORD_FILE": str(tmp_path / "password")}
        config = _config(configure, database_url, server, **secret)
        app = open_app(config, clock=clock)
        try:
            _sign_up(app)
            server.login = ("robot", "another")
            app.verification.letters.send_due()
            assert "535" in (app.verification.letters.last_failure() or "")
            server.login = ("robot", "s3cret-pass")
            _hurry(app)
            assert app.verification.letters.send_due() == 1
        finally:
            app.close()
    assert server.taken[0].login == "robot"
