"""Where a payer may be sent back to: only to origins that the administrator has named."""

from __future__ import annotations

import re

from replyx.config.settings import Config
from replyx.errors import ValidationFailed

#: An absolute URL in its plainest form: no user, no odd characters, nothing that two programs could read differently.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*)?",
    re.ASCII,
)

_LONGEST = 1000

_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


def checked_return_url(url: str | None, config: Config) -> str | None:
    """`url`, if its origin is one of `billing.return_urls` or `server.public_url`; without one the first of those.

    Raises:
        ValidationFailed: it is not.
    """
    allowed = [text for text in (*config.billing.return_urls, config.server.public_url) if text]
    if url is None:
        return next((text for text in (config.server.public_url, *allowed) if text), None)
    origin = _origin(url)
    if origin is None or origin not in {_origin(text.lower()) for text in allowed}:
        raise ValidationFailed.of(
            "return_url",
            "Адрес возврата не разрешён. Его источник должен стоять в billing.return_urls.",
            "This return address is not allowed. Its origin has to be in billing.return_urls.",
        )
    return url


def _origin(url: str) -> Origin | None:
    found = _URL.fullmatch(url) if len(url) <= _LONGEST else None
    if found is None or found["host"].startswith((".", "-")) or ".." in found["host"]:
        return None
    port = int(found["port"]) if found["port"] else _PORTS[found["scheme"]]
    return found["scheme"], found["host"], port
