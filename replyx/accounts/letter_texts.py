"""What stands in the letter that confirms an address, in Russian and English."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

_RU = """Здравствуйте!

Этот адрес указан при регистрации на {site}

Чтобы подтвердить его, откройте ссылку и нажмите кнопку:

{link}

Ссылка действует {hours} ч. и один раз. Если вы не регистрировались, ничего не делайте.
"""

_EN = """Hello!

This address was given to register at {site}

To confirm it, open the link and press the button:

{link}

The link is good for {hours} hours, and once. If you did not register, do nothing.
"""

_SUBJECTS = {"ru": "Подтвердите адрес электронной почты", "en": "Confirm your e-mail address"}


def written(
    *, sender: str, recipient: str, language: str, link_base: str, token: str, hours: int, name: str, moment: datetime
) -> bytes:
    """The letter as it goes over the wire; `name` makes its Message-ID."""
    # Names of an address that are no ASCII need servers that speak more, and get their headers as they are.
    letter = EmailMessage(policy=SMTP if recipient.isascii() else SMTPUTF8)
    letter["From"] = sender
    letter["To"] = recipient
    letter["Subject"] = _SUBJECTS[language]
    letter["Date"] = format_datetime(moment)
    letter["Message-ID"] = f"<{name}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    # No out-of-office notes, please.
    letter["Auto-Submitted"] = "auto-generated"
    text = _EN if language == "en" else _RU
    body = text.format(site=link_base, link=f"{link_base}/verify-email?token={token}", hours=hours)
    letter.set_content(body, cte="quoted-printable")
    return letter.as_bytes()
