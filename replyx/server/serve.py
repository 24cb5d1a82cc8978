"""Running the server in the calling thread: its socket, uvicorn, and an orderly end."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from replyx.app import App
from replyx.config.settings import Config
from replyx.errors import AddressInUse, ConfigError
from replyx.server.application import make_application
from replyx.server.http_protocol import BoundedHttpProtocol
from replyx.server.origins import Origins
from replyx.server.ws.protocol import SocketProtocol

logger = logging.getLogger(__name__)

#: Largest frame of a socket, in bytes.
_FRAME_BYTES = 65_536

#: Connections that wait to be accepted: many clients come back at once after a restart.
_BACKLOG = 4096

#: Seconds that requests under way have to end; with what comes before and after it stays under ten.
_GRACE_SECONDS = 8


def run_server(
    app: App, stop: threading.Event, on_ready: Callable[[str], None], sockets: list[socket.socket] | None = None
) -> None:
    """Serve until `stop` is set, then end within ten seconds. `on_ready` gets `http://HOST:PORT` once it serves.

    Handles no signals: that is the caller's. `sockets` are bound ones to use in place of `server.host` and `port`.

    Raises:
        AddressInUse: the address cannot be listened on. ConfigError: the server could not start.
    """
    bound = sockets or [bind(app.config)]
    host, port = bound[0].getsockname()[:2]
    configured = app.config.server.host if sockets is None else host
    origins = Origins(app.config.server.public_url, configured, port)
    server = _Server(_uvicorn_config(app, origins), stop, lambda: on_ready(f"http://{_in_url(host)}:{port}"))
    try:
        server.run(bound)
    except SystemExit as error:
        # uvicorn's word for a lifespan that failed; the reason is in the log.
        raise ConfigError("Сервер не запустился: см. журнал", "The server did not start: see the log") from error
    finally:
        for one in bound:
            one.close()


def bind(config: Config) -> socket.socket:
    """A socket bound to `server.host` and `server.port`; port 0 takes a free one.

    Raises:
        AddressInUse: it is taken, forbidden or none of this machine's.
    """
    host, port = config.server.host, config.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refusal(host, port, error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Now, so that a port in use is known before anything else is started.
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _refusal(host, port, error) from error
    return bound


class _Server(uvicorn.Server):
    """Ends when an event is set, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._on_ready = stop, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.is_set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(app: App, origins: Origins) -> uvicorn.Config:
    proxies = app.config.server.trusted_proxies
    return uvicorn.Config(
        make_application(app, origins),
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws=SocketProtocol,
        ws_max_size=_FRAME_BYTES,
        ws_per_message_deflate=False,
        # The contract has its own ping; a second one would cost two timers a socket.
        ws_ping_interval=None,
        lifespan="on",
        interface="asgi3",
        log_config=None,
        # Below this level uvicorn writes URLs with their tokens.
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refusal(host: str, port: int, error: OSError) -> AddressInUse:
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"Порт {port} на {host} занят. Задайте другой: --port",
            f"Port {port} on {host} is in use. Give another: --port",
        )
    if error.errno == errno.EACCES:
        return AddressInUse(
            f"Нет права слушать порт {port}: возьмите порт от 1024",
            f"No right to listen on port {port}: take one from 1024 on",
        )
    reason = error.strerror or str(error)
    return AddressInUse(
        f"Адрес {host}:{port} слушать нельзя: {reason}. Проверьте server.host",
        f"{host}:{port} cannot be listened on: {reason}. Check server.host",
    )
