"""People: who they are, how they prove it, and what ends their sessions."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from replyx.accounts.emails import account_email
from replyx.accounts.tokens import Tokens
from replyx.accounts.views import UserView
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import Conflict, InvalidCredentials, NotAuthenticated, NotFound, UniqueViolation, ValidationFailed
from replyx.events.bus import Bus
from replyx.events.catalogue import CONTROL
from replyx.security.passwords import check_password, hash_password, needs_rehash, verify_password
from replyx.security.text import one_line
from replyx.security.tokens import Claims, TokenKind
from replyx.storage.accounts import User
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import Actor, Json, Role

#: Seconds that a ticket for a socket is good for.
TICKET_SECONDS = 60

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


class Accounts:
    """Users, their passwords and their sessions."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, tokens: Tokens, config: Config) -> None:
        self._db, self._bus, self._clock, self._tokens, self._config = db, bus, clock, tokens, config

    def prepare(
        self, email: str, password: str, *, first_name: str = "", last_name: str = "", is_admin: bool = False
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
        return NewUser(address, hash_password(password), is_admin=is_admin, **names)

    def add(self, new: NewUser) -> UserView:
        """Store a prepared user, with nothing on the balance.

        Raises:
            Conflict: the e-mail is taken, in whatever case (`details.field` is `email`).
        """
        try:
            with self._db.transaction():
                row = User.create(
                    email=new.email,
                    password_hash=new.password_hash,
                    first_name=new.first_name,
                    last_name=new.last_name,
                    is_admin=new.is_admin,
                    token_epoch=_epoch(),
                    created_at=self._clock.now(),
                )
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

    def login(self, email: str, password: str) -> tuple[str, UserView]:
        """Check the password; answers an access token and the user.

        Raises:
            InvalidCredentials: no such user, another password or a disabled user; the answer and its time are the same.
        """
        with self._db.connection():
            row = User.get_or_none(User.email == _searchable(email))
        proven = verify_password(row.password_hash if row else None, password)
        if row is None or not proven or not row.is_active:
            raise InvalidCredentials
        changes: Json = {"last_login_at": self._clock.now()}
        if needs_rehash(row.password_hash):
            changes["password_hash"] = hash_password(password)
        with self._db.transaction():
            # A password changed or a user disabled since the look-up has moved the epoch.
            same = (User.id == row.id) & (User.token_epoch == row.token_epoch) & User.is_active
            if not User.update(**changes).where(same).execute():
                raise InvalidCredentials
        return self._access_token(row.id, row.token_epoch), self.get(row.id)

    def issue_access(self, user: UserView) -> str:
        """A fresh access token for a user who has just been proven.

        Raises:
            NotFound: the user is gone.
        """
        return self._access_token(user.id, self._row(user.id).token_epoch)

    def authenticate(self, access_token: str) -> Actor:
        """Who sends this access token.

        Raises:
            TokenExpired: its time is over. NotAuthenticated: it is none of ours, logged out, or its user was disabled,
                deleted or changed the password.
        """
        with self._db.connection():
            claims = self._tokens.read(access_token, TokenKind.ACCESS)
            return self._actor(claims, claims.jti)

    def logout(self, access_token: str) -> None:
        """End this token, on every process and socket.

        Raises:
            TokenExpired, NotAuthenticated: as in `authenticate`.
        """
        claims = self._tokens.read(access_token, TokenKind.ACCESS)
        self._tokens.revoke(claims.jti, claims.expires_at)

    def issue_ticket(self, actor: Actor) -> str:
        """A ticket that opens one socket as `actor`, within a minute; it ends with the token it was made for.

        Raises:
            NotAuthenticated: the actor is no user, or its session has ended.
        """
        if actor.user_id is None or not self.session_is_valid(actor):
            raise NotAuthenticated
        epoch = actor.token_epoch or self._row(actor.user_id).token_epoch
        made_for = actor.token_id or ""
        return self._tokens.issue(TokenKind.TICKET, str(actor.user_id), TICKET_SECONDS, ep=epoch, par=made_for)

    def authenticate_ticket(self, ticket: str) -> Actor:
        """Who sends this ticket; it is used up. `token_id` of the actor is the access token's that it was made for.

        Raises:
            TokenExpired: it is older than a minute.
            NotAuthenticated: it is none of ours, was used, or its session has ended.
        """
        with self._db.connection():
            claims = self._tokens.read(ticket, TokenKind.TICKET)
            made_for = str(claims.extra.get("par") or "")
            if made_for and self._tokens.is_revoked(made_for):
                raise NotAuthenticated
            actor = self._actor(claims, made_for or claims.jti)
            self._tokens.redeem_once(claims)
            return actor

    def session_is_valid(self, actor: Actor) -> bool:
        """Whether a live socket of this user may go on: not logged out, not disabled, the same password and role."""
        with self._db.connection():
            if actor.token_id and self._tokens.is_revoked(actor.token_id):
                return False
            row = User.get_or_none(User.id == actor.user_id)
            if row is None or not row.is_active or _role(row) is not actor.role:
                return False
            return actor.token_epoch is None or bool(row.token_epoch == actor.token_epoch)

    def me(self, actor: Actor) -> UserView:
        """The actor's own profile.

        Raises:
            NotAuthenticated: the actor is no user, or is gone.
        """
        try:
            return self.get(_user_id(actor))
        except NotFound as error:
            raise NotAuthenticated from error

    def update_profile(self, actor: Actor, *, first_name: str | None = None, last_name: str | None = None) -> UserView:
        """Change the actor's names; None leaves one as it is.

        Raises:
            ValidationFailed: a name cannot be used. NotFound: the user is gone.
        """
        given = {"first_name": first_name, "last_name": last_name}
        changes = {k: one_line(v, k, most=_LONGEST_NAME) for k, v in given.items() if v is not None}
        user_id = _user_id(actor)
        if changes:
            with self._db.transaction():
                _require(User.update(**changes).where(User.id == user_id).execute())
        return self.get(user_id)

    def change_password(self, actor: Actor, current: str, new: str) -> None:
        """Change the actor's own password; every session of the user ends, this one too.

        Raises:
            ValidationFailed: `current_password` is wrong, or `new_password` cannot be used.
        """
        row = self._row(_user_id(actor))
        if not verify_password(row.password_hash, current):
            raise ValidationFailed.of("current_password", "Текущий пароль неверен", "The current password is wrong")
        check_password(new, "new_password")
        self._write_password(row.id, new, row.token_epoch)

    def find(self, email: str) -> UserView:
        """The user of an e-mail.

        Raises:
            NotFound: there is none.
        """
        with self._db.connection():
            row = User.get_or_none(User.email == _searchable(email))
        if row is None:
            raise _no_user()
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
            return [UserView.of(row) for row in rows], User.select().count()

    def set_password(self, user_id: int, new: str) -> None:
        """Set a password without the old one, from the command line; every session of the user ends.

        Raises:
            ValidationFailed: the password cannot be used. NotFound: no such user.
        """
        check_password(new)
        self._write_password(user_id, new, self._row(user_id).token_epoch)

    def set_active(self, user_id: int, active: bool) -> None:
        """Enable or disable a user. A disabled user's sessions end and its assistants stop.

        Raises:
            NotFound: no such user.
        """
        with self._db.transaction():
            _require(User.update(is_active=active, token_epoch=_epoch()).where(User.id == user_id).execute())
            self._announce(user_id)

    def delete_user(self, user_id: int) -> None:
        """Delete a user with all assistants, dialogs and documents; the ledger keeps its entries.

        Raises:
            NotFound: no such user.
        """
        with self._db.transaction():
            self._announce(user_id)
            _require(User.delete().where(User.id == user_id).execute())

    def _write_password(self, user_id: int, new: str, epoch: str) -> None:
        hashed = hash_password(new)
        with self._db.transaction():
            same = (User.id == user_id) & (User.token_epoch == epoch)
            if not User.update(password_hash=hashed, token_epoch=_epoch()).where(same).execute():
                raise Conflict(
                    "Пароль только что изменён. Войдите снова.", "The password has just changed. Log in again."
                )
            self._tell({"kind": "user_revoked", "user_id": user_id})

    def _announce(self, user_id: int) -> None:
        self._tell({"kind": "user_revoked", "user_id": user_id})
        for row in Assistant.select(Assistant.id).where(Assistant.user == user_id):
            self._tell({"kind": "assistant_changed", "assistant_id": row.id})

    def _tell(self, news: Json) -> None:
        self._db.after_commit(lambda: self._bus.publish(CONTROL, news))

    def _access_token(self, user_id: int, epoch: str) -> str:
        seconds = self._config.security.access_token_minutes * 60
        return self._tokens.issue(TokenKind.ACCESS, str(user_id), seconds, ep=epoch)

    def _actor(self, claims: Claims, token_id: str) -> Actor:
        if not claims.subject.isascii() or not claims.subject.isdigit():
            raise NotAuthenticated
        row = User.get_or_none(User.id == int(claims.subject))
        if row is None or not row.is_active or row.token_epoch != claims.extra.get("ep"):
            raise NotAuthenticated("Вход завершён. Войдите снова.", "The session has ended. Log in again.")
        return Actor(_role(row), user_id=row.id, token_id=token_id, token_epoch=row.token_epoch)

    def _row(self, user_id: int) -> User:
        with self._db.connection():
            # Numbers that no column can hold come from addresses that people type.
            row: User | None = User.get_or_none(User.id == user_id) if 0 < user_id < 2**63 else None
        if row is None:
            raise _no_user()
        return row


def _epoch() -> str:
    return secrets.token_hex(16)


def _role(row: User) -> Role:
    return Role.ADMIN if row.is_admin else Role.OWNER


def _user_id(actor: Actor) -> int:
    if actor.user_id is None:
        raise NotAuthenticated
    return actor.user_id


def _searchable(email: str) -> str:
    """What no stored address can be (too long, with characters that a driver refuses) becomes nobody's."""
    try:
        return account_email(email)
    except ValidationFailed:
        return ""


def _require(changed_rows: int) -> None:
    if not changed_rows:
        raise _no_user()


def _no_user() -> NotFound:
    return NotFound("Пользователь не найден", "No such user")
