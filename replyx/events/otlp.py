"""Sends stories as OpenTelemetry spans by OTLP over HTTP, with OpenTelemetry's own library (`replyx[otel]`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, set_span_in_context
from opentelemetry.trace.status import Status, StatusCode

from replyx import __version__
from replyx.clock import SystemClock
from replyx.events.stories import Story

#: Seconds for one request, spans that wait at most, and seconds between two requests.
_TIMEOUT, _WAITING, _EVERY = 5, 2048, 2.0


class OtlpExporter:
    """One provider of its own: the one that a plugin may have set for the whole process is left alone."""

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        self._ids = _StoryIds()
        sender = OTLPSpanExporter(endpoint=endpoint, headers=headers or None, timeout=_TIMEOUT)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": "replyx", "service.version": __version__}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(sender, max_queue_size=_WAITING, schedule_delay_millis=_EVERY * 1000)
        )
        self._tracer = self._provider.get_tracer("replyx", __version__)

    def tell(self, story: Story) -> None:
        """Have a story sent; where too many wait already, the oldest of them is dropped."""
        ahead = SystemClock().now().timestamp() - time.perf_counter()

        def nanoseconds(moment: float) -> int:
            return int((moment + ahead) * 1e9)

        self._ids.story.trace_id = int(story.trace_id, 16)
        span = self._tracer.start_span(
            story.name,
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes=story.values,
            start_time=nanoseconds(story.laps[0].start),
        )
        inside = set_span_in_context(span, Context())
        for lap in story.laps:
            stage = self._tracer.start_span(lap.stage, context=inside, start_time=nanoseconds(lap.start))
            stage.end(nanoseconds(lap.end))
        if story.is_failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(nanoseconds(story.laps[-1].end))

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most: a collector that hangs holds up no end of a process."""
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(seconds)


class _StoryIds(RandomIdGenerator):
    """Numbers of spans are random; that of the trace is the story's, under which the log has it as well."""

    def __init__(self) -> None:
        self.story = threading.local()

    def generate_trace_id(self) -> int:
        trace_id: int = self.story.trace_id
        return trace_id
