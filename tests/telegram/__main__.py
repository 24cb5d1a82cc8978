"""`python -m tests.telegram`: what bots and their senders go through; figures, and exit code 1 where one is bad."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from replyx.testing.telegram_faults import outage, too_many
from tests.telegram.following import following
from tests.telegram.incoming import open_street, write_while_managers_die
from tests.telegram.incoming_trials import backlog, bursts, many_bots, second_poller
from tests.telegram.outgoing import Findings, judge, misbehave, open_town, send_all, send_all_dying


def main() -> None:
    """Run all, or those that are asked for; print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.telegram", description=__doc__)
    parser.add_argument("--only", default="", help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=60, help="about how often a sender, and a manager, dies")
    parser.add_argument("--messages", type=int, default=5000, help="messages that come while managers die")
    parser.add_argument("--backlog", type=int, default=3000, help="messages that wait for the end of an outage")
    parser.add_argument("--conflict", type=float, default=60.0, help="seconds for which somebody else polls; F39: 600")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(SCENARIOS)
    bad = [line for name in wanted for line in SCENARIOS[name](options)]
    _say("\n".join(bad) or "all as it should be")
    raise SystemExit(1 if bad else 0)


def _in_doubt(options: Namespace) -> list[str]:
    """Five hundred messages, of which about two hundred meet a 502, a reset, or a reset after the effect; F41, F42."""
    bad: list[str] = []
    for policy in ("retry_once_marked", "never_retry"):
        with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 50, REPLYX_BOTS__IN_DOUBT=policy) as town:
            faults = misbehave(town, 0.3, options.seed)
            town.say_everywhere(10)
            seconds = send_all(town, 600)
            found = judge(town, may_repeat=policy == "retry_once_marked")
            found.doubtful_faults, found.seconds = sum(fault.met for fault in faults), seconds
        bad += _told(f"doubtful faults, {policy}", found)
    return bad


def _sender_deaths(options: Namespace) -> list[str]:
    """Processes that die while they send."""
    with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 20) as town:
        town.say_everywhere(max(4, options.kills))
        start = time.monotonic()
        deaths = send_all_dying(town, 3600, options.seed)
        found = judge(town, may_repeat=True)
        found.deaths, found.seconds = deaths, time.monotonic() - start
    return _told("deaths of the sender", found)


def _one_chat_waits(_options: Namespace) -> list[str]:
    """One chat is told to wait 30 s; the longest that a message of another chat was late; F40."""
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


def _owed_after_outage(options: Namespace) -> list[str]:
    """An outage, and what operators said meanwhile."""
    with tempfile.TemporaryDirectory() as folder, open_town(Path(folder), 100) as town:
        down = town.telegram.add_fault(outage(seconds=5.0))
        town.say_everywhere(options.backlog // 100)
        seconds = send_all(town, 900)
        found = judge(town, may_repeat=True)
        found.seconds, found.doubtful_faults = seconds, down.met
    bad = [] if found.seconds <= 300 else [f"the backlog took {found.seconds:.0f} s"]
    return [*bad, *_told("outage and backlog", found)]


def _manager_deaths(options: Namespace) -> list[str]:
    """Bot managers die while customers of 25 bots write; F3. And no log, at the lowest level, has a token."""
    with tempfile.TemporaryDirectory() as folder, open_street(Path(folder), 25) as street:
        start = time.monotonic()
        kills = write_while_managers_die(street, options.messages, options.kills, options.seed)
        seconds, faults, tokens = time.monotonic() - start, street.judge(), street.tokens_in_logs()
    _say(
        f"deaths of the manager: {options.messages} messages to 25 bots, {kills} kills, {seconds:.0f} s; chats in "
        f"which one is lost, doubled or out of order: {len(faults)}; tokens in logs at DEBUG: {tokens}"
    )
    return [*faults, *([f"{tokens} tokens in logs"] if tokens else [])]


def _second_poller(options: Namespace) -> list[str]:
    """Somebody else polls the token; F39."""
    with tempfile.TemporaryDirectory() as folder:
        found = second_poller(Path(folder), options.conflict, 1000)
    _say(
        f"a second poller for {options.conflict:.0f} s: told after {found.told:.1f} s, polls again "
        f"{found.resumed:.1f} s after its end; {found.messages} messages, faults: {len(found.faults)}"
    )
    late = [] if found.told <= 90 and found.resumed <= 60 else ["told or resumed too late"]
    return [*late, *found.faults]


def _backlog(options: Namespace) -> list[str]:
    """Telegram was away, and all that was written meanwhile comes at once; F44."""
    with tempfile.TemporaryDirectory() as folder:
        found = backlog(Path(folder), options.backlog, 100)
    _say(
        f"a backlog of {found.messages} updates in 100 chats: stored in order after {found.stored:.1f} s "
        f"({found.messages / found.stored:.0f} a second), every chat answered after {found.answered:.1f} s by "
        f"{found.answers} answers; faults: {len(found.faults)}"
    )
    return [*found.faults, *(["it took too long"] if found.stored > 300 else [])]


def _bursts(_options: Namespace) -> list[str]:
    """Five messages in one breath, twenty times over, three times in a row."""
    with tempfile.TemporaryDirectory() as folder:
        found = bursts(Path(folder), 20, 5, 3)
    _say(
        f"{found.bursts} bursts of 5 messages: {found.answers} answers, {found.paid} paid; faults: {len(found.faults)}"
    )
    return [*found.faults, *([] if found.answers == found.paid == found.bursts else ["not one answer for each burst"])]


def _many_bots(_options: Namespace) -> list[str]:
    """A hundred bots, ten of them with tokens of no bot; F45."""
    with tempfile.TemporaryDirectory() as folder:
        found = many_bots(Path(folder), 100, 10)
    _say(
        f"100 bots: {found.running} run and {found.refused} are refused {found.started:.1f} s after the start of the "
        f"process; {found.kib_each:.0f} KiB for each further idle bot; faults: {len(found.faults)}"
    )
    bad = [] if found.started <= 30 and found.kib_each <= 1024 else ["too slow, or too large"]
    return [*bad, *found.faults]


def _following(_options: Namespace) -> list[str]:
    """Assistants are made, changed, switched off and on, deleted, twenty times."""
    with tempfile.TemporaryDirectory() as folder:
        found = following(Path(folder), 20)
    _say("the manager follows within " + ", ".join(f"{seconds:.2f} s ({change})" for change, seconds in found.items()))
    return [f"{change} took {seconds:.1f} s" for change, seconds in found.items() if seconds > 2]


SCENARIOS: dict[str, Callable[[Namespace], list[str]]] = {
    "in-doubt": _in_doubt,
    "sender-deaths": _sender_deaths,
    "one-chat-waits": _one_chat_waits,
    "owed": _owed_after_outage,
    "manager-deaths": _manager_deaths,
    "second-poller": _second_poller,
    "backlog": _backlog,
    "bursts": _bursts,
    "many-bots": _many_bots,
    "following": _following,
}


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
