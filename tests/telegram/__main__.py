"""`python -m tests.telegram`: doubtful faults, deaths, a chat that waits, an outage; figures, and 1 if one is bad."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from replyx.testing.telegram_faults import outage, too_many
from tests.telegram.outgoing import Findings, judge, misbehave, open_town, send_all, send_all_dying


def main() -> None:
    """Run all, print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.telegram", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=60, help="about how often a sender dies")
    parser.add_argument("--backlog", type=int, default=3000, help="messages that wait for the end of an outage")
    options = parser.parse_args()
    bad = [
        *_in_doubt("retry_once_marked", options.seed),
        *_in_doubt("never_retry", options.seed),
        *_deaths(options.kills, options.seed),
        *_one_chat_waits(),
        *_backlog(options.backlog),
    ]
    _say("\n".join(bad) or "all as it should be")
    raise SystemExit(1 if bad else 0)


def _in_doubt(policy: str, seed: int) -> list[str]:
    """Five hundred messages, of which about two hundred meet a 502, a reset, or a reset after the effect."""
    with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 50, REPLYX_BOTS__IN_DOUBT=policy) as town:
        faults = misbehave(town, 0.3, seed)
        town.say_everywhere(10)
        seconds = send_all(town, 600)
        found = judge(town, may_repeat=policy == "retry_once_marked")
        found.doubtful_faults, found.seconds = sum(fault.met for fault in faults), seconds
    return _told(f"doubtful faults, {policy}", found)


def _deaths(kills: int, seed: int) -> list[str]:
    """Processes that die while they send."""
    with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 20) as town:
        town.say_everywhere(max(4, kills))
        start = time.monotonic()
        deaths = send_all_dying(town, 3600, seed)
        found = judge(town, may_repeat=True)
        found.deaths, found.seconds = deaths, time.monotonic() - start
    return _told("deaths of the sender", found)


def _one_chat_waits() -> list[str]:
    """One chat is told to wait 30 s; the longest that a message of another chat was late."""
    with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 50) as town:
        town.telegram.add_fault(too_many(30, method="sendMessage", chat_id=7000))
        town.say_everywhere(10)
        seconds = send_all(town, 600)
        found = judge(town, may_repeat=False)
        found.seconds = seconds
        calls = town.telegram.log(method="sendMessage")
        others = [call.at - calls[0].at for call in calls if call.chat_id != 7000]
        waited = [call.at - calls[0].at for call in calls if call.chat_id == 7000]
    # 490 messages at thirty a second are out after 17 s, and the tenth of a chat not before 9 s.
    late = max(others) - 490 / 30
    _say(
        f"one chat told to wait 30 s: it waited {waited[1]:.1f} s; the others were {max(0.0, late):.1f} s late at most"
    )
    bad = [] if waited[1] >= 29.9 and late <= 2.0 else ["the wrong chat waited"]
    return [*bad, *_told("one chat waits", found)]


def _backlog(messages: int) -> list[str]:
    """An outage, and what was said meanwhile."""
    with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 100) as town:
        down = town.telegram.add_fault(outage(seconds=5.0))
        town.say_everywhere(messages // 100)
        seconds = send_all(town, 900)
        found = judge(town, may_repeat=True)
        found.seconds, found.doubtful_faults = seconds, down.met
    bad = [] if found.seconds <= 300 else [f"the backlog took {found.seconds:.0f} s"]
    return [*bad, *_told("outage and backlog", found)]


def _told(name: str, found: Findings) -> list[str]:
    _say(
        f"{name}: {found.messages} messages in {found.seconds:.0f} s, {found.doubtful_faults} doubtful faults, "
        f"{found.deaths} deaths; {found.states}, {found.in_doubt} times in doubt; lost {len(found.lost)}, "
        f"too often {len(found.twice)}, unmarked {len(found.unmarked)}, disordered {len(found.disordered)}"
    )
    return [f"{name}: {fault}" for fault in found.faults]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
