"""One-time codes of authenticator apps: RFC 6238 with its defaults, SHA-1, six digits, thirty seconds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote

#: Seconds that a code is shown for.
PERIOD = 30

_DIGITS = 6

#: Steps before and after the present one whose codes are taken, as clocks differ and people type slowly.
_DRIFT = 1

_SECRET_BYTES = 20

_ISSUER = "ReplyX"


def new_secret() -> str:
    """A fresh secret in the form in which people type it into an app."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def code_of(secret: str, step: int) -> str:
    """The code of a step, which is the number of periods since 1970."""
    digest = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def step_of(secret: str, code: str, now: float, used: int | None) -> int | None:
    """The step that `code` is of; None where it is wrong, too old, or not later than the step `used` last.

    `now` is in seconds since 1970. Blanks within the code are passed over, as apps show them.
    """
    given = "".join(code.split())
    present = int(now) // PERIOD
    found = None
    if given.isascii() and len(given) == _DIGITS:
        for step in range(max(0, present - _DRIFT), present + _DRIFT + 1):
            # All are compared, so that the time does not tell which one it was.
            if hmac.compare_digest(code_of(secret, step), given) and (used is None or step > used):
                found = step
    return found


def uri_of(secret: str, account: str) -> str:
    """What the QR code for an app says."""
    return f"otpauth://totp/{_ISSUER}:{quote(account, safe='@')}?secret={secret}&issuer={_ISSUER}"
