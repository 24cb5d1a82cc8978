"""Requests that are sent twice are done once: keys are claimed before the work, and keep its answer for a day.

A claim is a lease that its process renews while it is at work (`hold`), by the database's clock: one that dies in the
middle frees the key within `LEASE` seconds. The answer is recorded in the transaction of the effect (`perform` where
that is all there is, else `keep`), under the claim's fence; only refusals, which have no effect, are recorded by
themselves (`complete`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from replyx.errors import Conflict, IdempotencyMismatch, ReplyXError
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.storage.idempotency import IdempotencyKey
from replyx.storage.renewing import Renewing
from replyx.types import Actor

logger = logging.getLogger(__name__)

#: Seconds without a renewal after which a repetition takes the request on.
LEASE = 6.0

#: Seconds that an answer is kept.
KEPT = 24 * 3600

#: Seconds after which a twin may ask again.
_ASK_AGAIN = 1


@dataclass(frozen=True)
class Claim:
    """The right to do a request and to record its answer."""

    id: int
    fence: int


@dataclass(frozen=True)
class FirstAnswer:
    """What the request was answered when it first came."""

    status: int
    body: str


class IdempotencyKeys:
    """Keys that clients name their requests by."""

    def __init__(self, db: Database, box: SecretBox) -> None:
        self._db, self._box = db, box
        self._renewing = Renewing("idempotency", LEASE, self._renew)

    def claim(self, actor: Actor, route: str, key: str, digest: str) -> Claim | FirstAnswer:
        """Take the request on, or find its first answer. `digest` is the SHA-256 of what was sent.

        Raises:
            IdempotencyMismatch: the key named another request. Conflict: the same one is being done right now.
        """
        is_user = actor.user_id is not None
        subject = f"user:{actor.user_id}" if is_user else f"visitor:{actor.dialog_id}"
        named = (IdempotencyKey.subject == subject) & (IdempotencyKey.route == route) & (IdempotencyKey.key == key)
        with self._db.transaction():
            IdempotencyKey.delete().where(named & (IdempotencyKey.expires_at <= self._db.now_ms())).execute()
            IdempotencyKey.insert(
                subject=subject,
                user=actor.user_id,
                dialog=None if is_user else actor.dialog_id,
                route=route,
                key=key,
                digest=digest,
                lease_until=0,
                expires_at=self._db.now_ms(KEPT),
            ).on_conflict_ignore().execute()
            is_free = IdempotencyKey.status.is_null() & (IdempotencyKey.lease_until <= self._db.now_ms())
            taken = IdempotencyKey.update(fence=IdempotencyKey.fence + 1, lease_until=self._db.now_ms(LEASE)).where(
                named & is_free & (IdempotencyKey.digest == digest)
            )
            is_mine = taken.execute() == 1
            row = IdempotencyKey.get(named)
        if row.digest != digest:
            raise IdempotencyMismatch
        if is_mine:
            return Claim(row.id, row.fence)
        if row.status is None:
            raise _under_way()
        return FirstAnswer(row.status, self._box.open(row.body or ""))

    def hold(self, claim: Claim) -> None:
        """Keep the claim alive until `drop`, however long the request takes."""
        self._renewing.hold(claim)

    def drop(self, claim: Claim) -> None:
        """The request is over, or given up."""
        self._renewing.drop(claim)

    def close(self) -> None:
        """Renew nothing more."""
        self._renewing.close()

    def perform(self, claim: Claim, status: int, effect: Callable[[], str]) -> str:
        """Do `effect`, whose result is the answer's body, and record the answer: both, or none of them.

        Raises:
            Conflict: another process has taken the request on meanwhile; nothing was done.
        """
        with self._db.transaction():
            body = effect()
            self.keep(claim, status, body)
            return body

    def keep(self, claim: Claim, status: int, body: str) -> None:
        """Record the answer in the caller's transaction, which holds the effect: both, or none of them.

        Raises:
            Conflict: another process has taken the request on meanwhile; the transaction has to fail with it.
        """
        if not self.complete(claim, status, body):
            raise _under_way()

    def complete(self, claim: Claim, status: int, body: str) -> bool:
        """Record the answer; False where another process has taken the request on meanwhile."""
        with self._db.transaction():
            kept = IdempotencyKey.update(
                status=status, body=self._box.seal(body), expires_at=self._db.now_ms(KEPT)
            ).where(_held(claim))
            return bool(kept.execute() == 1)

    def release(self, claim: Claim) -> None:
        """Free the key: the request had no effect, and may be sent again."""
        with self._db.transaction():
            IdempotencyKey.delete().where(_held(claim)).execute()

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        with self._db.transaction():
            return int(IdempotencyKey.delete().where(IdempotencyKey.expires_at <= self._db.now_ms()).execute())

    def _renew(self, claim: Claim) -> None:
        try:
            with self._db.transaction():
                IdempotencyKey.update(lease_until=self._db.now_ms(LEASE)).where(_held(claim)).execute()
        except ReplyXError:
            # The lease may run out; the fence in the effect's transaction decides who was right.
            logger.warning("the claim of an idempotency key could not be renewed", extra={"claim_id": claim.id})


def _held(claim: Claim) -> Any:
    return (IdempotencyKey.id == claim.id) & (IdempotencyKey.fence == claim.fence) & IdempotencyKey.status.is_null()


def _under_way() -> Conflict:
    return Conflict(
        "Такой же запрос с этим Idempotency-Key ещё выполняется. Повторите через секунду.",
        "The same request with this Idempotency-Key is still under way. Repeat it in a second.",
        retry_after=_ASK_AGAIN,
    )
