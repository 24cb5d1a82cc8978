"""Faults whose figures tests of the suite show, or a program of their own: to run such an entry is to run its tests."""

from __future__ import annotations

from tests.chaos.scenarios.table import proven, shown

shown(
    "F6",
    "all five at random, two hundred times",
    "0 lost, 0 doubled, ledger 0.00: the run without `--scenario`",
    "chaos/test_headline.py",
    "make chaos",
)
proven(
    "F8",
    "a process dies at every commit of a message's life",
    "every rule holds; `make kills` has all points, this a part",
    "kills/test_kills.py",
)
shown("F9", "the n-th call fails in three ways", "every rule holds", "kills/test_kills.py", "make kills")
proven(
    "F18",
    "the pool of connections is drained, and a lock is not given up",
    "an error in time instead of waiting for ever; no deadlock",
    "domain/test_database_under_load.py::test_a_pool_without_a_free_connection_says_so_in_time",
    "domain/test_database_under_load.py::test_a_lock_that_is_not_given_up_is_an_error_in_time",
    "domain/test_database_under_load.py::test_a_lock_of_another_process_is_an_error_in_time",
    "domain/test_database_under_load.py::test_errors_give_connections_back",
)
proven(
    "F19",
    "a migration is killed in the middle",
    "the next one ends in the schema of a single one",
    "migration/test_migrations.py::test_a_migration_that_is_killed_leaves_nothing_half_done_and_is_done_by_the_next",
)
proven(
    "F20",
    "a backup under load, and its restoring",
    "of one moment; the ledger is in order",
    "domain/test_backup.py::test_a_backup_under_load_is_of_one_moment",
    "edges/test_cli_backup.py::test_a_restore_that_is_killed_leaves_what_was_there",
)
proven(
    "F21",
    "a thousand debits at once on money for a hundred",
    "exactly a hundred pass",
    "domain/test_ledger_concurrency.py::test_of_a_thousand_debits_on_money_for_a_hundred_exactly_a_hundred_pass",
)
proven(
    "F22",
    "a payment is called in ten times, at once, out of order, with another sum; an order comes twice",
    "one credit each; another body under the key is refused with 422",
    "plugins/test_top_ups.py::test_a_paid_payment_is_credited_once_however_often_it_is_called_in",
    "plugins/test_top_ups.py::test_of_fifty_callbacks_at_once_one_credits",
    "plugins/test_top_ups.py::test_callbacks_in_any_order_end_the_same",
    "plugins/test_top_ups.py::test_a_payment_that_differs_from_its_order_is_not_credited",
    "edges/test_rest_idempotency.py::test_a_top_up_that_is_sent_by_twenty_makes_one_payment",
    "edges/test_rest_idempotency.py::test_another_body_under_the_key_is_refused",
)
proven("F23", "debits, top-ups and refunds in any order", "the books balance after each", "machines/test_ledger.py")
proven(
    "F24",
    "a worker dies between hold, call and capture",
    "no hold is left, no capture without an answer",
    "kills/test_kills.py",
)
proven("F25", "twenty workers on five keys with limits", "limits to the call", "edges/test_pool_under_load.py")
proven(
    "F32",
    "the model refuses: 429, 500, 503, 529",
    "99 of 100 while one key of five is well",
    "edges/test_pool_under_load.py::test_one_healthy_key_of_five_answers_nearly_everything",
)
proven(
    "F36",
    "the model does what a customer or a document tells it to",
    "no instruction comes out",
    "domain/test_last_resort.py::test_instructions_never_come_out_of_an_obedient_model",
)
proven(
    "F39",
    "Telegram answers 409, then times out",
    "polling goes on where it was",
    "edges/test_telegram_inbound.py::test_after_conflicts_outages_and_garbage_it_goes_on_where_it_was",
)
shown("F40", "Telegram lets one chat wait for 30 s", "others are late by 2 s at most", "make telegram")
proven(
    "F41",
    "Telegram answers 502, or breaks off after it took a message",
    "shown twice only with a mark, and counted",
    "telegram/test_outgoing.py",
)
proven(
    "F42",
    "Telegram refuses markup, length, an empty text, a chat, the token",
    "delivered plainly, or seen as failed",
    "edges/test_telegram_sender.py",
)
proven("F43", "updates twice, out of order, with numbers that begin anew", "each once", "domain/test_telegram_inbox.py")
shown("F44", "Telegram is away for hours", "the backlog goes out in order within 5 minutes", "make telegram")
proven(
    "F45",
    "bots with bad tokens among others",
    "they harm no other",
    "edges/test_telegram_inbound.py::test_a_bad_token_harms_no_other_bot_and_bots_follow_the_database",
)
proven("F46", "hostile uploads", "each ends with a reason; others are answered from", "domain/test_hostile_files.py")
proven(
    "F47",
    "an upload or its reader is killed half way",
    "`failed` or `completed`, nothing left over",
    "domain/test_knowledge_ingestion.py",
)
proven("F51", "hostile HTTP", "refused at once, or ended by its time-out", "edges/test_hostile_http.py")
shown("F53", "faults that somebody could make in the code", "20 of 20 are seen", "strength/test_bugs.py", "make bugs")
