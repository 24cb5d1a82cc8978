"""Confirming addresses: the letter's link, the administrator's word, and the welcome bonus that waits for either."""

from __future__ import annotations

import hashlib
from typing import Any

from replyx.accounts.accounts import Accounts
from replyx.accounts.emails import require_plain
from replyx.accounts.letters import Letters
from replyx.accounts.people import row_of
from replyx.accounts.tokens import Tokens
from replyx.accounts.views import UserView
from replyx.billing.ledger import Ledger
from replyx.billing.money import kopecks
from replyx.billing.wording import WELCOME_BONUS
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import Conflict, NotAuthenticated
from replyx.security.tokens import Claims, TokenKind
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.types import Actor


class Verification:
    """Says whose address is confirmed. An address is confirmed once, and never loses it."""

    def __init__(
        self,
        db: Database,
        accounts: Accounts,
        ledger: Ledger,
        tokens: Tokens,
        config: Config,
        clock: Clock,
    ) -> None:
        self._db, self._accounts, self._ledger, self._clock = db, accounts, ledger, clock
        self._tokens, self._config = tokens, config
        #: The queue of letters, which a worker empties.
        self.letters = Letters(db, tokens, clock, config)

    @property
    def is_on(self) -> bool:
        """Whether new users have to confirm their address: where letters can be sent."""
        return self.letters.is_on

    def begin(self, user_id: int, language: str, link_base: str) -> None:
        """Owe a new user the letter, and the bonus for its link. In the transaction that makes the user."""
        User.update(bonus_is_due=True).where(User.id == user_id).execute()
        self.letters.owe(user_id, language, link_base)

    def ask(self, actor: Actor, language: str, link_base: str) -> None:
        """Send the actor the letter, once more or for the first time; one that is on its way is not doubled.

        Raises:
            Conflict: the address is confirmed already, or no mail can be sent. NotAuthenticated: the actor is no user.
            ValidationFailed: no letter can be sent to this address.
        """
        user = self._accounts.me(actor)
        if user.is_verified:
            raise Conflict("Адрес уже подтверждён.", "The address is confirmed already.")
        if not self.is_on:
            raise Conflict(
                "Этот сервер не отправляет писем. Адрес подтверждает администратор: replyx users verify EMAIL",
                "This server sends no letters. The administrator confirms the address: replyx users verify EMAIL",
            )
        require_plain(user.email)
        with self._db.transaction():
            self.letters.owe(user.id, language, link_base)

    def look(self, token: str) -> None:
        """Read a letter's link and change nothing.

        Raises:
            TokenExpired: its time is over. NotAuthenticated: it is none of ours.
        """
        self._read(token)

    def confirm(self, token: str) -> bool:
        """Use a letter's link: the address is confirmed, and the bonus comes. False: it was confirmed before.

        Raises:
            TokenExpired: its time is over. NotAuthenticated: it is none of ours, or its user is gone or disabled.
        """
        claims = self._read(token)
        with self._db.transaction():
            row = self._db.locked(User.select().where(User.id == int(claims.subject))).first()
            if row is None or not row.is_active:
                raise NotAuthenticated
            return self._verify(row, "link")

    def vouch(self, user_id: int) -> UserView:
        """Confirm a user's address on the administrator's word; one that is confirmed stays as it is.

        Raises:
            NotFound: no such user.
        """
        with self._db.transaction():
            row_of(user_id)
            self._verify(self._db.locked(User.select().where(User.id == user_id)).get(), "administrator")
            return self._accounts.get(user_id)

    def welcome(self, user: UserView) -> None:
        """The welcome bonus, once for each e-mail for ever. In a transaction."""
        bonus = kopecks(self._config.accounts.welcome_bonus)
        if not bonus:
            return
        key = f"welcome:{hashlib.sha256(user.email.encode()).hexdigest()}"
        try:
            self._ledger.credit(user.id, bonus, kind="bonus", key=key, description=WELCOME_BONUS)
        except Conflict:
            # This e-mail had its bonus before it was deleted and registered again.
            return
        User.update(welcome_bonus=bonus).where(User.id == user.id).execute()

    def _verify(self, row: Any, by: str) -> bool:
        if row.email_verified_at is not None:
            return False
        changes = {"email_verified_at": self._clock.now(), "bonus_is_due": False}
        User.update(**changes).where(User.id == row.id).execute()
        self._accounts.audit.record("email.verified", f"user:{row.id}", user_id=row.id, by=by)
        self.letters.drop(row.id)
        if row.bonus_is_due:
            self.welcome(UserView.of(row))
        return True

    def _read(self, token: str) -> Claims:
        claims = self._tokens.read(token, TokenKind.LETTER)
        if not claims.subject.isascii() or not claims.subject.isdigit():
            raise NotAuthenticated
        return claims
