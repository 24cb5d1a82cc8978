"""What is shown of a person. Kopecks inside, the contract's roubles in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from replyx.clock import iso
from replyx.types import Json, Role


@dataclass(frozen=True)
class UserView:
    """A user as it may be shown to itself and to an administrator. `balance` may be spent, `held` is set aside."""

    id: int
    email: str
    first_name: str
    last_name: str
    is_admin: bool
    is_active: bool
    balance: int
    held: int
    welcome_bonus: int
    plan: str
    onboarding_completed: bool
    created_at: datetime
    last_login_at: datetime | None
    #: Whose dialogs this operator answers; None for everyone else.
    owner_id: int | None = None
    has_totp: bool = False
    #: Whether the address was confirmed.
    is_verified: bool = False

    @classmethod
    def of(cls, row: Any) -> UserView:
        """The view of a row of `users`."""
        return cls(
            id=row.id,
            email=row.email,
            first_name=row.first_name,
            last_name=row.last_name,
            is_admin=row.is_admin,
            is_active=row.is_active,
            balance=row.balance,
            held=row.held,
            welcome_bonus=row.welcome_bonus,
            plan=row.plan,
            onboarding_completed=row.onboarding_completed,
            created_at=row.created_at,
            last_login_at=row.last_login_at,
            owner_id=row.owner_id,
            has_totp=row.totp_secret is not None,
            is_verified=row.email_verified_at is not None,
        )

    @property
    def role(self) -> Role:
        """What the user is."""
        if self.is_admin:
            return Role.ADMIN
        return Role.OWNER if self.owner_id is None else Role.OPERATOR

    def as_json(self) -> Json:
        """The body of `GET /api/users/me`; an operator's says nothing of money."""
        return self._without_money(self.full_json())

    def full_json(self) -> Json:
        """The same with everything, for administrators."""
        return {
            "id": self.id,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "is_admin": self.is_admin,
            "balance": self.balance / 100,
            "welcome_bonus": self.welcome_bonus / 100,
            "plan": self.plan,
            "onboarding_completed": self.onboarding_completed,
            "created_at": iso(self.created_at),
            "role": str(self.role),
            "totp_enabled": self.has_totp,
            "email_verified": self.is_verified,
        }

    def login_json(self) -> Json:
        """The short `user` in the answer to a login."""
        row: Json = {"id": self.id, "email": self.email, "is_admin": self.is_admin, "balance": self.balance / 100}
        return self._without_money(row)

    def _without_money(self, row: Json) -> Json:
        hidden = ("balance", "welcome_bonus", "plan") if self.role is Role.OPERATOR else ()
        return {name: value for name, value in row.items() if name not in hidden}
