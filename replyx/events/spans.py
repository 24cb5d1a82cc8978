"""Spans of what was done, for whoever collects them by OpenTelemetry; off where no address is configured."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from replyx.config.settings import Config, TelemetrySettings
from replyx.errors import ConfigError
from replyx.events.stories import Story

logger = logging.getLogger(__name__)


class Exporter(Protocol):
    """Takes stories without waiting for anything, and sends them from a thread of its own."""

    def tell(self, story: Story) -> None:
        """Have it sent; where too many wait already, the oldest of them is dropped."""

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most."""


class Spans:
    """The process's exporter, made when the first story is told."""

    def __init__(self, config: Config) -> None:
        self._settings = config.telemetry
        self._lock = threading.Lock()
        self._exporter: Exporter | None = None
        self._is_on = bool(config.telemetry.otlp_endpoint)

    def tell(self, story: Story) -> None:
        """Have a story sent. It costs the caller microseconds, and fails nothing."""
        exporter = self._ready() if self._is_on and story.laps else None
        if exporter is not None:
            exporter.tell(story)

    def warm_up(self) -> None:
        """Make the exporter now, so that no answer's thread has to; logs what keeps it from being made."""
        if self._is_on:
            self._ready()

    def close(self, seconds: float = 3.0) -> None:
        """Send what waits, for so long at most."""
        with self._lock:
            exporter, self._exporter, self._is_on = self._exporter, None, False
        if exporter is not None:
            exporter.close(seconds)

    def _ready(self) -> Exporter | None:
        with self._lock:
            if self._exporter is None and self._is_on:
                try:
                    self._exporter = make_exporter(self._settings)
                except ConfigError as error:
                    # Answers go on without spans, and this is said once; `replyx doctor` says it again.
                    self._is_on = False
                    logger.error("no spans are sent", extra={"reason": error.message_en})
            return self._exporter


def make_exporter(settings: TelemetrySettings) -> Exporter:
    """The exporter that the settings ask for. Raises ConfigError, as `require_telemetry`."""
    headers = require_telemetry(settings)
    from replyx.events.otlp import OtlpExporter

    return OtlpExporter(settings.otlp_endpoint, headers)


def require_telemetry(settings: TelemetrySettings) -> dict[str, str]:
    """Check what is configured; returns the headers.

    Raises:
        ConfigError: the library is missing, or the address or the headers are none.
    """
    if not settings.otlp_endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            f"telemetry.otlp_endpoint = {settings.otlp_endpoint!r}: нужен адрес, как http://127.0.0.1:4318/v1/traces",
            f"telemetry.otlp_endpoint = {settings.otlp_endpoint!r}: an address such as "
            "http://127.0.0.1:4318/v1/traces is needed",
        )
    headers = _headers_of(settings.otlp_headers)
    try:
        import replyx.events.otlp  # noqa: F401 - whether it can be
    except ImportError as error:
        raise ConfigError(
            'Нет библиотеки OpenTelemetry. Выполните: pip install "replyx[otel]"',
            'OpenTelemetry is missing. Run: pip install "replyx[otel]"',
        ) from error
    return headers


def _headers_of(text: str) -> dict[str, str]:
    """`A=b,C=d` as headers. Raises ConfigError, which does not repeat the text: it is a secret."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    pairs = [(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in parts)]
    if not all(name and value and name.isascii() and value.isascii() for name, value in pairs):
        raise ConfigError(
            "telemetry.otlp_headers: нужно NAME=VALUE,NAME=VALUE", "telemetry.otlp_headers: NAME=VALUE,NAME=VALUE"
        )
    return dict(pairs)
