"""Faults that somebody could make, each in a line or two, and the tests that must see them."""

# A table: an edit stands on one line.
# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass

_DOMAIN = "tests/domain/test_"


@dataclass(frozen=True)
class Edit:
    """A piece of a file of the package, which stands there once, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A fault; one of `tests` fails with it."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def _bug(name: str, tests: str, *edits: tuple[str, str, str]) -> Bug:
    """`tests` are separated by blanks; those of the domain are named without their folder."""
    found = tuple(test if "/" in test else f"{_DOMAIN}{test}" for test in tests.split())
    return Bug(name, tuple(Edit(f"replyx/{file}", old, new) for file, old, new in edits), found)


BUGS = (
    _bug(
        "a key of the ledger is not unique",
        "ledger.py::test_a_credit_comes_once_for_its_key",
        ("storage/migrations/0002_billing.py", "    key = peewee.CharField(200, unique=True)\n    kind", "    key = peewee.CharField(200)\n    kind"),
    ),
    _bug(
        "money is set aside without asking whether it is there",
        "ledger.py::test_nobody_can_set_aside_more_than_there_is",
        ("billing/ledger.py", '(User.id == Slot("user")) & (User.balance >= Slot("amount"))', 'User.id == Slot("user")'),
    ),
    _bug(
        "a movement has one entry",
        "ledger.py::test_a_hold_sets_money_aside_and_a_capture_spends_it",
        ("billing/ledger.py", "in ((source, -amount), (target, amount)):", "in ((source, -amount),):"),
    ),
    _bug(
        "an answer is paid that nobody held the money for",
        "answering.py::test_an_answer_is_stored_told_and_paid_in_one_go",
        ("dialogs/paying.py", "return Held(self._ledger.hold(user_id, most, key), price, most)", "return Held(None, price, most)"),
    ),
    _bug(
        "the highest price is captured, whatever was used",
        "prices.py::test_tokens_are_held_at_their_highest_and_paid_as_used",
        ("dialogs/paying.py", "return min(self.most, self.price.of(draft.prompt_tokens + draft.completion_tokens))", "return self.most"),
    ),
    _bug(
        "a worker that was thought dead may still commit",
        "answering.py::test_a_worker_thought_dead_cannot_commit_while_the_next_one_works",
        ("dialogs/answering.py", "reply = mine(claim)\n            if reply is None:\n                # The fence", "reply = Reply.get_or_none((Reply.id == claim.reply_id))\n            if reply is None:\n                # The fence"),
    ),
    _bug(
        "the assistant talks over an operator",
        "handoff_details.py::test_an_answer_that_is_ready_when_an_operator_has_taken_over_is_not_given",
        ("dialogs/handoff.py", "            self._writing.discard_open_reply(dialog.id)\n", ""),
        ("dialogs/answering.py", "            if not assistant_speaks(dialog, self._config):\n                self._settle(claim, \"discarded\")\n                return None, None\n", ""),
    ),
    _bug(
        "the hold of a failed answer is never released",
        "answering.py::test_failures_are_tried_again_and_end_in_an_apology_a_handoff_and_no_charge",
        ("dialogs/answering.py", "        if claim.held.hold_id is not None:\n            self._ledger.release(claim.held.hold_id)\n", ""),
    ),
    _bug(
        "a try is not counted when it begins",
        "answering.py::test_failures_are_tried_again_and_end_in_an_apology_a_handoff_and_no_charge",
        ("dialogs/claims.py", "            attempts=Reply.attempts + 1,\n", ""),
    ),
    _bug(
        "a lease is not renewed",
        "answering.py::test_a_lease_is_kept_while_the_model_thinks",
        ("storage/renewing.py", "            for lease in held:\n                self._renew(lease)\n", ""),
    ),
    _bug(
        "the sweeper passes over what a dead worker left",
        "answering.py::test_the_sweeper_finds_what_lost_its_hint_and_what_lost_its_worker",
        ("dialogs/answering.py", "(Reply.state == \"working\") & (Reply.lease_until < now)", "(Reply.state == \"working\") & (Reply.lease_until < 0)"),
    ),
    _bug(
        "what a dead worker left waits until its lease has run out",
        "dead_workers.py::test_what_a_killed_worker_was_writing_is_taken_up_before_its_lease_runs_out",
        ("dialogs/leases.py", "        dead = [row for row in rows if _writer(row) in gone]\n", "        dead: list[Reply] = []\n"),
    ),
    _bug(
        "numbers are read, then written, without a lock",
        "inbox_and_handoff.py::test_numbers_stay_gapless_when_many_write_at_once",
        ("dialogs/access.py", "door[lock and not db.is_sqlite]", "door[False]"),
        ("events/outbox.py", "        (row,) = _NUMBER_MESSAGE.bind(dialog=dialog_id, text=text[:_PREVIEW], moment=moment).execute()\n        seq: int = row.last_seq\n", "        seq: int = Dialog.get_by_id(dialog_id).last_seq + 1\n        Dialog.update(last_seq=seq).where(Dialog.id == dialog_id).execute()\n"),
    ),
    _bug(
        "listeners are told before the commit",
        "database.py::test_effects_run_in_order_after_the_commit_is_visible_to_others",
        ("storage/database.py", "            stack[-1].append(effect)\n", "            _run([effect])\n"),
    ),
    _bug(
        "the same message again is a new one",
        "inbox_and_handoff.py::test_the_same_message_twice_is_stored_once",
        ("dialogs/inbox.py", "        if inbound.external_id is None:\n            return None\n        known", "        return None\n        known"),
    ),
    _bug(
        "one tenant's dialogs open to another",
        "inbox_and_handoff.py::test_every_door_to_a_dialog_is_shut_for_strangers",
        ("dialogs/access.py", '_TENANTS_DOOR = _door(lambda: Dialog.user == Slot("whose"))', "_TENANTS_DOOR = _door()"),
    ),
    _bug(
        "any site may use any widget",
        "tests/edges/test_rest_widget.py::test_only_listed_origins_open_a_session",
        ("assistants/origins.py", "return page is not None and any(_matches(page, entry) for entry in allowed)", "return page is not None"),
    ),
    _bug(
        "the limit of logins believes what a client says of its address",
        "tests/edges/test_rest_limits.py::test_a_proxys_word_on_the_address_counts_only_where_the_proxy_is_trusted",
        ("server/serve.py", "proxy_headers=bool(proxies),", "proxy_headers=True,"),
        ("server/serve.py", "forwarded_allow_ips=list(proxies),", 'forwarded_allow_ips="*",'),
    ),
    _bug(
        "a payment that is called in again is credited again",
        "tests/plugins/test_top_ups.py::test_a_paid_payment_is_credited_once_however_often_it_is_called_in",
        ("billing/top_ups.py", "        if not self._set(row.id, states, status=\"succeeded\"):\n            return False\n", ""),
        ("billing/top_ups.py", 'key=f"top_up:{row.id}",', 'key=f"top_up:{row.id}:{secrets.token_hex(4)}",'),
    ),
    _bug(
        "a token lives on after the password was changed",
        "accounts.py::test_every_session_of_a_user_ends",
        ("accounts/logins.py", "or row.token_epoch != claims.extra.get(\"ep\")", ""),
    ),
    _bug(
        "a code of the second factor counts twice",
        "second_factor.py::test_a_code_counts_once_and_none_before_it_any_more",
        ("security/totp.py", " and (used is None or step > used)", ""),
        ("accounts/logins.py", "& (User.totp_step < step)", ""),
    ),
    _bug(
        "a document's reader that was thought dead may still finish",
        "knowledge_ingestion.py",
        ("knowledge/ingestion.py", "(Document.id == row.id) & (Document.fence == row.fence) & (Document.status == \"processing\")", "Document.id == row.id"),
    ),
)  # fmt: skip
