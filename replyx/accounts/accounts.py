"""People: who they are, how they prove it, and what ends their sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replyx.accounts.emails import account_email
from replyx.accounts.logins import Logins
from replyx.accounts.people import id_of, new_epoch, no_user, require_change, role_of, searchable
from replyx.accounts.views import UserView
from replyx.errors import Conflict, NotAuthenticated, NotFound, UniqueViolation, ValidationFailed
from replyx.events.audit import REFUSED
from replyx.security.passwords import check_password, hash_password, verify_password
from replyx.security.text import one_line
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.row_counts import kept_count
from replyx.types import Actor, Json

#: Characters of a first or a last name.
_LONGEST_NAME = 100


@dataclass(frozen=True)
class NewUser:
    """A person to be: checked, with the password hashed, so that no transaction waits for the hash."""

    email: str
    password_hash: str
    first_name: str
    last_name: str
    is_admin: bool
    #: Whose dialogs an operator answers; None for everyone else.
    owner_id: int | None = None


class Accounts(Logins):
    """Users, their passwords and their sessions."""

    def prepare(
        self,
        email: str,
        password: str,
        *,
        first_name: str = "",
        last_name: str = "",
        is_admin: bool = False,
        owner_id: int | None = None,
    ) -> NewUser:
        """Check what a new user sent and hash the password; takes tens of milliseconds, changes nothing.

        Raises:
            ValidationFailed: the e-mail, the password or a name cannot be used.
        """
        address = account_email(email)
        check_password(password)
        names = {
            "first_name": one_line(first_name, "first_name", most=_LONGEST_NAME),
            "last_name": one_line(last_name, "last_name", most=_LONGEST_NAME),
        }
        return NewUser(address, hash_password(password), is_admin=is_admin, owner_id=owner_id, **names)

    def add(self, new: NewUser) -> UserView:
        """Store a prepared user, with nothing on the balance.

        Raises:
            Conflict: the e-mail is taken, in whatever case (`details.field` is `email`).
            ValidationFailed: nobody can be an operator of that owner. NotFound: there is no such owner.
        """
        try:
            with self._db.transaction():
                self._check_owner(new)
                row = User.create(
                    email=new.email,
                    password_hash=new.password_hash,
                    first_name=new.first_name,
                    last_name=new.last_name,
                    is_admin=new.is_admin,
                    owner_id=new.owner_id,
                    token_epoch=new_epoch(),
                    created_at=self._clock.now(),
                )
                role = role_of(row)
                self.audit.record("user.created", f"user:{row.id}", email=row.email, role=role, owner_id=new.owner_id)
        except UniqueViolation as error:
            issue = {"field": "email", "issue": "Этот email уже зарегистрирован"}
            raise Conflict(
                "Этот email уже зарегистрирован. Войдите или укажите другой.",
                "This e-mail is registered already. Log in or give another.",
                details=issue,
            ) from error
        return UserView.of(row)

    def create_user(
        self, email: str, password: str, *, first_name: str = "", last_name: str = "", is_admin: bool = False
    ) -> UserView:
        """A new user without a welcome bonus (that is `Registration`'s).

        Raises:
            ValidationFailed: a field cannot be used. Conflict: the e-mail is taken.
        """
        return self.add(
            self.prepare(email, password, first_name=first_name, last_name=last_name, is_admin=is_admin),
        )

    def me(self, actor: Actor) -> UserView:
        """The actor's own profile.

        Raises:
            NotAuthenticated: the actor is no user, or is gone.
        """
        try:
            return self.get(id_of(actor))
        except NotFound as error:
            raise NotAuthenticated from error

    def update_profile(self, actor: Actor, *, first_name: str | None = None, last_name: str | None = None) -> UserView:
        """Change the actor's names; None leaves one as it is.

        Raises:
            ValidationFailed: a name cannot be used. NotFound: the user is gone.
        """
        given = {"first_name": first_name, "last_name": last_name}
        changes = {k: one_line(v, k, most=_LONGEST_NAME) for k, v in given.items() if v is not None}
        user_id = id_of(actor)
        if changes:
            with self._db.transaction():
                require_change(User.update(**changes).where(User.id == user_id).execute())
                self.audit.record("user.changed", f"user:{user_id}", fields=", ".join(sorted(changes)))
        return self.get(user_id)

    def change_password(self, actor: Actor, current: str, new: str) -> None:
        """Change the actor's own password; every session of the user ends, this one too.

        Raises:
            ValidationFailed: `current_password` is wrong, or `new_password` cannot be used.
        """
        row = self._row(id_of(actor))
        if not verify_password(row.password_hash, current):
            self.audit.record("password.changed", f"user:{row.id}", outcome=REFUSED)
            raise ValidationFailed.of("current_password", "Текущий пароль неверен", "The current password is wrong")
        check_password(new, "new_password")
        self._write_password(row.id, new, row.token_epoch, "password.changed")

    def find(self, email: str) -> UserView:
        """The user of an e-mail.

        Raises:
            NotFound: there is none.
        """
        with self._db.connection():
            row = User.get_or_none(User.email == searchable(email))
        if row is None:
            raise no_user()
        return UserView.of(row)

    def get(self, user_id: int) -> UserView:
        """The user of an id.

        Raises:
            NotFound: there is none.
        """
        return UserView.of(self._row(user_id))

    def list_users(self, limit: int = 50, offset: int = 0) -> tuple[list[UserView], int]:
        """A page of all users, oldest first, and how many there are: for administrators and the command line."""
        with self._db.connection():
            rows = User.select().order_by(User.id).limit(limit).offset(offset)
            return [UserView.of(row) for row in rows], kept_count("users")

    def set_password(self, user_id: int, new: str) -> None:
        """Set a password without the old one, from the command line; every session of the user ends.

        Raises:
            ValidationFailed: the password cannot be used. NotFound: no such user.
        """
        check_password(new)
        self._write_password(user_id, new, self._row(user_id).token_epoch, "password.set")

    def change_user(self, user_id: int, changes: Mapping[str, Any]) -> UserView:
        """Change what `changes` names: `first_name`, `last_name`, `plan`, `onboarding_completed`, `is_active`.

        Raises:
            ValidationFailed: a field cannot be used. NotFound: no such user.
        """
        texts = {"first_name": _LONGEST_NAME, "last_name": _LONGEST_NAME, "plan": 32}
        columns: Json = {k: one_line(v, k, most=texts[k]) if k in texts else v for k, v in changes.items()}
        active = columns.pop("is_active", None)
        with self._db.transaction():
            was = self._row(user_id)
            if columns:
                require_change(User.update(**columns).where(User.id == user_id).execute())
                self.audit.record("user.changed", f"user:{user_id}", fields=", ".join(sorted(columns)))
            if active is not None and active != was.is_active:
                self.set_active(user_id, active)
            return UserView.of(self._row(user_id))

    def set_active(self, user_id: int, active: bool, *, may_be_last: bool = False) -> None:
        """Enable or disable a user. A disabled user's sessions end, its operators' too, and its assistants stop.

        `may_be_last` is for the command line, which can make another administrator at any time.

        Raises:
            NotFound: no such user. Conflict: nobody would be left to administer.
        """
        with self._db.transaction():
            if not active and not may_be_last:
                self.require_another_administrator(user_id)
            require_change(User.update(is_active=active, token_epoch=new_epoch()).where(User.id == user_id).execute())
            User.update(token_epoch=new_epoch()).where(User.owner_id == user_id).execute()
            self.audit.record("user.enabled" if active else "user.disabled", f"user:{user_id}")
            self._announce(user_id)

    def delete_user(self, user_id: int, *, may_be_last: bool = False) -> None:
        """Delete a user with all assistants, dialogs, documents and operators; the ledger keeps its entries.

        Raises:
            NotFound: no such user. Conflict: nobody would be left to administer.
        """
        with self._db.transaction():
            if not may_be_last:
                self.require_another_administrator(user_id)
            self._announce(user_id)
            self.audit.record("user.deleted", f"user:{user_id}")
            require_change(User.delete().where(User.id == user_id).execute())

    def require_another_administrator(self, user_id: int) -> None:
        """Let pass who is not the last administrator, in a transaction until whose end no other one can go.

        Raises:
            Conflict: it is the last one that is not disabled.
        """
        able = User.select(User.id).where(User.is_admin & User.is_active).order_by(User.id)
        if [row.id for row in self._db.locked(able)] == [user_id]:
            raise Conflict(
                "Это последний администратор. Сначала создайте другого: replyx users create EMAIL --admin",
                "This is the last administrator. Make another one first: replyx users create EMAIL --admin",
            )

    def _check_owner(self, new: NewUser) -> None:
        """The owner's row is locked, so that it cannot be deleted before its operator is there."""
        if new.owner_id is None:
            return
        owner = self._db.locked(User.select().where(User.id == new.owner_id)).first()
        if owner is None:
            raise no_user()
        if owner.owner_id is not None or new.is_admin:
            raise ValidationFailed.of(
                "operator_of",
                "Оператором можно быть у владельца, и не администратору",
                "An operator belongs to an owner, and is no administrator",
            )

    def _announce(self, user_id: int) -> None:
        for operator in User.select(User.id).where(User.owner_id == user_id):
            self._tell({"kind": "user_revoked", "user_id": operator.id})
        self._tell({"kind": "user_revoked", "user_id": user_id})
        for row in Assistant.select(Assistant.id).where(Assistant.user == user_id):
            self._tell({"kind": "assistant_changed", "assistant_id": row.id})
