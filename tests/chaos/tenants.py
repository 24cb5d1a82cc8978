"""Who uses the machine: two tenants that must not see each other, one whose money runs out, an operator, keys."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.chaos.machine import Machine

PASSWORD = "long-enough-7x"
SITE = "https://shop.example"

#: Kopecks that an answer costs here, and that one costs a tenant who can pay for few.
PRICE = 500
_WELCOME = 1_000_000


@dataclass(frozen=True)
class Tenant:
    """An owner with one assistant. Its canary is in its prompt and in every word of its customers."""

    name: str
    user_id: int
    token: str
    assistant_id: int
    site_token: str
    canary: str
    price: int
    #: A token of one of its operators; the owner's where it has none.
    operator_token: str
    #: Its bot at the fake Bot API; 0 where it has none.
    bot_id: int = 0


@dataclass
class People:
    """Everyone, and how the administrator is reached."""

    admin_token: str
    tenants: list[Tenant] = field(default_factory=list)

    def __getitem__(self, name: str) -> Tenant:
        return next(tenant for tenant in self.tenants if tenant.name == name)


def settle(machine: Machine, *, answers_of_the_poor: int = 20, keys: int = 5) -> People:
    """Make the people, their assistants and the keys; note in the history who they are."""
    with httpx2.Client(base_url=machine.url, timeout=30, trust_env=False) as client:
        machine.cli("users", "create", "admin@example.com", "--admin", "--password-stdin", stdin=f"{PASSWORD}\n")
        people = People(_log_in(client, "admin@example.com"))
        for number in range(keys):
            _add_key(client, people.admin_token, number, machine.llm_url)
        poor_price = _WELCOME * 100 // answers_of_the_poor
        for name, price in (("anna", PRICE), ("boris", PRICE), ("poor", poor_price)):
            people.tenants.append(_tenant(machine, client, name, price))
    for tenant in people.tenants:
        fields = {key: getattr(tenant, key) for key in ("name", "user_id", "assistant_id", "canary", "price")}
        machine.history.add("tenant", **fields)
    return people


def _add_key(client: httpx2.Client, token: str, number: int, base_url: str) -> None:
    body = {
        "name": f"key-{number}",
        "token": f"sk-chaos-{number}-0123456789",
        "base_url": base_url,
        "model_access": ["fake-model"],
    }
    _post(client, "/api/admin/ai-tokens", body, token)


def _tenant(machine: Machine, client: httpx2.Client, name: str, price: int) -> Tenant:
    """Anna has an operator, and she and Boris have a bot each."""
    bot = machine.telegram.add_bot() if name != "poor" else None
    email = f"{name}@example.com"
    made = _post(client, "/api/auth/register", {"email": email, "password": PASSWORD})
    token, canary = made["access_token"], f"canary{name}{time.time_ns() % 10**9}"
    body = {
        "name": name,
        "ai_model": "fake-model",
        "system_prompt": f"You help the customers of {canary}.",
        "website_integration": True,
        "allowed_domains": ["shop.example"],
        "price": price / 100,
        **({"telegram_bot_token": bot.token} if bot is not None else {}),
    }
    assistant = _post(client, "/api/assistants", body, token)
    operator = token
    if name == "anna":
        options = ("--operator-of", email, "--password-stdin")
        machine.cli("users", "create", f"desk-{email}", *options, stdin=f"{PASSWORD}\n")
        operator = _log_in(client, f"desk-{email}")
    known = made["user"]["id"], token, assistant["id"], assistant["site_token"]
    return Tenant(name, *known, canary, price, operator, bot.id if bot is not None else 0)


def _log_in(client: httpx2.Client, email: str) -> str:
    token: str = _post(client, "/api/auth/login", {"email": email, "password": PASSWORD})["access_token"]
    return token


def _post(client: httpx2.Client, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = client.post(path, json=body, headers=headers)
    if answer.is_error:
        raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text}")
    made: dict[str, Any] = answer.json()
    return made
