"""How an actor is declared: a task's name, its queue, and a failure that is logged once and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable

import dramatiq

from replyx.tasks.names import queue_of

logger = logging.getLogger(__name__)


def declare_actor(broker: dramatiq.Broker, task: str, work: Callable[[int], object]) -> None:
    """Let the workers of `broker` do `work` with the id that a task of the name `task` carries."""

    def run(*args: object) -> None:
        try:
            work(_parse(args))
        except Exception:
            logger.exception("a task failed", extra={"task": task, "task_args": args})

    if task not in broker.get_declared_actors():
        dramatiq.Actor(run, broker=broker, actor_name=task, queue_name=queue_of(task), priority=0, options={})


def _parse(args: tuple[object, ...]) -> int:
    if len(args) == 1 and type(args[0]) is int:
        return args[0]
    raise ValueError("a task carries one number")
