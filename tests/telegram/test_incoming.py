"""A short run of what `python -m tests.telegram` does for long with what comes in."""

from __future__ import annotations

from pathlib import Path

from tests.telegram.incoming import open_street, write_while_managers_die
from tests.telegram.incoming_trials import bursts


def test_nothing_is_lost_nor_doubled_while_managers_die_and_no_log_has_a_token(tmp_path: Path) -> None:
    with open_street(tmp_path, 4) as street:
        write_while_managers_die(street, messages=60, kills=3, seed=7)

        assert street.judge() == []
        assert sum(len(texts) for texts in street.written.values()) == 60
        assert (tmp_path / "managers.log").stat().st_size > 1000
        assert street.tokens_in_logs() == 0


def test_the_judge_sees_a_lost_a_doubled_and_a_disordered_message(tmp_path: Path) -> None:
    with open_street(tmp_path, 1) as street:
        write_while_managers_die(street, messages=8, kills=1, seed=1)
        place, texts = max(street.written.items(), key=lambda item: len(item[1]))

        street.written[place] = [*texts, "never came"]
        assert len(street.judge()) == 1
        street.written[place] = texts[1:]
        assert len(street.judge()) == 1
        street.written[place] = [*texts[1:], texts[0]]
        assert len(street.judge()) == (1 if len(texts) > 1 else 0)


def test_a_burst_has_one_answer_which_is_paid_once(tmp_path: Path) -> None:
    found = bursts(tmp_path, chats=4, messages=3, rounds=2)

    assert found.faults == []
    assert (found.bursts, found.answers, found.paid) == (8, 8, 8)
