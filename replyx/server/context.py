"""What is known of one HTTP request while it is answered, and the headers that follow from it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from replyx.security.limits import LimitState
from replyx.server.language import preferred_language

#: Where the context stands in an ASGI scope.
SCOPE_KEY = "replyx"

#: A request id that a proxy in front may have given; anything else gets one of ours.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")

#: What a page on another site may read of an answer to its widget.
_EXPOSED = "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"


@dataclass
class RequestContext:
    """One request: its id, its language, and what was decided about it so far."""

    request_id: str
    language: str
    #: The tightest limit that was counted; None where the route has none.
    limit: LimitState | None = None
    #: The other site's origin that may read the answer; None: none.
    allow_origin: str | None = None
    #: Further headers of the answer.
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
        given = dict(headers)
        sent = given.get(b"x-request-id", b"")
        request_id = sent.decode("ascii") if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
        return cls(request_id, preferred_language(given.get(b"accept-language", b"").decode("latin-1")))

    def note_limit(self, state: LimitState) -> None:
        """Keep the tightest of the limits that this request was counted under."""
        if self.limit is None or not state.allowed or state.remaining < self.limit.remaining:
            self.limit = state

    def answer_headers(self) -> dict[str, str]:
        """Headers of the answer, whatever it is."""
        headers = {
            "X-Request-ID": self.request_id,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            **self.headers,
        }
        if self.limit is not None:
            headers |= {
                "X-RateLimit-Limit": str(self.limit.limit),
                "X-RateLimit-Remaining": str(self.limit.remaining),
                "X-RateLimit-Reset": str(self.limit.reset_at),
            }
        if self.allow_origin is not None:
            headers |= {"Access-Control-Allow-Origin": self.allow_origin, "Access-Control-Expose-Headers": _EXPOSED}
        return headers


def context_of(scope: MutableMapping[str, Any]) -> RequestContext:
    """The request's context, which the outermost middleware made."""
    context: RequestContext = scope[SCOPE_KEY]
    return context
