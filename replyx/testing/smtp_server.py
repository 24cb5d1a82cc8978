"""A mail server on the loopback: SMTP as RFC 5321 has it, STARTTLS, logins, and the ways in which real ones fail.

`python -m replyx.testing.smtp_server` serves one without TLS and prints what it is sent.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import re
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

#: Seconds of silence after which a client is let go.
_PATIENCE = 30.0

_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Mail:
    """A letter that was taken. `login` is the name that its sender had proven, None where nobody had."""

    sender: str
    recipient: str
    content: bytes = field(repr=False)
    login: str | None
    is_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=default)

    @property
    def text(self) -> str:
        """Its words, decoded."""
        return str(self.message.get_content())


class SmtpServer(socketserver.ThreadingTCPServer):
    """Takes letters into `taken`.

    `refusals` maps a command (`MAIL`, `RCPT`, `DATA`, `AUTH`; `CONTENT` is the letter's end) to the reply with which
    it is refused as long as it stands there. `silences` counts letters that are taken and never answered: their
    connection just ends. While `holds` is set, a taken letter's answer waits for `released`.
    """

    daemon_threads, allow_reuse_address = True, True

    def __init__(
        self, port: int = 0, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None
    ) -> None:
        """`tls` offers STARTTLS; `login` is the name and the password without which no letter is taken."""
        super().__init__(("127.0.0.1", port), _Conversation)
        self.tls, self.login = tls, login
        self.taken: list[Mail] = []
        self.refusals: dict[str, str] = {}
        self.silences = 0
        self.holds = False
        self.released = threading.Event()
        #: Set as soon as any letter has come.
        self.came = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def take(self, mail: Mail) -> bool:
        """Keep a letter; False where its sender is not to be answered."""
        self.taken.append(mail)
        self.came.set()
        if self.holds:
            self.released.wait(_PATIENCE)
        self.silences -= 1
        return self.silences < 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is no error here."""


@contextmanager
def serving(**options: Any) -> Iterator[SmtpServer]:
    """A server in a thread, for the length of the block."""
    with SmtpServer(**options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="smtp", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


class _Conversation(socketserver.StreamRequestHandler):
    """One client, line by line."""

    server: SmtpServer
    timeout = _PATIENCE

    def handle(self) -> None:
        self._is_encrypted, self._sender, self._recipient = False, "", ""
        self._login: str | None = None
        self._say("220 replyx.testing ESMTP")
        while line := self.rfile.readline(4096):
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self._say("221 Bye")
                return
            if not self._obey(verb, rest):
                return

    def finish(self) -> None:
        super().finish()
        # After STARTTLS it is another socket than the one that the server closes.
        self.connection.close()

    def _obey(self, verb: str, rest: str) -> bool:
        """Answer one command; False: the connection ends."""
        if refusal := self.server.refusals.get(verb):
            self._say(refusal)
        elif verb in ("EHLO", "HELO"):
            self._greet(verb)
        elif verb == "STARTTLS" and self.server.tls is not None and not self._is_encrypted:
            return self._encrypt(self.server.tls)
        elif verb == "AUTH":
            self._authenticate(rest)
        elif verb in ("MAIL", "RCPT"):
            self._address(verb, rest)
        elif verb == "DATA":
            return self._read_letter()
        elif verb in ("NOOP", "RSET"):
            self._say("250 OK")
        else:
            self._say("502 Not here")
        return True

    def _greet(self, verb: str) -> None:
        offers = ["8BITMIME", "SMTPUTF8"]
        if self.server.tls is not None and not self._is_encrypted:
            offers.append("STARTTLS")
        if self.server.login is not None:
            offers.append("AUTH PLAIN")
        lines = ["replyx.testing", *offers] if verb == "EHLO" else ["replyx.testing"]
        for line in lines[:-1]:
            self._say(f"250-{line}")
        self._say(f"250 {lines[-1]}")

    def _encrypt(self, tls: ssl.SSLContext) -> bool:
        self._say("220 Go ahead")
        self.rfile.close()
        try:
            self.connection = tls.wrap_socket(self.connection, server_side=True)
        except OSError:
            return False
        self.rfile = self.connection.makefile("rb")
        self._is_encrypted, self._login = True, None
        return True

    def _authenticate(self, rest: str) -> None:
        kind, _, given = rest.partition(" ")
        try:
            _, name, password = base64.b64decode(given, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            self._say("501 Cannot read that")
            return
        if kind.upper() != "PLAIN" or (name, password) != self.server.login:
            self._say("535 5.7.8 Wrong name or password")
            return
        self._login = name
        self._say("235 Welcome")

    def _address(self, verb: str, rest: str) -> None:
        found = _PATH.fullmatch(rest.strip())
        if self.server.login is not None and self._login is None:
            self._say("530 5.7.0 Log in first")
        elif found is None or (not found[1].isascii() and verb == "MAIL" and "SMTPUTF8" not in found[2].upper()):
            self._say("501 Not an address")
        elif verb == "MAIL":
            self._sender, self._recipient = found[1], ""
            self._say("250 OK")
        elif not self._sender:
            self._say("503 MAIL first")
        else:
            self._recipient = found[1]
            self._say("250 OK")

    def _read_letter(self) -> bool:
        if not self._recipient:
            self._say("503 RCPT first")
            return True
        self._say("354 Go on, end with a dot")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if refusal := self.server.refusals.get("CONTENT"):
            self._say(refusal)
            return True
        mail = Mail(self._sender, self._recipient, b"".join(lines), self._login, self._is_encrypted)
        if not self.server.take(mail):
            return False
        self._say("250 Taken")
        self._recipient = ""
        return True

    def _say(self, line: str) -> None:
        self.connection.sendall(f"{line}\r\n".encode())


def main() -> None:
    """Run the server as a process until it is ended; print what it is sent."""
    parser = argparse.ArgumentParser(prog="replyx.testing.smtp_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    with suppress(KeyboardInterrupt), serving(port=parser.parse_args().port) as server:
        sys.stdout.write(f"ready 127.0.0.1:{server.port}\n")
        sys.stdout.flush()
        shown = 0
        while True:
            server.came.wait()
            server.came.clear()
            for mail in server.taken[shown:]:
                sys.stdout.write(f"{mail.message['Subject']}\n{mail.text}\n")
                sys.stdout.flush()
                shown += 1


if __name__ == "__main__":
    main()
