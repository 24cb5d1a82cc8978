"""One letter handed to the mail server, step by step: what was surely not taken is told from what may have been."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.utils import parseaddr

from replyx.config.settings import MailSettings
from replyx.log import one_line, redact

#: Seconds for each answer of the server, and for its word on the whole letter, which it may check for viruses first.
_PATIENCE, _LONG_PATIENCE = 20.0, 60.0

#: What a server answers to what it takes.
_TAKEN = (250, 251)

#: What it says after all that it may.
_LONGEST = 200


class NotTaken(Exception):
    """The server has surely not taken the letter. `is_final` where it never will."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class InDoubt(Exception):
    """The letter went out, and the server's word on it never came."""


def hand_over(settings: MailSettings, recipient: str, letter: bytes, may_begin: Callable[[], bool]) -> bool:
    """Give `letter` to the server; True once the server has said that it is its own now.

    `may_begin` is asked when nothing but the letter itself is left to send; where it says no, nothing is, and the
    answer is False.

    Raises:
        NotTaken: it was not taken. InDoubt: nobody knows.
    """
    server = _logged_in(settings)
    try:
        _address(server, parseaddr(settings.sender)[1], recipient)
        if not may_begin():
            return False
        _give(server, letter)
        # Its farewell is of no use to anyone: the letter is noted as sent at once.
        with suppress(OSError, smtplib.SMTPException):
            server.putcmd("quit")
        return True
    finally:
        server.close()


def greet(settings: MailSettings) -> None:
    """Connect and log in as for a letter, and send none.

    Raises:
        NotTaken: the server cannot be reached, is not trusted, or refuses the login.
    """
    _logged_in(settings).close()


def _logged_in(settings: MailSettings) -> smtplib.SMTP:
    try:
        server = _connected(settings)
    except (OSError, smtplib.SMTPException) as error:
        raise NotTaken(_reason(error)) from error
    try:
        if settings.security == "starttls":
            # It raises where the server cannot: nothing is ever said in the clear instead.
            server.starttls(context=ssl.create_default_context())
        if settings.user:
            server.login(settings.user, settings.password)
    except (OSError, smtplib.SMTPException) as error:
        server.close()
        raise NotTaken(_reason(error)) from error
    return server


def _connected(settings: MailSettings) -> smtplib.SMTP:
    # Its own idea of this machine's name is a look-up that may take long.
    name = socket.gethostname()
    if settings.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.host, settings.port, name, timeout=_PATIENCE, context=context)
    return smtplib.SMTP(settings.host, settings.port, name, timeout=_PATIENCE)


def _address(server: smtplib.SMTP, sender: str, recipient: str) -> None:
    try:
        server.ehlo_or_helo_if_needed()
        options = () if recipient.isascii() else ("SMTPUTF8",)
        code, said = server.mail(sender, options)
        if code not in _TAKEN:
            raise NotTaken(_words(code, said))
        code, said = server.rcpt(recipient)
    except smtplib.SMTPNotSupportedError as error:
        raise NotTaken(_reason(error), is_final=True) from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotTaken(_reason(error)) from error
    if code not in _TAKEN:
        raise NotTaken(_words(code, said), is_final=code >= 500)


def _give(server: smtplib.SMTP, letter: bytes) -> None:
    if server.sock is not None:
        server.sock.settimeout(_LONG_PATIENCE)
    try:
        code, said = server.data(letter)
    except smtplib.SMTPDataError as error:
        # It did not even want to hear it.
        raise NotTaken(_reason(error), is_final=error.smtp_code >= 500) from error
    except (OSError, smtplib.SMTPException) as error:
        raise InDoubt(_reason(error)) from error
    if code not in _TAKEN:
        raise NotTaken(_words(code, said), is_final=code >= 500)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _words(error.smtp_code, error.smtp_error)
    return _short(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _words(code: int, said: bytes | str) -> str:
    return _short(f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}")


def _short(text: str) -> str:
    return one_line(redact(text))[:_LONGEST]
