"""Fetching a model from an address: goes on where it broke off, is checked, and is a model only when it is whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2

from replyx import __version__
from replyx.errors import ConfigError, ServiceUnavailable, ValidationFailed

#: Told (bytes so far, bytes in all); 0 in all where the server does not say.
OnBytes = Callable[[int, int], None]

_CHUNK = 1 << 20
_TRIES = 5


def fetch(
    url: str,
    partial: Path,
    *,
    sha256: str | None = None,
    told: OnBytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Load `url` into `partial`, from where an earlier try of the same address broke off.

    `headers` go to the address's own host, and not to where it may redirect.

    Raises:
        ValidationFailed: the address is none, or the checksum is another; the file is gone then.
        ServiceUnavailable: the server refused, or broke off again and again; what came is kept for the next try.
        ConfigError: the file cannot be written.
    """
    if not re.match(r"https?://[^/]+/", url):
        raise ValidationFailed.of("url", "Нужен адрес https://…", "An address such as https://… is needed")
    _forget_other(url, partial)
    timeout = httpx2.Timeout(30.0, connect=10.0)
    sent = {"User-Agent": f"replyx/{__version__}", **(headers or {})}
    with httpx2.Client(timeout=timeout, follow_redirects=True, headers=sent) as client:
        for attempt in range(_TRIES):
            before = partial.stat().st_size if partial.exists() else 0
            try:
                _continue(client, url, partial, before, told)
                break
            except (httpx2.HTTPError, EOFError) as error:
                after = partial.stat().st_size if partial.exists() else 0
                if attempt + 1 == _TRIES or after == before:
                    raise _unavailable(url, type(error).__name__) from error
            except OSError as error:
                text = f"{partial}: {error.strerror}"
                raise ConfigError(f"Не записать {text}", f"Cannot write {text}") from error
    _check(partial, sha256)


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _continue(client: httpx2.Client, url: str, partial: Path, have: int, told: OnBytes | None) -> None:
    """One request for what is missing. Raises EOFError where less came than was promised."""
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416 and have:
            return
        if response.status_code not in (200, 206):
            raise _unavailable(url, str(response.status_code))
        if response.status_code == 200:
            have = 0
        total = have + int(response.headers.get("content-length", 0))
        with partial.open("ab" if have else "wb") as file:
            for chunk in response.iter_bytes(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                if told is not None:
                    told(have, total)
        if have < total:
            raise EOFError


def _forget_other(url: str, partial: Path) -> None:
    """What another address left behind is no beginning of this one."""
    note = partial.with_suffix(".url")
    if not note.exists() or note.read_text(encoding="utf-8") != url:
        partial.unlink(missing_ok=True)
        note.write_text(url, encoding="utf-8")


def _check(partial: Path, sha256: str | None) -> None:
    if sha256 is not None and digest_of(partial) != sha256.lower():
        partial.unlink()
        raise ValidationFailed.of(
            "sha256", "Контрольная сумма не та: файл удалён", "The checksum is another: the file was deleted"
        )


def _unavailable(url: str, why: str) -> ServiceUnavailable:
    host = url.split("/")[2].rpartition("@")[2]
    return ServiceUnavailable(
        f"{host} не отдаёт модель: {why}. Повторите команду: загрузка продолжится.",
        f"{host} does not give the model: {why}. Run the command again: the download goes on.",
    )
