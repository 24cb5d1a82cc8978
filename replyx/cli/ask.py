"""`replyx ask`: a question to an assistant, answered in this process, with its sources."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replyx.cli.commands import single
from replyx.cli.flags import AsJson, WhichAssistant

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.assistants.views import AssistantView
    from replyx.dialogs.views import MessageView, Receipt

app = single()

#: Seconds between looks into the record while another worker writes the answer.
_LOOK_SECONDS = 0.5


@app.command()
def ask(
    ctx: typer.Context,
    assistant: WhichAssistant,
    question: Annotated[str, typer.Argument(show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Ask an assistant a question; the answer is streamed, with its sources.

    The answer is paid as any other. Exit code 0 where there is an answer, also one that nothing was found; 1 where
    the assistant could not answer.
    """
    from replyx.cli.exits import ExitCode
    from replyx.cli.invocation import find_assistant
    from replyx.types import Outcome

    with ctx.obj.app() as services:
        found = find_assistant(services, assistant)
        receipt = _send(services, found, question)
        if receipt.reply_id is None:
            _show_handoff(receipt, as_json=as_json)
            return
        with _Stream(services, receipt, is_shown=not as_json) as stream:
            message = _answered(services, receipt, receipt.reply_id, stream.news)
        price = _price(services, found, message)
        _show(message, price, stream, as_json=as_json)
    if message.outcome == Outcome.UNAVAILABLE:
        raise typer.Exit(ExitCode.EXIT_FAILED)


class _Stream:
    """Shows the pieces of an answer as they come."""

    def __init__(self, services: App, receipt: Receipt, *, is_shown: bool) -> None:
        from replyx.events.catalogue import dialog_topic

        #: Set by every news of the dialog.
        self.news = threading.Event()
        self._reply_id, self._is_shown = receipt.reply_id, is_shown
        self._pieces: list[str] = []
        self._subscription = services.bus.subscribe(dialog_topic(receipt.message.dialog_id), self._hear)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.close()

    def finish(self, text: str) -> None:
        """The stored text is the answer: it is shown where it is not what was streamed."""
        if "".join(self._pieces).strip() != text.strip():
            self._write(("\n\n" if self._pieces else "") + text)
        self._write("\n")

    def _hear(self, payload: dict[str, Any]) -> None:
        from replyx.events.catalogue import MESSAGE_DELTA

        self.news.set()
        if payload.get("type") != MESSAGE_DELTA or payload.get("reply_id") != self._reply_id or not self._is_shown:
            return
        if payload["index"] == 0 and self._pieces:
            # The answer starts anew.
            self._pieces.clear()
            self._write("\n\n")
        self._pieces.append(payload["text"])
        self._write(payload["text"])

    def _write(self, text: str) -> None:
        typer.echo(text, nl=False)


def _send(services: App, assistant: AssistantView, question: str) -> Receipt:
    from replyx.cli.language import language
    from replyx.types import Channel, Contact, InboundMessage

    dialog_id = services.sessions.start(assistant, Channel.API, Contact(locale=language()))
    return services.inbox.receive(InboundMessage(Channel.API, dialog_id, question))


def _answered(services: App, receipt: Receipt, reply_id: int, news: threading.Event) -> MessageView:
    """Write the answer here, or wait for the worker that took it; a failed try is made again.

    Raises:
        ServiceUnavailable: no answer came in the longest time that an answer may take.
    """
    from replyx.errors import ServiceUnavailable
    from replyx.types import SYSTEM

    deadline = time.monotonic() + services.config.answers.timeout_seconds
    while time.monotonic() < deadline:
        written = services.answering.answer(reply_id)
        if written is not None:
            return written
        later = services.dialogs.messages(SYSTEM, receipt.message.dialog_id, after_seq=receipt.message.seq)
        stored = next((message for message in later if message.reply_id == reply_id), None)
        if stored is not None:
            return stored
        news.wait(_LOOK_SECONDS)
        news.clear()
    raise ServiceUnavailable("Ответа нет. Проверьте: replyx doctor", "No answer came. Check with: replyx doctor")


def _price(services: App, assistant: AssistantView, message: MessageView) -> int:
    """Kopecks that this answer was charged with."""
    rows, _ = services.ledger.transactions(assistant.user_id, limit=100, kind="debit")
    return next((-row.amount for row in rows if (row.details or {}).get("reply_id") == message.reply_id), 0)


def _show(message: MessageView, price: int, stream: _Stream, *, as_json: bool) -> None:
    from replyx.billing.money import rubles
    from replyx.cli.language import choose
    from replyx.cli.output import line, print_json, print_table, roubles, shortened

    if as_json:
        body = {name: message.as_json()[name] for name in ("text", "outcome", "engine", "sources", "reply_id")}
        print_json({**body, "price": rubles(price), "dialog_id": message.dialog_id})
        return
    stream.finish(message.text)
    if message.sources:
        columns = choose("№,документ,страница,раздел,балл", "no.,document,page,section,score")
        print_table(
            columns.split(","),
            [
                (
                    number,
                    s["filename"] or f"Q&A {s.get('qa_id')}",
                    s["page"],
                    shortened(s["heading"], 60),
                    f"{s['score']:.3f}",
                )
                for number, s in enumerate(message.sources, 1)
            ],
        )
    line(choose(f"движок {message.engine} · {roubles(price)} ₽", f"engine {message.engine} · {roubles(price)} RUB"))


def _show_handoff(receipt: Receipt, *, as_json: bool) -> None:
    from replyx.cli.output import print_json, say

    if as_json:
        nothing: dict[str, Any] = {"text": "", "outcome": "handoff", "engine": None, "sources": [], "reply_id": None}
        print_json({**nothing, "price": 0.0, "dialog_id": receipt.message.dialog_id})
    else:
        say(
            f"Вопрос передан оператору: диалог {receipt.message.dialog_id}",
            f"The question was passed to a person: dialog {receipt.message.dialog_id}",
        )
