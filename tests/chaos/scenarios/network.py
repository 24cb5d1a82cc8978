"""Faults of the network: between ReplyX and its servers, and between customers and ReplyX."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

from replyx.testing.fault_proxy import Fault, FaultProxy
from tests.chaos.checker.recovery import recoveries, spread
from tests.chaos.load.widget import visitors
from tests.chaos.machine import Plan
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import Trial, trial
from tests.support.programs import wait_until

#: What befalls a line, and for how many seconds.
_FAULTS: dict[str, tuple[Fault, float]] = {
    "delay of 200 ms": (Fault(delay=0.2), 5),
    "stall of 5 s": (Fault(stall=True), 5),
    "reset": (Fault(refuse=True), 1),
    "half-open": (Fault(swallow=True), 20),
    "slices of 1 byte": (Fault(slice_bytes=1), 3),
}


def _disturb(made: Trial, name: str) -> None:
    """Every fault on the line to one server; after each, all must be well by itself."""
    proxy = made.machine.proxies[name]
    for what, (fault, seconds) in _FAULTS.items():
        made.strike(name, fault=what)
        proxy.fault = fault
        if fault.refuse:
            proxy.reset()
        time.sleep(seconds)
        proxy.fault = Fault()
        over = time.monotonic()
        made.recover()
        made.finding.expect(f"{name}, {what}: well after", round(time.monotonic() - over, 1), 20)


@scenario("F17", "the lines to PostgreSQL and Redis: delay, stall, reset, half-open, slices", "well again within 20 s")
def lines_to_servers(asked: Asked) -> Finding:
    # SQLite has no line to it.
    names = ("redis",) if asked.database == "sqlite" else ("postgres", "redis")
    with trial(asked, "F17", plan=Plan(asked.database, proxied=names)) as made:
        for name in names:
            _disturb(made, name)
    return made.finding


@scenario(
    "F26",
    "sockets are cut at random frames",
    "no event missed, doubled or out of order",
    "edges/test_socket.py::test_a_long_absence_is_made_up_for_while_more_happens",
)
def sockets_cut(asked: Asked) -> Finding:
    dice = random.Random(asked.seed)
    cuts = 0
    with ExitStack() as stack:
        proxy = FaultProxy("127.0.0.1", 0)
        made = stack.enter_context(
            trial(asked, "F26", customers=20, mixture=[(1, {"words_per_second": 60})], before=proxy)
        )
        while cuts < asked.times * 100:
            time.sleep(0.2 + dice.random() * 0.8)
            cuts += proxy.open_connections
            proxy.reset()
        made.more(40)
    made.finding.figures.append(f"{cuts} connections cut")
    return made.finding


@scenario("F28", "many sockets drop and come back at once", "all have caught up within 15 s")
def thundering_herd(asked: Asked) -> Finding:
    herd = 100 * asked.times
    with ExitStack() as stack:
        proxy = FaultProxy("127.0.0.1", 0)
        made = stack.enter_context(
            trial(asked, "F28", kinds=[visitors("anna", 10), visitors("boris", herd)], before=proxy)
        )
        wait_until(lambda: proxy.open_connections >= herd, 60, "not all are there")
        made.strike("sockets")
        start = time.monotonic()
        proxy.reset()
        wait_until(lambda: proxy.open_connections >= herd, 60, "not all came back")
        made.finding.expect(f"{herd} sockets were back after", round(time.monotonic() - start, 1), 15)
        made.more(20)
    made.finding.expect("longest wait for an answer", spread(recoveries(made.story))[1], 20)
    return made.finding
