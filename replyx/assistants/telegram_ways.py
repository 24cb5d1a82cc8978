"""A bot's own way to Telegram: the address of a Bot API, a proxy. What a tenant typed may not lead inside.

Whoever runs the appliance may set any address by its command line; such ones are marked as trusted, each for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from replyx.errors import AddressRefused, FetchFailed, ValidationFailed
from replyx.security.outgoing import OutgoingUrls, parse_url
from replyx.security.secretbox import SecretBox, is_masked
from replyx.storage.assistants import Assistant
from replyx.types import Json

#: Fields of an assistant that this module turns into columns.
API_BASE, PROXY = "telegram_api_base", "telegram_proxy"

#: Longest address of either.
LONGEST = 300

_PROXY = re.compile(
    r"(socks5|http)://(?:([^\s/@:]*)(?::([^\s/@]*))?@)?([^\s/@:\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})/?"
)

#: What stands for a proxy's password, as in `security.secretbox`.
_HIDDEN = "…"


def api_base_field(value: object, field: str) -> str | None:
    """The address of a Bot API without its last slash; None for none.

    Raises:
        ValidationFailed: it is no address.
    """
    text = _line(value, field)
    if text is None:
        return None
    try:
        parse_url(text)
    except AddressRefused as error:
        raise ValidationFailed.of(field, error.issues[0].ru, error.issues[0].en) from error
    if any(sign in text for sign in "?#{}"):
        raise ValidationFailed.of(
            field, "Нужен адрес без ?, # и фигурных скобок", "An address without ?, # and braces is needed"
        )
    return text.rstrip("/")


def proxy_field(value: object, field: str) -> str | None:
    """The proxy's URL; a masked one as it is; None for none.

    Raises:
        ValidationFailed: it is no proxy's URL. The message does not repeat it.
    """
    text = _line(value, field)
    if text is None:
        return None
    found = _PROXY.fullmatch(text)
    if found is None or not 0 < int(found[5]) < 65_536 or not text.isprintable():
        raise ValidationFailed.of(
            field,
            "Нужен socks5://логин:пароль@хост:порт или http://хост:порт",
            "socks5://user:password@host:port or http://host:port is needed",
        )
    return text.rstrip("/")


def has_password(proxy: str) -> bool:
    """Whether a password stands in the proxy's URL."""
    found = _PROXY.fullmatch(proxy)
    return found is not None and bool(found[3])


def masked_proxy(proxy: str) -> str:
    """The form that people see: its password is hidden, whole."""
    found = _PROXY.fullmatch(proxy)
    if found is None or found[3] is None:
        return proxy
    return f"{found[1]}://{found[2]}:{_HIDDEN}@{found[4]}:{found[5]}"


class TelegramWays:
    """Turns both fields into columns."""

    def __init__(self, box: SecretBox, guard: OutgoingUrls) -> None:
        self._box, self._guard = box, guard

    def check(self, fields: Mapping[str, Any]) -> None:
        """Look the addresses of a tenant up, before anything is written and outside of a transaction.

        Raises:
            ValidationFailed: one leads inside, or its name has no address.
        """
        base, proxy = fields.get(API_BASE), fields.get(PROXY)
        if proxy is not None and not is_masked(proxy):
            parts = urlsplit(proxy)
            host = parts.hostname or ""
            bracketed = f"[{host}]" if ":" in host else host
            self._look_up(PROXY, f"http://{bracketed}:{parts.port}/")
        elif base is not None:
            # Behind a proxy, names are the proxy's to look up.
            self._look_up(API_BASE, base)

    def columns(self, fields: Json, row: Assistant | None, *, is_trusted: bool) -> Json:
        """Take both fields out of `fields`; what has changed as columns. `row` is locked, None for a new assistant.

        Raises:
            ValidationFailed: a masked proxy is not the one that is set; a tenant's address would be called through a
                proxy that is not the tenant's.
        """
        columns: Json = {}
        if API_BASE in fields:
            base = fields.pop(API_BASE)
            if is_trusted or base != (row.telegram_api_base if row is not None else None):
                columns |= {API_BASE: base, "telegram_api_base_trusted": bool(base) and is_trusted}
        if PROXY in fields:
            columns |= self._proxy_columns(fields.pop(PROXY), row, is_trusted=is_trusted)
        self._refuse_foreign_proxy(columns, row)
        return columns

    def _proxy_columns(self, proxy: str | None, row: Assistant | None, *, is_trusted: bool) -> Json:
        if proxy is None:
            return {PROXY: None, "telegram_proxy_masked": None, "telegram_proxy_trusted": False}
        if is_masked(proxy):
            if row is not None and proxy == row.telegram_proxy_masked:
                return {}
            raise ValidationFailed.of(
                PROXY,
                "Это скрытый пароль, а не пароль: введите адрес прокси целиком",
                "This is a hidden password, not a password: enter the proxy's URL whole",
            )
        if row is not None and row.telegram_proxy and self._box.open(row.telegram_proxy) == proxy:
            return {"telegram_proxy_trusted": True} if is_trusted else {}
        return {
            PROXY: self._box.seal(proxy),
            "telegram_proxy_masked": masked_proxy(proxy),
            "telegram_proxy_trusted": is_trusted,
        }

    def _refuse_foreign_proxy(self, columns: Json, row: Assistant | None) -> None:
        """What the administrator's proxy can reach is not for tenants' addresses."""

        def will_be(name: str) -> Any:
            return columns.get(name, getattr(row, name) if row is not None else None)

        is_foreign = will_be(PROXY) and will_be("telegram_proxy_trusted")
        if is_foreign and will_be(API_BASE) and not will_be("telegram_api_base_trusted"):
            raise ValidationFailed.of(
                API_BASE,
                "Прокси этого бота задал администратор: адрес Bot API через него задаёт тоже он. Уберите прокси",
                "This bot's proxy was set by the administrator, who then sets the Bot API's address too. Remove the "
                "proxy first",
            )

    def _look_up(self, field: str, url: str) -> None:
        try:
            self._guard.check(url)
        except AddressRefused as error:
            raise AddressRefused.of(field, error.issues[0].ru, error.issues[0].en) from error
        except FetchFailed as error:
            raise AddressRefused.of(field, error.message_ru, error.message_en) from error


def _line(value: object, field: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST or "\x00" in value:
        raise ValidationFailed.of(
            field, f"Нужен адрес не длиннее {LONGEST} символов", f"An address of at most {LONGEST} characters is needed"
        )
    return value.strip() or None
