"""Letters on their way: each is a row before it is sent, and is tried until the mail server has taken it.

SMTP has no idempotency key, so a letter whose taking nobody saw is in doubt. It is sent once more, under the same
Message-ID, as RFC 5321 asks of clients; after a second doubt it is left as `maybe_sent`.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import peewee

from replyx.accounts.tokens import Tokens
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.security.tokens import TokenKind
from replyx.storage.accounts import User
from replyx.storage.database import Database
from replyx.storage.letters import Letter

if TYPE_CHECKING:
    from replyx.accounts.smtp import NotTaken

logger = logging.getLogger(__name__)

#: Seconds that one try may take before it counts as dead: longer than all waits of `smtp.py` together.
LEASE_SECONDS = 300.0

#: Pauses between tries, in seconds: the first, which doubles, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 1800.0

#: How long it is kept what became of a letter.
_KEPT = timedelta(days=30)

_OPEN = ("new", "sending", "handing")

#: Word for word the condition of the index.
_IS_OPEN = peewee.SQL("state IN ('new', 'sending', 'handing')")


@dataclass(frozen=True)
class _Try:
    """The right to send one letter once."""

    letter_id: int
    fence: int
    attempts: int
    user_id: int
    email: str
    language: str
    link_base: str
    name: str
    created_at: datetime


class Letters:
    """The queue of letters, and who empties it."""

    def __init__(self, db: Database, tokens: Tokens, clock: Clock, config: Config) -> None:
        self._db, self._tokens, self._clock, self._mail = db, tokens, clock, config.mail

    @property
    def is_on(self) -> bool:
        """Whether letters can be sent at all."""
        return bool(self._mail.host)

    def owe(self, user_id: int, language: str, link_base: str) -> None:
        """Note that the user is to get a letter; one that is on its way already is enough. In a transaction."""
        mine = (Letter.user == user_id) & Letter.state.in_(_OPEN)
        if Letter.select().where(mine).exists():
            return
        Letter.create(
            user=user_id,
            language=language,
            link_base=link_base,
            name=secrets.token_hex(16),
            created_at=self._clock.now(),
        )

    def drop(self, user_id: int) -> None:
        """The user's letters are no longer wanted. In a transaction."""
        Letter.delete().where((Letter.user == user_id) & (Letter.state == "new")).execute()

    def send_due(self) -> int:
        """Send what waits; returns how many letters the server took. Ends early where the server is in trouble."""
        # Only here: few commands send letters, and all would wait for TLS and MIME to be loaded.
        from replyx.accounts.smtp import InDoubt, NotTaken, hand_over

        sent = 0
        while self.is_on and (attempt := self._claim()) is not None:
            try:
                is_taken = hand_over(self._mail, attempt.email, self._written(attempt), lambda: self._begins(attempt))
            except NotTaken as refusal:
                self._not_taken(attempt, refusal)
                if not refusal.is_final:
                    break
            except InDoubt as doubt:
                self._in_doubt(attempt, str(doubt))
            else:
                sent += is_taken and self._settle(attempt, "sent")
        return sent

    def take_back(self) -> None:
        """There is no other worker: every try under way was a dead one's."""
        with self._db.transaction():
            Letter.update(lease_until=0).where(Letter.state.in_(_OPEN[1:])).execute()

    def purge(self) -> int:
        """Forget what became of old letters; returns of how many."""
        with self._db.transaction():
            old = Letter.done_at < self._clock.now() - _KEPT
            return int(Letter.delete().where(old).execute())

    def counts(self) -> dict[str, int]:
        """How many letters are in each state."""
        with self._db.connection():
            rows: Any = Letter.select(Letter.state, peewee.fn.COUNT(Letter.id)).group_by(Letter.state).tuples()
            return {str(state): int(count) for state, count in rows}

    def last_failure(self) -> str | None:
        """What the mail server said of the newest letter that it did not take; None where it took all."""
        with self._db.connection():
            troubled = Letter.last_error.is_null(False) & (Letter.state != "sent")
            row = Letter.select().where(troubled).order_by(Letter.id.desc()).first()
            return None if row is None else str(row.last_error)

    def _claim(self) -> _Try | None:
        """The letter that waits longest; None where none is due."""
        now = self._db.now_ms()
        is_due = (Letter.state == "new") & (Letter.due_at <= now)
        is_dead = Letter.state.in_(_OPEN[1:]) & (Letter.lease_until < now)
        query = Letter.select(Letter, User).join(User).where(_IS_OPEN & (is_due | is_dead)).order_by(Letter.due_at)
        with self._db.transaction():
            while (row := self._db.locked(query.limit(1), Letter).first()) is not None:
                if row.state != "handing" or self._doubt(
                    row.id, row.fence, row.doubts, "the sender ended in the middle"
                ):
                    return self._taken(row)
            return None

    def _taken(self, row: Any) -> _Try:
        fence = int(Letter.get_by_id(row.id).fence) + 1
        Letter.update(
            state="sending",
            fence=fence,
            attempts=row.attempts + 1,
            lease_until=self._db.now_ms(LEASE_SECONDS),
        ).where(Letter.id == row.id).execute()
        return _Try(
            letter_id=row.id,
            fence=fence,
            attempts=row.attempts + 1,
            user_id=row.user.id,
            email=row.user.email,
            language=row.language,
            link_base=row.link_base,
            name=row.name,
            created_at=row.created_at,
        )

    def _written(self, attempt: _Try) -> bytes:
        from replyx.accounts.letter_texts import written

        seconds = self._mail.link_hours * 3600
        return written(
            sender=self._mail.sender,
            recipient=attempt.email,
            language=attempt.language,
            link_base=attempt.link_base,
            token=self._tokens.issue(TokenKind.LETTER, str(attempt.user_id), seconds),
            hours=self._mail.link_hours,
            name=attempt.name,
            moment=self._clock.now(),
        )

    def _begins(self, attempt: _Try) -> bool:
        """Note that the letter itself goes out now. False: the try is no longer good, or the letter not wanted."""
        with self._db.transaction():
            changes = {"state": "handing", "lease_until": self._db.now_ms(LEASE_SECONDS)}
            return bool(Letter.update(**changes).where(_claimed(attempt)).execute())

    def _not_taken(self, attempt: _Try, refusal: NotTaken) -> None:
        is_late = self._clock.now() - attempt.created_at > timedelta(hours=self._mail.link_hours)
        if refusal.is_final or is_late:
            self._settle(attempt, "failed", str(refusal))
            logger.warning("a letter was given up", extra={"letter_id": attempt.letter_id, "reason": str(refusal)})
            return
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt.attempts - 1, 10))
        with self._db.transaction():
            changes = {"state": "new", "due_at": self._db.now_ms(pause), "last_error": str(refusal)[:300]}
            Letter.update(**changes).where(_claimed(attempt)).execute()
        logger.warning(
            "the mail server takes no letter now; it is tried again",
            extra={"letter_id": attempt.letter_id, "seconds": pause, "reason": str(refusal)},
        )

    def _in_doubt(self, attempt: _Try, reason: str) -> None:
        with self._db.transaction():
            row = Letter.get_or_none(_claimed(attempt))
            if row is not None:
                self._doubt(row.id, row.fence, row.doubts, reason)

    def _doubt(self, letter_id: int, fence: int, doubts: int, reason: str) -> bool:
        """Count the doubt. True: the letter is to be sent once more."""
        is_first = doubts == 0
        changes: dict[str, Any] = {"doubts": doubts + 1, "fence": fence + 1, "last_error": reason[:300]}
        changes |= {"state": "new", "due_at": self._db.now_ms(_FIRST_PAUSE)} if is_first else {"state": "maybe_sent"}
        if not is_first:
            changes["done_at"] = self._clock.now()
        Letter.update(**changes).where((Letter.id == letter_id) & (Letter.fence == fence)).execute()
        logger.warning(
            "a letter may have been sent or not",
            extra={"letter_id": letter_id, "again": is_first, "reason": reason},
        )
        return is_first

    def _settle(self, attempt: _Try, state: str, reason: str | None = None) -> bool:
        with self._db.transaction():
            changes = {"state": state, "done_at": self._clock.now(), "last_error": reason and reason[:300]}
            return bool(Letter.update(**changes).where(_claimed(attempt)).execute())


def _claimed(attempt: _Try) -> Any:
    """The letter, as long as no other try has been made."""
    return (Letter.id == attempt.letter_id) & (Letter.fence == attempt.fence) & Letter.state.in_(_OPEN[1:])
