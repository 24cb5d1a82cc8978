"""Signed tokens: JSON Web Tokens with one algorithm, one audience and a kind that is checked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt

from replyx.clock import Clock
from replyx.errors import NotAuthenticated, TokenExpired
from replyx.security.master_key import derive_key

#: The only algorithm that is made or believed.
ALGORITHM = "HS256"

#: Who the tokens are for: another program's token under the same key is none of ours.
AUDIENCE = "replyx"

_OWN_CLAIMS = frozenset({"sub", "jti", "iat", "exp", "aud", "typ"})

#: No token of ours is near this long; longer ones are refused before any work is done on them.
_MOST_CHARACTERS = 4096


class TokenKind(StrEnum):
    """What a token is good for: a token of one kind never opens what another kind does."""

    ACCESS = "access"
    VISITOR = "visitor"
    TICKET = "ticket"
    #: In the link of a letter: whoever has it reads the address's mail.
    LETTER = "letter"


@dataclass(frozen=True)
class Claims:
    """What a token says. `subject` is a user's or a dialog's id as text, `jti` the token's own name."""

    kind: str
    subject: str
    jti: str
    expires_at: datetime
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def session(self) -> str:
        """The session that the token belongs to, under whose name it is revoked: its own where it was not refreshed."""
        return str(self.extra.get("sid") or self.jti)


class TokenSigner:
    """Makes tokens and reads them; knows nothing of revocation."""

    def __init__(self, clock: Clock, master_key: bytes, *earlier_keys: bytes) -> None:
        """Tokens made under `earlier_keys` are still read; new ones are made under `master_key`."""
        self._clock = clock
        self._keys = [derive_key(key, "jwt") for key in (master_key, *earlier_keys)]

    def issue(self, kind: TokenKind, subject: str, seconds: int, **extra: str | int) -> str:
        """A token that ends in `seconds`; `extra` are further claims."""
        now = int(self._clock.now().timestamp())
        payload = {
            **extra,
            "sub": subject,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + seconds,
            "aud": AUDIENCE,
            "typ": kind.value,
        }
        return jwt.encode(payload, self._keys[0], algorithm=ALGORITHM)

    def read(self, token: str, kind: TokenKind) -> Claims:
        """What `token` says, once its signature, audience, kind and time have been checked.

        Raises:
            TokenExpired: it was ours, its time is over. NotAuthenticated: anything else is wrong with it.
        """
        payload = self._payload(token)
        expires = payload["exp"]
        if payload["typ"] != kind.value or type(expires) is not int or not isinstance(payload["jti"], str):
            raise NotAuthenticated
        if expires <= self._clock.now().timestamp():
            raise TokenExpired
        try:
            expires_at = datetime.fromtimestamp(expires, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise NotAuthenticated from error
        extra = {name: value for name, value in payload.items() if name not in _OWN_CLAIMS}
        return Claims(kind.value, payload["sub"], payload["jti"], expires_at, extra)

    def _payload(self, token: str) -> dict[str, Any]:
        if not isinstance(token, str) or not 0 < len(token) <= _MOST_CHARACTERS:
            raise NotAuthenticated
        for key in self._keys[:-1]:
            try:
                return _decoded(token, key)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError) as error:
                raise NotAuthenticated from error
        try:
            return _decoded(token, self._keys[-1])
        except (jwt.PyJWTError, ValueError) as error:
            raise NotAuthenticated from error


def _decoded(token: str, key: bytes) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        # The time is checked against our own clock, in `read`.
        options={
            "require": ["sub", "jti", "iat", "exp", "aud", "typ"],
            "verify_exp": False,
            "verify_iat": False,
        },
    )
