"""Tokens of people and visitors: signed, and refused before their time once they were revoked.

The record of what is revoked is the database; the bus makes other processes forget what they remember of it.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from replyx.clock import Clock
from replyx.errors import NotAuthenticated, UniqueViolation
from replyx.events.bus import Bus
from replyx.events.catalogue import CONTROL
from replyx.security.tokens import Claims, TokenKind, TokenSigner
from replyx.storage.accounts import RevokedToken
from replyx.storage.database import Database
from replyx.types import Json

#: Seconds for which "not revoked" is believed without looking: half of the two within which a logout must count.
BELIEVED_SECONDS = 1.0

#: Tokens remembered at most; the memory is emptied beyond.
_MOST_REMEMBERED = 20_000

#: A revoked token is kept for this long after its end, so that clocks that differ cannot bring it back to life.
_KEPT = timedelta(hours=1)


class Tokens:
    """Issues, reads and revokes tokens; safe to use from any thread."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, master_key: bytes, *earlier_keys: bytes) -> None:
        self._db, self._bus, self._clock = db, bus, clock
        self._signer = TokenSigner(clock, master_key, *earlier_keys)
        self._lock = threading.Lock()
        #: `jti` → until when, on the monotonic clock, it is believed to be good.
        self._good_until: dict[str, float] = {}
        self._subscription = bus.subscribe(CONTROL, self._hear)

    def close(self) -> None:
        """Stop listening to the bus."""
        self._subscription.close()

    def issue(self, kind: TokenKind, subject: str, seconds: int, **extra: str | int) -> str:
        """A token of `kind` for `subject` that ends in `seconds`; `extra` are further claims."""
        return self._signer.issue(kind, subject, seconds, **extra)

    def read(self, token: str, kind: TokenKind) -> Claims:
        """What `token` says.

        Raises:
            TokenExpired: its time is over. NotAuthenticated: it is none of ours, of another kind, or revoked.
        """
        claims = self._signer.read(token, kind)
        if self.is_revoked(claims.session):
            raise NotAuthenticated("Вход завершён. Войдите снова.", "Logged out. Log in again.")
        return claims

    def is_revoked(self, jti: str) -> bool:
        """Whether the token named `jti` was revoked; a revocation elsewhere is seen within a second."""
        now = self._clock.monotonic()
        with self._lock:
            if self._good_until.get(jti, 0.0) > now:
                return False
        with self._db.connection():
            revoked = RevokedToken.get_or_none(RevokedToken.jti == jti) is not None
        if not revoked:
            with self._lock:
                if len(self._good_until) >= _MOST_REMEMBERED:
                    self._good_until.clear()
                self._good_until[jti] = now + BELIEVED_SECONDS
        return revoked

    def revoke(self, jti: str, expires_at: datetime) -> None:
        """Refuse the token from now on, on every process. Revoking it twice is harmless."""
        with self._db.transaction():
            RevokedToken.insert(jti=jti, expires_at=expires_at).on_conflict_ignore().execute()
            self._db.after_commit(lambda: self._bus.publish(CONTROL, {"kind": "token_revoked", "jti": jti}))

    def redeem_once(self, claims: Claims) -> None:
        """Use up a one-use token.

        Raises:
            NotAuthenticated: it was used before, here or in another process.
        """
        try:
            with self._db.transaction():
                RevokedToken.insert(jti=claims.jti, expires_at=claims.expires_at).execute()
        except UniqueViolation as error:
            raise NotAuthenticated("Билет уже использован.", "The ticket was used already.") from error
        self._forget(claims.jti)

    def purge_expired(self) -> int:
        """Forget revoked tokens that have ended anyway; returns how many."""
        with self._db.transaction():
            ended = RevokedToken.expires_at < self._clock.now() - _KEPT
            return int(RevokedToken.delete().where(ended).execute())

    def _hear(self, news: Json) -> None:
        if news.get("kind") == "token_revoked":
            self._forget(str(news.get("jti")))

    def _forget(self, jti: str) -> None:
        with self._lock:
            self._good_until.pop(jti, None)
