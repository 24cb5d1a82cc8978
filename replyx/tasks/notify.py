"""What systemd is told, and what it hands over: sd_notify(3) and sd_listen_fds(3)."""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)

#: The first descriptor that systemd hands over.
_FIRST = 3


def notify(state: str) -> None:
    """Tell systemd `READY=1`, `WATCHDOG=1` or `STOPPING=1`; nothing where it did not ask (no `NOTIFY_SOCKET`)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading @ stands for the abstract namespace's zero byte.
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(name)
            sender.sendall(state.encode())
    except OSError as error:
        logger.warning("systemd could not be told", extra={"state": state, "error": error.strerror})


def inherited_sockets() -> list[socket.socket]:
    """Listening sockets that systemd opened for this process; empty where there are none. To be asked once."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return []
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    # A copy, so that closing ours leaves systemd's in place.
    return [socket.socket(fileno=os.dup(number)) for number in range(_FIRST, _FIRST + count)]
