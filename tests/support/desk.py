"""A whole ReplyX in this process with one tenant and one assistant: what tests of dialogs work with."""

from __future__ import annotations

from dataclasses import dataclass

from replyx.accounts.views import UserView
from replyx.app import App
from replyx.assistants.views import AssistantView
from replyx.dialogs.views import MessageView, Receipt
from replyx.testing.llm_server import FakeLLM
from replyx.types import Actor, Channel, Contact, InboundMessage, Role, Sender

#: The model that the fake API offers.
MODEL = "test-model"


@dataclass
class Desk:
    """The app, its tenant, the assistant that speaks through the fake API."""

    app: App
    llm: FakeLLM
    owner: Actor
    user: UserView
    assistant: AssistantView

    def open_dialog(self) -> int:
        """A visitor's new dialog."""
        return self.app.sessions.start(self.assistant, Channel.WEBSITE, Contact(locale="ru"))

    def say(self, dialog_id: int, text: str, external_id: str | None = None) -> Receipt:
        """The customer says something."""
        return self.app.inbox.receive(InboundMessage(Channel.WEBSITE, dialog_id, text, external_id))

    def ask(self, dialog_id: int, text: str) -> MessageView | None:
        """The customer asks, and this thread answers as a worker would."""
        receipt = self.say(dialog_id, text)
        assert receipt.reply_id is not None
        return self.app.answering.answer(receipt.reply_id)

    def said(self, dialog_id: int, sender: Sender | None = None) -> list[str]:
        """Texts of the dialog, of one sender where asked."""
        rows = self.app.dialogs.messages(self.owner, dialog_id)
        return [row.text for row in rows if sender is None or row.sender == sender]

    def event_types(self, dialog_id: int) -> list[str]:
        """Types of the dialog's events; fails where their numbers have a gap."""
        events = self.app.dialogs.events(self.owner, dialog_id, after_seq=0)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["type"] for event in events]

    def money(self) -> tuple[int, int]:
        """Kopecks that may be spent, and that are held."""
        user = self.app.accounts.me(self.owner)
        return user.balance, user.held


def open_desk(app: App, llm: FakeLLM, *, balance: int = 100_000) -> Desk:
    """A tenant with `balance` kopecks, and an assistant on the fake API."""
    app.ai_tokens.add("fake", "sk-test-0123456789abcdef", base_url=llm.base_url, model_access=[MODEL])
    user = app.registration.register("owner@example.com", "correct-horse-7", opening_balance=balance)
    owner = Actor(Role.OWNER, user_id=user.id)
    assistant = app.assistants.create(owner, name="Помощник", ai_model=MODEL, website_integration=True)
    return Desk(app, llm, owner, user, assistant)
