"""Paying for an answer: the highest price is held before, what it cost is captured with it."""

from __future__ import annotations

from dataclasses import dataclass

from replyx.billing.ledger import Ledger
from replyx.billing.pricing import Price, describe, price_for, service_type_of
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.dialogs.drafting import Draft
from replyx.errors import InsufficientBalance
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.storage.dialogs import Dialog, Reply
from replyx.types import Channel, Json


@dataclass(frozen=True)
class Held:
    """What is set aside for an answer. `hold_id` is None where it is free; `most` is kopecks."""

    hold_id: int | None
    price: Price
    most: int

    def cost_of(self, draft: Draft) -> int:
        """Kopecks that the answer costs."""
        if self.hold_id is None or not draft.is_paid:
            return 0
        return min(self.most, self.price.of(draft.prompt_tokens + draft.completion_tokens))


class Paying:
    """All methods are called inside a transaction; `hold` and `settle` under the dialog's lock."""

    def __init__(self, db: Database, ledger: Ledger, clock: Clock, config: Config) -> None:
        self._db, self._ledger, self._clock, self._config = db, ledger, clock, config

    def hold(self, dialog: Dialog, reply: Reply) -> Held:
        """Set the highest price of an answer aside.

        Raises:
            InsufficientBalance: the tenant has less, or the assistant's daily cap would be passed.
        """
        key = f"reply:{reply.id}:{reply.fence}"
        return self.hold_for(dialog.user_id, dialog.assistant, Channel(dialog.platform), key, reply_id=reply.id)

    def hold_for(self, user_id: int, assistant: Assistant, channel: Channel, key: str, *, reply_id: int = 0) -> Held:
        """The same of the user's money, for an answer in `channel` under the ledger's `key`.

        Raises InsufficientBalance.
        """
        price = price_for(assistant.price, assistant.prices, channel, assistant.ai_model, self._config)
        most = price.highest(self._config.answers.max_tokens)
        if not most:
            return Held(None, price, 0)
        self._keep_cap(assistant, most, reply_id)
        return Held(self._ledger.hold(user_id, most, key), price, most)

    def settle(self, dialog: Dialog, reply_id: int, held: Held, draft: Draft) -> None:
        """Capture what a delivered answer cost, or free what was held for one that costs nothing."""
        paid_for: Json = {"dialog_id": dialog.id, "message_count": 1, "reply_id": reply_id}
        self.settle_for(dialog.assistant_id, Channel(dialog.platform), held, draft, paid_for)

    def settle_for(self, assistant_id: int, channel: Channel, held: Held, draft: Draft, paid_for: Json) -> None:
        """The same for an answer in `channel`; `paid_for` is what the statement says of it.

        Raises:
            Conflict: the hold ran out meanwhile.
        """
        if held.hold_id is None:
            return
        cost = held.cost_of(draft)
        if not cost:
            self._ledger.release(held.hold_id)
            return
        self._ledger.capture(
            held.hold_id,
            cost,
            service_type=service_type_of(channel),
            description=describe(channel),
            details=paid_for | _tokens(draft),
            assistant_id=assistant_id,
        )

    def _keep_cap(self, assistant: Assistant, most: int, reply_id: int) -> None:
        """Refuse what could pass the day's cap; other answers under way count with their highest price.

        What a try of this reply had held that died is released already, and must not count beside the new one.
        """
        if assistant.daily_cap is None:
            return
        # Answers that begin at the same moment would not see each other's holds.
        self._db.locked(Assistant.select(Assistant.id).where(Assistant.id == assistant.id)).get()
        midnight = self._clock.now().astimezone(self._config.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        is_held = (Reply.state == "working") & Reply.hold_id.is_null(False) & (Reply.id != reply_id)
        under_way = Reply.select().join(Dialog).where(is_held & (Dialog.assistant == assistant.id)).count()
        under_way += self._ledger.count_open(completion_key(assistant.id))
        if self._ledger.spent_since(assistant.id, midnight) + (under_way + 1) * most > assistant.daily_cap:
            raise InsufficientBalance("Дневной предел ассистента исчерпан.", "The assistant's daily cap is reached.")


def completion_key(assistant_id: int, name: str = "") -> str:
    """The ledger's key of an answer over the OpenAI-compatible endpoint."""
    return f"completion:{assistant_id}:{name}"


def _tokens(draft: Draft) -> Json:
    if not draft.completion_tokens:
        return {}
    return {"prompt_tokens": draft.prompt_tokens, "completion_tokens": draft.completion_tokens}
