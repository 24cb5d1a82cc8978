"""A short run of what `python -m tests.telegram` does for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.telegram.outgoing import judge, misbehave, open_town, send_all


@pytest.mark.parametrize("policy", ["retry_once_marked", "never_retry"])
def test_nothing_is_lost_nor_said_more_often_than_the_policy_allows(tmp_path: Path, policy: str) -> None:
    with open_town(tmp_path, 12, REPLYX_BOTS__IN_DOUBT=policy) as town:
        faults = misbehave(town, 0.3, seed=5)
        said = town.say_everywhere(3)
        send_all(town, 60)
        found = judge(town, may_repeat=policy == "retry_once_marked")
        found.doubtful_faults = sum(fault.met for fault in faults)
    # The way to the server takes longer at times on a busy machine; the pace is tested on a clock of its own.
    found.hasty.clear()
    assert found.messages == said
    assert found.doubtful_faults > 3
    assert found.faults == []
    assert set(found.states) <= {"sent", "maybe_sent"}
    assert policy == "never_retry" or found.states["sent"] > found.states.get("maybe_sent", 0)
