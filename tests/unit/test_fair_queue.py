"""Tenants take turns at the local model, and who does not want to wait any more is out of the queue."""

from __future__ import annotations

import threading
import time

import pytest

from replyx.llm.fair_queue import FairQueue


def until(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_tenants_take_turns_however_many_of_one_wait() -> None:
    queue, served = FairQueue(), list[str]()
    assert queue.acquire(0, lambda: True)
    threads = []
    for name in ("a1", "a2", "a3", "b1", "c1", "b2"):

        def work(name: str = name) -> None:
            assert queue.acquire(ord(name[0]), lambda: True)
            served.append(name)
            queue.release()

        before = sum(len(waiting) for waiting in queue._waiting.values())
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        until(lambda before=before: sum(len(w) for w in queue._waiting.values()) == before + 1)
    queue.release()
    for thread in threads:
        thread.join(20)
    assert served == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_who_gives_up_is_out_of_the_queue_and_blocks_nobody() -> None:
    queue = FairQueue()
    assert queue.acquire(1, lambda: True)
    assert not queue.acquire(2, lambda: False)
    with pytest.raises(ValueError, match="over"):
        queue.acquire(3, lambda: (_ for _ in ()).throw(ValueError("over")))
    queue.release()
    assert queue.acquire(4, lambda: False)


def test_a_tenant_one_of_whose_customers_gave_up_keeps_its_place() -> None:
    queue, served, given_up = FairQueue(), list[str](), threading.Event()
    assert queue.acquire(0, lambda: True)
    threads = []
    for name in ("a1", "a2", "b1"):

        def work(name: str = name) -> None:
            if queue.acquire(ord(name[0]), lambda: name != "a1" or not given_up.is_set()):
                served.append(name)
                queue.release()

        before = sum(len(waiting) for waiting in queue._waiting.values())
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        until(lambda before=before: sum(len(w) for w in queue._waiting.values()) == before + 1)
    given_up.set()
    threads[0].join(20)
    queue.release()
    for thread in threads:
        thread.join(20)
    assert served == ["a2", "b1"]
