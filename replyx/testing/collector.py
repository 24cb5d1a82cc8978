"""A collector of OpenTelemetry spans: OTLP over HTTP on the loopback, read with OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True)
class SentSpan:
    """One span as it came. Times are nanoseconds since 1970; `parent` is empty for the first of a trace."""

    name: str
    trace_id: str
    span_id: str
    parent: str
    start: int
    end: int
    values: dict[str, Any]
    resource: dict[str, Any]
    is_failed: bool


class Collector:
    """Keeps what it is sent; `status` is what it answers, as a collector that refuses does."""

    def __init__(self) -> None:
        self.spans: list[SentSpan] = []
        #: Bodies of requests as they came, unpacked, and their headers with names in lower case.
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self._server = _Threads(("127.0.0.1", 0), _handler_of(self))

    @property
    def endpoint(self) -> str:
        """What `telemetry.otlp_endpoint` is to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="collector", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """One request; 400 where it is not what the protocol asks for."""
        self.headers.append(headers)
        if path != "/v1/traces" or headers.get("content-type") != "application/x-protobuf":
            return 400, b""
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.bodies.append(plain)
        if self.status == 200:
            request = ExportTraceServiceRequest.FromString(plain)
            for group in request.resource_spans:
                resource = _values(group.resource.attributes)
                self.spans += [_span(span, resource) for scope in group.scope_spans for span in scope.spans]
        return self.status, ExportTraceServiceResponse().SerializeToString()


class _Threads(ThreadingHTTPServer):
    daemon_threads = True


def _handler_of(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = collector.take(self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Says nothing: tests look at `spans`."""

    return Handler


def _span(span: Span, resource: dict[str, Any]) -> SentSpan:
    return SentSpan(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        resource,
        span.status.code == Status.STATUS_CODE_ERROR,
    )


def _values(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
