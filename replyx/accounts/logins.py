"""Logging in, proving who one is afterwards, and ending it: passwords, access tokens, tickets."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from replyx.accounts.people import id_of, may_enter, new_epoch, role_of, row_of, searchable
from replyx.accounts.second_factor import SecondFactor, code_needed
from replyx.accounts.tokens import Tokens
from replyx.accounts.views import UserView
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.errors import Conflict, InvalidCredentials, NotAuthenticated, TokenExpired, ValidationFailed
from replyx.events.audit import REFUSED, Audit
from replyx.events.bus import Bus
from replyx.events.catalogue import CONTROL
from replyx.security.passwords import hash_password, needs_rehash, verify_password
from replyx.security.secretbox import SecretBox
from replyx.security.tokens import Claims, TokenKind
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.types import Actor, Json

#: Seconds that a ticket for a socket is good for.
TICKET_SECONDS = 60


class Logins:
    """Sessions of users; `Accounts` is built on it."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, tokens: Tokens, config: Config, box: SecretBox) -> None:
        self._db, self._bus, self._clock, self._tokens, self._config = db, bus, clock, tokens, config
        #: The log of who did what; the edges write their refusals into it, too.
        self.audit = Audit(db, clock)
        self.second_factor = SecondFactor(db, clock, box, self.audit)

    def login(self, email: str, password: str, totp_code: str | None = None) -> tuple[str, UserView]:
        """Check the password, and the second factor where there is one; answers an access token and the user.

        Raises:
            InvalidCredentials: no such user, another password or a disabled user; the answer and its time are the same.
                With `details.totp_required`: all that is right, and the code is missing, wrong or used.
        """
        with self._db.connection():
            row = User.get_or_none(User.email == searchable(email))
            is_let_in = may_enter(row)
        proven = verify_password(row.password_hash if row else None, password)
        if row is None or not proven or not is_let_in:
            # What was typed in place of an address may be the password.
            self.audit.record("login", searchable(email), outcome=REFUSED)
            raise InvalidCredentials
        changes: Json = {"last_login_at": self._clock.now()}
        try:
            step = self.second_factor.require(row, totp_code)
        except InvalidCredentials:
            self.audit.record("login", row.email, outcome=REFUSED, reason="totp_required")
            raise
        if needs_rehash(row.password_hash):
            changes["password_hash"] = hash_password(password)
        with self._db.transaction():
            # A password changed or a user disabled since the look-up has moved the epoch.
            same = (User.id == row.id) & (User.token_epoch == row.token_epoch) & User.is_active
            if step is not None:
                changes["totp_step"] = step
                same &= (User.totp_secret == row.totp_secret) & (User.totp_step < step)
            if not User.update(**changes).where(same).execute():
                raise code_needed() if step is not None else InvalidCredentials
            self.audit.record("login", row.email, user_id=row.id)
        return self._access_token(row.id, row.token_epoch), UserView.of(self._row(row.id))

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
            return self._actor(claims, claims.session, claims.expires_at)

    def refresh(self, access_token: str) -> tuple[str, UserView]:
        """A fresh token of the same session, whose end stays where it is; and the user. Its sockets go on, too.

        Raises:
            TokenExpired: the session is `security.session_days` old. NotAuthenticated: as in `authenticate`.
        """
        with self._db.connection():
            claims = self._tokens.read(access_token, TokenKind.ACCESS)
            actor = self._actor(claims, claims.session, claims.expires_at)
            row = self._row(id_of(actor))
        return self._access_token(row.id, row.token_epoch, claims), UserView.of(row)

    def logout(self, access_token: str) -> None:
        """End this token, on every process and socket.

        Every token that it was refreshed from, or that was refreshed from it, ends too.

        Raises:
            TokenExpired, NotAuthenticated: as in `authenticate`.
        """
        claims = self._tokens.read(access_token, TokenKind.ACCESS)
        with self._db.transaction():
            self._tokens.revoke(claims.session, max(claims.expires_at, self._end_of(claims)))
            self.audit.record("logout", f"user:{claims.subject}", user_id=int(claims.subject))

    def issue_ticket(self, actor: Actor) -> str:
        """A ticket that opens one socket as `actor`, within a minute; it ends with the token it was made for.

        Raises:
            NotAuthenticated: the actor is no user, or its session has ended.
        """
        if actor.user_id is None or not self.session_is_valid(actor):
            raise NotAuthenticated
        epoch = actor.token_epoch or self._row(actor.user_id).token_epoch
        made_for: dict[str, str | int] = {"par": actor.token_id or ""}
        if actor.ends_at is not None:
            made_for["until"] = int(actor.ends_at.timestamp())
        return self._tokens.issue(TokenKind.TICKET, str(actor.user_id), TICKET_SECONDS, ep=epoch, **made_for)

    def authenticate_ticket(self, ticket: str) -> Actor:
        """Who sends this ticket; it is used up. The actor is the access token's that it was made for, and ends with it.

        Raises:
            TokenExpired: it is older than a minute.
            NotAuthenticated: it is none of ours, was used, or its session has ended.
        """
        with self._db.connection():
            claims = self._tokens.read(ticket, TokenKind.TICKET)
            made_for = str(claims.extra.get("par") or "")
            if made_for and self._tokens.is_revoked(made_for):
                raise NotAuthenticated
            until = claims.extra.get("until")
            ends_at = datetime.fromtimestamp(until, UTC) if isinstance(until, int) else None
            actor = self._actor(claims, made_for or claims.jti, ends_at)
            self._tokens.redeem_once(claims)
            return actor

    def session_is_valid(self, actor: Actor) -> bool:
        """Whether a live socket of this user may go on: not logged out, not disabled, the same password and role."""
        with self._db.connection():
            if actor.token_id and self._tokens.is_revoked(actor.token_id):
                return False
            row = User.get_or_none(User.id == actor.user_id)
            if row is None or not may_enter(row) or (role_of(row), row.owner_id) != (actor.role, actor.owner_id):
                return False
            return actor.token_epoch is None or bool(row.token_epoch == actor.token_epoch)

    def require_password(self, actor: Actor, password: str) -> UserView:
        """The actor, who has just proven the password once more.

        Raises:
            ValidationFailed: it is wrong. NotFound, NotAuthenticated: the actor is no user any more.
        """
        row = self._row(id_of(actor))
        if not verify_password(row.password_hash, password):
            self.audit.record("password.asked", f"user:{row.id}", outcome=REFUSED)
            raise ValidationFailed.of("password", "Пароль неверен", "The password is wrong")
        return UserView.of(row)

    def _access_token(self, user_id: int, epoch: str, earlier: Claims | None = None) -> str:
        """A token of a new session, or of the one of `earlier`. Raises TokenExpired where that is too old."""
        security, now = self._config.security, self._clock.now()
        if earlier is None:
            session, end = secrets.token_urlsafe(24), now + timedelta(days=security.session_days)
        else:
            session, end = earlier.session, self._end_of(earlier)
        left = int((end - now).total_seconds())
        if left <= 0:
            raise TokenExpired
        seconds = min(security.access_token_minutes * 60, left)
        ends = int(end.timestamp())
        if earlier is not None:
            # Sockets that were opened with an earlier token of the session go on.
            until = int(now.timestamp()) + seconds
            self._bus.publish(CONTROL, {"kind": "session_extended", "jti": session, "until": until})
        return self._tokens.issue(TokenKind.ACCESS, str(user_id), seconds, ep=epoch, sid=session, end=ends)

    def _end_of(self, claims: Claims) -> datetime:
        """When the session of a token is over for good."""
        end = claims.extra.get("end")
        return datetime.fromtimestamp(end, UTC) if isinstance(end, int) else claims.expires_at

    def _actor(self, claims: Claims, token_id: str, ends_at: datetime | None) -> Actor:
        if not claims.subject.isascii() or not claims.subject.isdigit():
            raise NotAuthenticated
        row = User.get_or_none(User.id == int(claims.subject))
        if row is None or not may_enter(row) or row.token_epoch != claims.extra.get("ep"):
            raise NotAuthenticated("Вход завершён. Войдите снова.", "The session has ended. Log in again.")
        return Actor(
            role_of(row),
            user_id=row.id,
            token_id=token_id,
            token_epoch=row.token_epoch,
            owner_id=row.owner_id,
            ends_at=ends_at,
        )

    def _row(self, user_id: int) -> User:
        with self._db.connection():
            return row_of(user_id)

    def _write_password(self, user_id: int, new: str, epoch: str, action: str) -> None:
        hashed = hash_password(new)
        with self._db.transaction():
            same = (User.id == user_id) & (User.token_epoch == epoch)
            if not User.update(password_hash=hashed, token_epoch=new_epoch()).where(same).execute():
                raise Conflict(
                    "Пароль только что изменён. Войдите снова.", "The password has just changed. Log in again."
                )
            self.audit.record(action, f"user:{user_id}")
            self._tell({"kind": "user_revoked", "user_id": user_id})

    def _tell(self, news: Json) -> None:
        self._db.after_commit(lambda: self._bus.publish(CONTROL, news))
