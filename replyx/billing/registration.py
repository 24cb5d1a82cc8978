"""Registration: a new user with the welcome bonus, in one transaction."""

from __future__ import annotations

import hashlib

from replyx.accounts.accounts import Accounts
from replyx.accounts.views import UserView
from replyx.billing.ledger import Ledger
from replyx.billing.money import kopecks
from replyx.billing.wording import OPENING_BALANCE, WELCOME_BONUS
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import Conflict, InsufficientPermissions
from replyx.storage.accounts import User
from replyx.storage.database import Database


class Registration:
    """Makes users that have money."""

    def __init__(self, db: Database, accounts: Accounts, ledger: Ledger, config: Config, clock: Clock) -> None:
        self._db, self._accounts, self._ledger, self._config, self._clock = db, accounts, ledger, config, clock

    def sign_up(self, email: str, password: str, first_name: str = "", last_name: str = "") -> UserView:
        """What a stranger may do: register as an ordinary user, where `accounts.registration` allows it.

        Raises:
            InsufficientPermissions: registration is closed. ValidationFailed, Conflict: as in `register`.
        """
        if not self._config.accounts.registration:
            raise InsufficientPermissions(
                "Регистрация закрыта. Попросите администратора создать учётную запись.",
                "Registration is closed. Ask the administrator for an account.",
            )
        return self.register(email, password, first_name, last_name)

    def register(
        self,
        email: str,
        password: str,
        first_name: str = "",
        last_name: str = "",
        *,
        is_admin: bool = False,
        opening_balance: int | None = None,
        operator_of: int | None = None,
    ) -> UserView:
        """A new user with the welcome bonus, once for each e-mail for ever; or with `opening_balance` kopecks instead.

        An operator (`operator_of`: its owner's id) has no money of its own, and gets no bonus.

        Raises:
            ValidationFailed: a field cannot be used. Conflict: the e-mail is taken. InvalidAmount: the sum cannot be.
            NotFound: no such owner.
        """
        new = self._accounts.prepare(
            email, password, first_name=first_name, last_name=last_name, is_admin=is_admin, owner_id=operator_of
        )
        if operator_of is not None:
            return self._accounts.add(new)
        with self._db.transaction():
            user = self._accounts.add(new)
            if opening_balance is None:
                self._welcome(user)
            elif opening_balance != 0:
                self._ledger.credit(
                    user.id,
                    opening_balance,
                    kind="credit",
                    key=f"opening:{user.id}",
                    description=OPENING_BALANCE,
                )
            return self._accounts.get(user.id)

    def _welcome(self, user: UserView) -> None:
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
