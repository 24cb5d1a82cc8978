"""Answers as OpenTelemetry spans: what a collector gets of them, what it does not get, and what happens without one."""

from __future__ import annotations

import io
import json
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from replyx.app import open_app
from replyx.config.settings import TelemetrySettings
from replyx.dialogs.completions import CompletionRequest
from replyx.errors import ConfigError
from replyx.events.spans import require_telemetry
from replyx.log import JsonFormatter
from replyx.storage.dialogs import Reply
from replyx.testing.collector import Collector, SentSpan
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.conftest import Configure
from tests.support.desk import Desk, open_desk

STAGES = ["waiting", "claim", "search", "first_piece", "writing", "commit"]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def desk(configure: Configure, sqlite_url: str, llm: FakeLLM, collector: Collector) -> Iterator[Desk]:
    """A tenant whose answers are told to the collector."""
    config = configure(
        REPLYX_DATABASE__URL=sqlite_url,
        REPLYX_TELEMETRY__OTLP_ENDPOINT=collector.endpoint,
        REPLYX_TELEMETRY__OTLP_HEADERS="X-Scope=shop, Authorization=Bearer c0llect",
    )
    app = open_app(config)
    yield open_desk(app, llm)
    app.close()


def sent(desk: Desk, collector: Collector) -> tuple[SentSpan, list[SentSpan]]:
    """The only story that was told, once all are sent: its first span, and the others in the order of time."""
    desk.app.spans.close(seconds=60)
    (whole,) = [span for span in collector.spans if not span.parent]
    return whole, sorted((span for span in collector.spans if span.parent), key=lambda span: span.start)


def test_an_answer_is_one_trace_with_a_span_for_each_stage(desk: Desk, collector: Collector) -> None:
    before = datetime.now(UTC).timestamp()
    text = "# Гарантия\n\nГарантия на котёл действует 24 месяца со дня покупки."
    document = desk.app.knowledge.add_document(
        desk.owner, desk.assistant.id, "Ивану Петрову.md", io.BytesIO(text.encode())
    )
    desk.app.knowledge.ingest(document.id)
    dialog = desk.open_dialog()
    answer = desk.ask(dialog, "Я Пётр, p.petrov@example.com. Сколько месяцев гарантия на котёл?")
    assert answer is not None
    whole, stages = sent(desk, collector)
    (trace,) = desk.app.dialogs.traces(desk.owner, dialog)
    assert [span.name for span in stages] == STAGES
    assert {span.trace_id for span in (whole, *stages)} == {trace["trace_id"]}
    assert {span.parent for span in stages} == {whole.span_id}
    assert (whole.name, whole.is_failed) == ("answer", False)
    assert (whole.start, whole.end) == (stages[0].start, stages[-1].end)
    assert all(before - 1 < span.start / 1e9 <= span.end / 1e9 for span in stages)
    values = whole.values
    assert values["gen_ai.request.model"] == trace["model"]
    assert values["gen_ai.usage.output_tokens"] == trace["completion_tokens"] > 0
    assert (values["replyx.engine"], values["replyx.outcome"]) == ("remote", "answered")
    assert (values["replyx.price_kopecks"], values["replyx.passages"]) == (500, 1)
    assert (values["replyx.reply_id"], values["replyx.channel"]) == (answer.reply_id, "website")
    assert whole.resource["service.name"] == "replyx"
    # Nobody's words, no names of files, no secrets.
    everything = b"".join(collector.bodies)
    for words in ("Пётр", "petrov", "котёл", "Петрову", "Помощник", "sk-"):
        assert words.encode() not in everything


def test_the_collectors_headers_are_sent(desk: Desk, collector: Collector) -> None:
    desk.ask(desk.open_dialog(), "Привет")
    desk.app.spans.close(seconds=60)
    (headers,) = collector.headers
    assert (headers["x-scope"], headers["authorization"]) == ("shop", "Bearer c0llect")


def test_a_try_that_failed_is_a_trace_of_its_own_whose_number_stands_in_the_log(
    desk: Desk, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[str] = []
    # Records are written at once, in the thread that logs, as in a process.
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    logging.getLogger("replyx").addHandler(handler)
    try:
        desk.llm.standing = Scenario(status=500)
        assert desk.ask(desk.open_dialog(), "Где мой заказ?") is None
    finally:
        logging.getLogger("replyx").removeHandler(handler)
    whole, stages = sent(desk, collector)
    assert whole.is_failed
    assert [span.name for span in stages] == ["waiting", "claim", "trying"]
    (line,) = [row for row in map(json.loads, lines) if row["message"] == "an answer did not come"]
    assert line["trace_id"] == whole.trace_id


def test_answers_over_the_openai_compatible_endpoint_are_told_as_well(desk: Desk, collector: Collector) -> None:
    class Nowhere:
        def write(self, piece: str) -> None: ...

        def restart(self) -> None: ...

    request = CompletionRequest(f"assistant-{desk.assistant.id}", "Привет")
    done = desk.app.completions.complete(desk.owner, request, Nowhere(), lambda: False)
    assert done is not None
    whole, stages = sent(desk, collector)
    assert [span.name for span in stages] == STAGES[2:]
    assert (whole.values["replyx.channel"], whole.values["replyx.price_kopecks"]) == ("api", done.price)


@pytest.mark.parametrize("trouble", ["refuses", "is not there", "hangs"])
def test_a_collector_in_trouble_holds_up_no_answer(
    configure: Configure, sqlite_url: str, llm: FakeLLM, collector: Collector, trouble: str
) -> None:
    collector.status = 500
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
        if trouble == "is not there":
            nobody.close()
        endpoint = collector.endpoint if trouble == "refuses" else f"http://127.0.0.1:{port}/v1/traces"
        config = configure(REPLYX_DATABASE__URL=sqlite_url, REPLYX_TELEMETRY__OTLP_ENDPOINT=endpoint)
        app = open_app(config)
        desk = open_desk(app, llm)
        answer = desk.ask(desk.open_dialog(), "Привет")
        assert answer is not None
        assert answer.text == "Ответ."
        with app.db.connection():
            assert Reply.get_by_id(answer.reply_id).state == "done"
        app.spans.close(seconds=0.1)
        app.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (TelemetrySettings(otlp_endpoint="127.0.0.1:4318"), "telemetry.otlp_endpoint"),
        (TelemetrySettings("http://127.0.0.1:4318/v1/traces", "s3cret"), "telemetry.otlp_headers"),
    ],
)
def test_what_cannot_be_used_is_named_and_no_secret_with_it(settings: TelemetrySettings, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        require_telemetry(settings)
    assert "s3cret" not in str(raised.value)
