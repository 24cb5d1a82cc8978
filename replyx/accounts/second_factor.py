"""The second factor: an authenticator app's codes, asked for at the login of whoever has set it up."""

from __future__ import annotations

from dataclasses import dataclass

from replyx.accounts.people import id_of, require_change, row_of
from replyx.clock import Clock
from replyx.errors import Conflict, InvalidCredentials, ValidationFailed
from replyx.events.audit import REFUSED, Audit
from replyx.security.passwords import verify_password
from replyx.security.secretbox import SecretBox
from replyx.security.totp import new_secret, step_of, uri_of
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.types import Actor


@dataclass(frozen=True)
class Enrolment:
    """What an app needs; shown once. The factor counts only when a code of it was sent back."""

    secret: str
    uri: str


class SecondFactor:
    """Sets the factor up, takes it away, and checks codes, each of which counts once."""

    def __init__(self, db: Database, clock: Clock, box: SecretBox, audit: Audit) -> None:
        self._db, self._clock, self._box, self._audit = db, clock, box, audit

    def begin(self, actor: Actor) -> Enrolment:
        """A fresh secret for the actor's app; an earlier one that was not confirmed is forgotten.

        Raises:
            Conflict: the factor is set up already. NotAuthenticated: the actor is no user.
        """
        secret = new_secret()
        with self._db.transaction():
            row = row_of(id_of(actor))
            pending = {"totp_pending": self._box.seal(secret)}
            if not User.update(**pending).where((User.id == row.id) & User.totp_secret.is_null()).execute():
                raise Conflict(
                    "Второй фактор уже включён. Сначала отключите его.",
                    "The second factor is on already. Switch it off first.",
                )
        return Enrolment(secret, uri_of(secret, row.email))

    def confirm(self, actor: Actor, code: str) -> None:
        """Switch the factor on, proven by a first code, which is used up by that.

        Raises:
            Conflict: nothing was begun. ValidationFailed: the code is wrong.
        """
        with self._db.transaction():
            row = row_of(id_of(actor))
            if row.totp_pending is None:
                raise Conflict(
                    "Сначала запросите секрет: POST /api/users/me/totp", "Begin with POST /api/users/me/totp"
                )
            step = self._step(row.totp_pending, code, None)
            if step is None:
                raise ValidationFailed.of(
                    "code", "Код неверен: проверьте время на телефоне", "A wrong code: check the clock of the phone"
                )
            same = (User.id == row.id) & (User.totp_pending == row.totp_pending)
            changes = {"totp_secret": row.totp_pending, "totp_pending": None, "totp_step": step}
            require_change(User.update(**changes).where(same).execute())
            self._audit.record("totp.on", f"user:{row.id}")

    def remove(self, actor: Actor, password: str) -> None:
        """Switch the factor off, proven by the password.

        Raises:
            ValidationFailed: the password is wrong.
        """
        with self._db.connection():
            row = row_of(id_of(actor))
        if not verify_password(row.password_hash, password):
            self._audit.record("totp.off", f"user:{row.id}", outcome=REFUSED)
            raise ValidationFailed.of("password", "Пароль неверен", "The password is wrong")
        self.switch_off(row.id)

    def switch_off(self, user_id: int) -> None:
        """Switch a user's factor off, from the command line: for whoever lost the phone.

        Raises:
            NotFound: no such user.
        """
        off = dict.fromkeys(("totp_secret", "totp_pending", "totp_step"))
        with self._db.transaction():
            require_change(User.update(**off).where(User.id == user_id).execute())
            self._audit.record("totp.off", f"user:{user_id}")

    def require(self, row: User, code: str | None) -> int | None:
        """The step that a login uses up; None where the user of this row has no second factor.

        Raises:
            InvalidCredentials: the code is missing, wrong or was used (`details.totp_required`).
        """
        if row.totp_secret is None:
            return None
        step = self._step(row.totp_secret, code, row.totp_step) if code else None
        if step is None:
            raise code_needed()
        return step

    def _step(self, sealed: str, code: str, used: int | None) -> int | None:
        return step_of(self._box.open(sealed), code, self._clock.now().timestamp(), used)


def code_needed() -> InvalidCredentials:
    """The error of a login whose password is right, and whose code is not."""
    return InvalidCredentials(
        "Нужен действующий код из приложения-аутентификатора: totp_code",
        "A fresh code of the authenticator app is needed: totp_code",
        details={"totp_required": True},
    )
