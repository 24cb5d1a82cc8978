"""Paying for an answer: the highest price is held before, what it cost is captured with it."""

from __future__ import annotations

from dataclasses import dataclass

from replyx.billing.ledger import Ledger
from replyx.billing.pricing import Price, describe, price_for, service_type_of
from replyx.clock import Clock
from replyx.config.settings import Config
from replyx.dialogs.drafting import Draft
from replyx.errors import InsufficientBalance
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
    """Both methods are called inside a transaction that holds the dialog's lock."""

    def __init__(self, ledger: Ledger, clock: Clock, config: Config) -> None:
        self._ledger, self._clock, self._config = ledger, clock, config

    def hold(self, dialog: Dialog, reply: Reply) -> Held:
        """Set the highest price of an answer aside.

        Raises:
            InsufficientBalance: the tenant has less, or the assistant's daily cap would be passed.
        """
        assistant = dialog.assistant
        channel = Channel(dialog.platform)
        price = price_for(assistant.price, assistant.prices, channel, assistant.ai_model, self._config)
        most = price.highest(self._config.answers.max_tokens)
        if not most:
            return Held(None, price, 0)
        self._keep_cap(dialog, reply, most)
        return Held(self._ledger.hold(dialog.user_id, most, f"reply:{reply.id}:{reply.fence}"), price, most)

    def settle(self, dialog: Dialog, reply_id: int, held: Held, draft: Draft) -> None:
        """Capture what a delivered answer cost, or free what was held for one that costs nothing."""
        if held.hold_id is None:
            return
        cost = held.cost_of(draft)
        if not cost:
            self._ledger.release(held.hold_id)
            return
        channel = Channel(dialog.platform)
        self._ledger.capture(
            held.hold_id,
            cost,
            service_type=service_type_of(channel),
            description=describe(channel),
            details=_paid_for(dialog, reply_id, draft),
            assistant_id=dialog.assistant_id,
        )

    def _keep_cap(self, dialog: Dialog, reply: Reply, most: int) -> None:
        """Refuse what could pass the day's cap; other answers under way count with their highest price.

        What a try of this reply had held that died is released already, and must not count beside the new one.
        """
        cap = dialog.assistant.daily_cap
        if cap is None:
            return
        midnight = self._clock.now().astimezone(self._config.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        is_held = (Reply.state == "working") & Reply.hold_id.is_null(False) & (Reply.id != reply.id)
        under_way = Reply.select().join(Dialog).where(is_held & (Dialog.assistant == dialog.assistant_id)).count()
        if self._ledger.spent_since(dialog.assistant_id, midnight) + (under_way + 1) * most > cap:
            raise InsufficientBalance("Дневной предел ассистента исчерпан.", "The assistant's daily cap is reached.")


def _paid_for(dialog: Dialog, reply_id: int, draft: Draft) -> Json:
    details: Json = {"dialog_id": dialog.id, "message_count": 1, "reply_id": reply_id}
    if draft.completion_tokens:
        details |= {"prompt_tokens": draft.prompt_tokens, "completion_tokens": draft.completion_tokens}
    return details
