"""Checks of what is beyond the program: each AI key, each bot and address that is called, the clock, TLS in front."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from replyx.cli.checking_keys import key_findings
from replyx.cli.findings import Finding, fault, good, warning

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.config.settings import Config

#: Seconds that a name look-up, a connection and a certificate may take.
_PATIENCE = 5.0

#: Seconds by which this machine's clock may differ from the database's; two-factor codes bear 30.
_ASKEW = 2.0

#: Days before its end from which on a certificate is warned of.
_SOON_DAYS = 14

#: Addresses that only this machine reaches.
_LOCAL = ("127.0.0.1", "::1", "localhost")


def reach_findings(app: App, *, offline: bool) -> list[Finding]:
    """One line for each key, each bot and each address that is called, and for whoever calls us.

    `offline` looks only at what is stored, and calls nobody.
    """
    found = [*key_findings(app, offline=offline), *_bots(app)]
    if offline:
        return [*found, _clock(app)]
    with ThreadPoolExecutor(8, "doctor") as pool:
        found += pool.map(_reach, sorted(_addresses(app)))
    return [*found, _clock(app), _tls(app.config)]


def _bots(app: App) -> list[Finding]:
    from replyx.types import SYSTEM

    found = []
    for bot in app.bots.statuses(SYSTEM):
        name = f"bot {bot.username or bot.assistant_id}"
        if bot.state == "running":
            found.append(good(name, "работает", "runs"))
            continue
        what = f"{bot.state} ({bot.detail})" if bot.detail else bot.state
        told = fault if bot.state == "refused" else warning
        mend = "replyx assistants set ID --telegram-token-stdin" if bot.state == "refused" else "replyx bots status"
        found.append(told(name, what, what, mend.replace("ID", str(bot.assistant_id))))
    return found


def _addresses(app: App) -> set[str]:
    """Origins of the APIs that are called."""
    from replyx.types import SYSTEM

    urls = {key.base_url for key in app.ai_tokens.list() if key.is_active}
    if app.bots.statuses(SYSTEM) and not app.config.bots.proxy:
        urls.add(app.config.bots.api_base)
    if app.config.backup.endpoint:
        urls.add(app.config.backup.endpoint)
    return {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls)}


def _reach(origin: str) -> Finding:
    """Name look-up, connection and certificate; nothing is sent, so no key is spent."""
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), _PATIENCE) as connection:
            if parts.scheme == "https":
                with ssl.create_default_context().wrap_socket(connection, server_hostname=host):
                    pass
    except socket.gaierror:
        return fault(origin, "имя не находится в DNS", "DNS does not know the name", f"getent hosts {host}")
    except ssl.SSLError as error:
        why = error.reason or str(error)
        return fault(origin, f"сертификат не годится: {why}", f"bad certificate: {why}", f"curl -v {origin}")
    except OSError as error:
        why = error.strerror or str(error)
        return fault(origin, f"не достать: {why}", f"cannot be reached: {why}", f"curl -v {origin}")
    milliseconds = (time.monotonic() - began) * 1000
    return good(origin, f"отвечает, {milliseconds:.0f} мс", f"answers, {milliseconds:.0f} ms")


def _clock(app: App) -> Finding:
    """Against the database's where it is on another machine; else whether somebody sets it."""
    off = abs(app.db.seconds_ahead())
    if off > _ASKEW:
        ru, en = f"расходятся с часами базы на {off:.0f} с", f"{off:.0f} s off the database's"
        return fault("clock", ru, en, "timedatectl set-ntp true")
    if shutil.which("timedatectl") is not None:
        command = ["timedatectl", "show", "-p", "NTPSynchronized", "--value"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        if done.stdout.strip() == "no":
            return warning("clock", "никто не подводит", "nobody sets it", "timedatectl set-ntp true")
    now = time.strftime("%F %T UTC", time.gmtime())
    return good("clock", now, now)


def _tls(config: Config) -> Finding:
    """Visitors' pages are https, and browsers open no plain socket from them."""
    url, mend = config.server.public_url, "docs/operations.md, deploy/nginx/replyx.conf"
    if not url:
        if config.server.host in _LOCAL:
            return good("TLS", "нужен, когда откроете наружу", "needed once others are to reach it")
        ru, en = "слушает всю сеть без TLS", "listens to the network without TLS"
        return warning("TLS", ru, en, mend)
    if not url.startswith("https://"):
        return warning("TLS", f"{url}: без https", f"{url}: no https", mend)
    parts = urlsplit(url)
    try:
        days = _days_left(parts.hostname or "", parts.port or 443)
    except ssl.SSLError as error:
        why = error.reason or str(error)
        return fault("TLS", f"{url}: сертификат: {why}", f"{url}: its certificate: {why}", "certbot renew")
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return fault("TLS", f"{url} не отвечает: {why}", f"{url} does not answer: {why}", "nginx -t")
    if days < _SOON_DAYS:
        ru, en = f"{url}: сертификату {days} дн.", f"{url}: its certificate ends in {days} days"
        return warning("TLS", ru, en, "certbot renew")
    if not config.server.trusted_proxies:
        ru = "server.trusted_proxies пуст: для лимитов все посетители на одном адресе"
        en = "server.trusted_proxies is empty: limits take all visitors for one"
        return warning("TLS", ru, en, 'trusted_proxies = ["127.0.0.1"]')
    return good("TLS", f"{url}, сертификату {days} дн.", f"{url}, {days} days left")


def _days_left(host: str, port: int) -> int:
    """Days until the end of the certificate in front, which must be valid and answer as we do."""
    connection = http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=ssl.create_default_context())
    try:
        connection.request("GET", "/healthz")
        taken: Any = connection.sock
        ends = ssl.cert_time_to_seconds(str(taken.getpeercert()["notAfter"]))
        if connection.getresponse().status != http.HTTPStatus.OK:
            raise http.client.HTTPException("/healthz")
    finally:
        connection.close()
    return int((ends - time.time()) // 86_400)
