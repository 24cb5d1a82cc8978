"""The address to listen on: whether it can be had, and how it is written."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from replyx.errors import AddressInUse

if TYPE_CHECKING:
    from replyx.config.settings import Config


def require_free(config: Config) -> None:
    """Refuse an address that cannot be listened on, before anything is made or loaded.

    Raises:
        AddressInUse: the message says why and what to do.
    """
    host, port = config.server.host, config.server.port
    try:
        with socket.create_server((host, port), family=_family(host)):
            return
    except OSError as error:
        raise _refusal(host, port, error) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _refusal(host: str, port: int, error: OSError) -> AddressInUse:
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"Порт {port} на {host} занят. Задайте другой: --port, или узнайте, кем занят: ss -ltnp 'sport = :{port}'",
            f"Port {port} on {host} is in use. Give another: --port, or see by whom: ss -ltnp 'sport = :{port}'",
        )
    if error.errno == errno.EACCES:
        return AddressInUse(
            f"Нет права слушать порт {port}: возьмите порт от 1024 и поставьте впереди nginx",
            f"No right to listen on port {port}: take one from 1024 on and put a proxy in front",
        )
    return AddressInUse(
        f"Адрес {host}:{port} слушать нельзя: {error.strerror or error}. Проверьте server.host",
        f"{host}:{port} cannot be listened on: {error.strerror or error}. Check server.host",
    )
