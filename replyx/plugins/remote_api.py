"""JSON from a provider's HTTP API, with everything that can go wrong said in errors of ours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from replyx.errors import PaymentFailed, PaymentProviderDown
from replyx.types import Json

logger = logging.getLogger(__name__)

#: Seconds for one request: a payer waits for it.
_SECONDS = 15.0

#: Statuses that another try may mend; any other 4xx is the provider's no.
_LATER = (401, 403, 408, 409, 425, 429)


class RemoteApi:
    """An API at `base_url`. Redirects are not followed: the credentials are for this host alone."""

    def __init__(self, provider: str, base_url: str, auth: tuple[str, str]) -> None:
        """`auth` is what HTTP Basic sends. `provider` stands in the log."""
        self._provider, self._base_url, self._auth = provider, base_url.rstrip("/"), auth

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """The JSON object that is answered.

        Raises:
            PaymentFailed: the provider refused the request. PaymentProviderDown: no answer, none that can be used, or
                the credentials are refused.
        """
        import httpx2

        try:
            with httpx2.Client(auth=self._auth, timeout=_SECONDS, trust_env=False) as client:
                answer = client.request(method, f"{self._base_url}{path}", json=json, data=form, headers=headers)
            body: Any = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            logger.warning("a provider does not answer", extra={"plugin": self._provider, "reason": repr(error)[:200]})
            raise PaymentProviderDown from error
        if answer.status_code == 200 and isinstance(body, dict):
            return body
        extra = {"plugin": self._provider, "status": answer.status_code, "error": _code(body)}
        if 400 <= answer.status_code < 500 and answer.status_code not in _LATER:
            logger.warning("a provider refused a request", extra=extra)
            raise PaymentFailed
        logger.error("a provider cannot be used", extra=extra)
        raise PaymentProviderDown


def _code(body: Any) -> str:
    """The provider's own word for an error; never its sentence, which may repeat what was sent."""
    found = body.get("error", body) if isinstance(body, dict) else {}
    code = found.get("code") or found.get("type") if isinstance(found, dict) else ""
    return str(code)[:60]


def number_of_ours(text: Any) -> int | None:
    """Our id of a payment as a provider has kept it; None where it is none."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 19 else None
