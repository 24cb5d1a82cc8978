"""What every part of the server shares: the services, its own origins, the limits, the sockets' hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from replyx.app import App
from replyx.server.limits import Limits
from replyx.server.origins import Origins
from replyx.server.ws.hub import Hub
from replyx.types import Json


@dataclass(frozen=True)
class Front:
    """One running server."""

    app: App
    origins: Origins
    limits: Limits
    hub: Hub
    #: The OpenAPI document; made when it is first asked for.
    description: Callable[[], Json]
