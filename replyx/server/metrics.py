"""The figures of `/metrics`: of every process from its sign of life, the rest from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from replyx import __version__
from replyx.app import App
from replyx.events.figures import SECONDS
from replyx.tasks.beats import BeatView

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def render(app: App) -> bytes:
    """The page, in the text format that every Prometheus reads.

    Raises:
        DatabaseUnavailable: then there is nothing to tell.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(list(_collected(app))))
    return generate_latest(registry)


class _Collector:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def _collected(app: App) -> Iterator[Metric]:
    alive = [beat for beat in app.beats.list() if beat.alive]
    yield _gauge("replyx_info", "The program.", {("version",): {(__version__,): 1}})
    yield _by("replyx_processes", "Processes that live.", "role", Counter(beat.role for beat in alive))
    yield _gauge("replyx_sockets", "Open sockets.", {("process",): _of(alive, "server", "sockets")})
    yield from _answers([beat for beat in alive if beat.role == "worker" and beat.detail])
    depth, oldest = app.census.waiting_replies()
    yield _plain("replyx_queue_depth", "Answers that are owed.", depth)
    yield _plain("replyx_queue_oldest_seconds", "For how long the oldest of them has been.", oldest)
    yield _by("replyx_handoffs", "Dialogs with a person or waiting for one.", "state", app.census.handoffs())
    yield _by("replyx_bots", "Telegram bots.", "state", app.bot_states.counts())
    yield _plain(
        "replyx_updates_waiting", "Updates of Telegram without their effect yet.", app.updates.counts()["waiting"]
    )
    yield _by("replyx_deliveries", "Messages to Telegram that are not simply sent.", "state", app.deliveries.counts())
    count, kopecks = app.census.open_holds()
    yield _plain("replyx_holds", "Holds that are open.", count)
    yield _plain("replyx_held_kopecks", "What they hold.", kopecks)
    yield _by("replyx_documents", "Documents.", "state", app.census.documents())
    yield _by("replyx_ai_keys", "AI keys.", "state", app.census.ai_keys())
    yield _by("replyx_ai_key_calls_today", "Calls of each AI key today.", "key", app.census.ai_key_calls())


def _answers(beats: list[BeatView]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    answers = CounterMetricFamily("replyx_answers", "Answers.", labels=("process", "outcome", "engine"))
    failed = CounterMetricFamily("replyx_answer_failures", "Failed tries at an answer.", labels=("process",))
    seconds = HistogramMetricFamily(
        "replyx_answer_seconds", "From the first question to the answer.", labels=("process",)
    )
    for beat in beats:
        figures: Any = (beat.detail or {}).get("figures")
        if not figures:
            continue
        for outcome, engine, count in figures["answers"]:
            answers.add_metric((beat.name, outcome, engine), count)
        failed.add_metric((beat.name,), figures["failed"])
        bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(figures["classes"])), strict=True))
        seconds.add_metric((beat.name,), buckets, figures["waited"])
    yield from (answers, failed, seconds)


def _of(beats: list[BeatView], role: str, key: str) -> dict[tuple[str, ...], float]:
    return {(beat.name,): float((beat.detail or {}).get(key, 0)) for beat in beats if beat.role == role}


def _plain(name: str, meaning: str, value: float) -> Metric:
    return _gauge(name, meaning, {(): {(): value}})


def _by(name: str, meaning: str, label: str, counts: dict[str, int]) -> Metric:
    return _gauge(name, meaning, {(label,): {(key,): count for key, count in sorted(counts.items())}})


def _gauge(name: str, meaning: str, values: dict[tuple[str, ...], dict[Any, float]]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    (labels, samples), *_ = values.items()
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for key, value in samples.items():
        family.add_metric(key, value)
    return family
