"""The check of mail: whether the server can be reached and logged in to, and what became of letters."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from replyx.cli.findings import Finding, fault, good, warning

if TYPE_CHECKING:
    from replyx.app import App

#: Hosts to which nobody else listens.
_LOCAL = ("127.0.0.1", "::1", "localhost")


def mail_finding(app: App, *, offline: bool) -> Finding:
    """One line; no letter is sent. `offline` does not even greet the server."""
    from replyx.accounts.smtp import NotTaken, greet

    mail = app.config.mail
    if not mail.host:
        return good("mail", "нет: адреса не подтверждаются", "none: addresses are not confirmed")
    where = f"{mail.host}:{mail.port}"
    try:
        if not offline:
            greet(mail)
    except NotTaken as error:
        return fault("mail", f"{where}: {error}", f"{where}: {error}", "replyx config show")
    counts = app.verification.letters.counts()
    lost = counts.get("failed", 0) + counts.get("maybe_sent", 0)
    if lost:
        why = app.verification.letters.last_failure()
        ru, en = f"{where}: не дошло писем: {lost} ({why})", f"{where}: {lost} letters did not arrive ({why})"
        return warning("mail", ru, en, "replyx users verify EMAIL")
    if mail.security == "none" and mail.host not in _LOCAL:
        ru, en = f"{where}: письма и пароль идут без шифрования", f"{where}: letters and password go unencrypted"
        return warning("mail", ru, en, 'security = "starttls"')
    if (urlsplit(app.config.server.public_url).hostname or "127.0.0.1") in _LOCAL:
        ru = "server.public_url пуст: ссылки из писем ведут на эту машину"
        en = "server.public_url is empty: links in letters lead to this machine"
        return warning("mail", ru, en, 'public_url = "https://…"')
    waiting = sum(counts.get(state, 0) for state in ("new", "sending", "handing"))
    if offline:
        return good("mail", f"{where}, ждут писем: {waiting}", f"{where}, {waiting} letters wait")
    return good("mail", f"{where} отвечает, ждут писем: {waiting}", f"{where} answers, {waiting} letters wait")
