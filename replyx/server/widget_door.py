"""Whether a page may use a website's widget: its origin is on the assistant's list."""

from __future__ import annotations

from collections.abc import Collection

from replyx.app import App
from replyx.assistants.views import AssistantView
from replyx.errors import InsufficientPermissions


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
