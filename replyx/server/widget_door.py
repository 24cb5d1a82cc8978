"""Whether a website's widget may be used: the assistant is open to websites, and the page's origin is on its list."""

from __future__ import annotations

from collections.abc import Collection

from replyx.app import App
from replyx.assistants.views import AssistantView
from replyx.errors import InsufficientPermissions
from replyx.types import SYSTEM


def open_assistant(app: App, assistant_id: int) -> AssistantView:
    """The assistant, while it is open to websites.

    Raises:
        NotFound: it is gone. NotAuthenticated: it, its place on websites or its owner is switched off.
    """
    return app.assistants.by_site_token(app.assistants.get(SYSTEM, assistant_id).site_token or "")


def require_origin(app: App, assistant: AssistantView, origin: str | None, own_origins: Collection[str]) -> None:
    """Refuse a page that the assistant does not list.

    Raises:
        InsufficientPermissions: with what its owner can do.
    """
    if not app.assistants.origin_allowed(assistant, origin, own_origins):
        raise InsufficientPermissions(
            "Виджет не разрешён на этом сайте. Добавьте домен в allowed_domains ассистента.",
            "The widget is not allowed on this site. Add its domain to the assistant's allowed_domains.",
        )
