"""Registration: a new user with the welcome bonus, or with the letter that it waits for, in one transaction."""

from __future__ import annotations

from replyx.accounts.accounts import Accounts
from replyx.accounts.emails import require_plain
from replyx.accounts.views import UserView
from replyx.billing.ledger import Ledger
from replyx.billing.verification import Verification
from replyx.billing.wording import OPENING_BALANCE
from replyx.config.settings import Config
from replyx.errors import InsufficientPermissions
from replyx.storage.database import Database


class Registration:
    """Makes users that have money."""

    def __init__(
        self, db: Database, accounts: Accounts, ledger: Ledger, verification: Verification, config: Config
    ) -> None:
        self._db, self._accounts, self._ledger, self._config = db, accounts, ledger, config
        self._verification = verification

    def sign_up(
        self,
        email: str,
        password: str,
        first_name: str = "",
        last_name: str = "",
        *,
        language: str = "ru",
        link_base: str = "",
    ) -> UserView:
        """What a stranger may do: register as an ordinary user, where `accounts.registration` allows it.

        Where letters can be sent, one goes out in `language`, with a link that begins with `link_base`, and the welcome
        bonus waits until it is used.

        Raises:
            InsufficientPermissions: registration is closed. ValidationFailed, Conflict: as in `register`.
        """
        if not self._config.accounts.registration:
            raise InsufficientPermissions(
                "Регистрация закрыта. Попросите администратора создать учётную запись.",
                "Registration is closed. Ask the administrator for an account.",
            )
        if not self._verification.is_on:
            return self.register(email, password, first_name, last_name)
        new = self._accounts.prepare(email, password, first_name=first_name, last_name=last_name)
        require_plain(new.email)
        with self._db.transaction():
            user = self._accounts.add(new)
            self._verification.begin(user.id, language, link_base)
            return user

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
                self._verification.welcome(user)
            elif opening_balance != 0:
                self._ledger.credit(
                    user.id,
                    opening_balance,
                    kind="credit",
                    key=f"opening:{user.id}",
                    description=OPENING_BALANCE,
                )
            return self._accounts.get(user.id)
