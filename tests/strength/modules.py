"""The parts that must not be wrong, and the tests that are about them."""

from __future__ import annotations

#: A file of the product → the tests that must see what is wrong with it. All of a file is run by them.
MODULES: dict[str, tuple[str, ...]] = {
    "replyx/billing/ledger.py": ("ledger", "ledger_refunds", "prices"),
    "replyx/billing/audit.py": ("ledger", "ledger_refunds"),
    "replyx/billing/money.py": ("unit/money", "ledger"),
    "replyx/billing/pricing.py": ("prices",),
    "replyx/accounts/accounts.py": ("accounts", "last_administrator", "users_changed", "operators", "audit"),
    "replyx/accounts/emails.py": ("unit/emails",),
    "replyx/accounts/logins.py": ("accounts", "session_limits", "users_changed", "second_factor", "operators"),
    "replyx/accounts/people.py": ("accounts", "operators"),
    "replyx/accounts/second_factor.py": ("second_factor",),
    "replyx/accounts/tokens.py": ("tokens", "accounts"),
    "replyx/security/passwords.py": ("unit/passwords", "accounts"),
    "replyx/security/tokens.py": ("tokens", "session_limits", "master_key_rotation"),
    "replyx/security/totp.py": ("second_factor",),
    "replyx/dialogs/access.py": ("inbox_and_handoff", "operators"),
    "replyx/dialogs/handoff.py": ("inbox_and_handoff", "handoff_details", "answering"),
    "replyx/dialogs/inbox.py": ("inbox_and_handoff", "handoff_details", "answering"),
    "replyx/dialogs/writing.py": ("inbox_and_handoff", "handoff_details", "channels", "answering"),
    "replyx/dialogs/paying.py": ("prices", "daily_cap", "answering"),
    "replyx/events/outbox.py": ("inbox_and_handoff", "channels", "machines/outbox"),
}


def tests_of(file: str) -> tuple[str, ...]:
    """Files of tests, the quickest first."""
    return tuple(_path(name) for name in MODULES[file])


def all_tests() -> tuple[str, ...]:
    """Every file of tests of the table, once."""
    return tuple(dict.fromkeys(test for file in MODULES for test in tests_of(file)))


def _path(name: str) -> str:
    folder, _, rest = name.rpartition("/")
    return f"tests/{folder or 'domain'}/test_{rest}.py"
