"""An owner with an assistant, and the knowledge service to teach it by."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from replyx.config.settings import Config
from replyx.events.memory import MemoryBus
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.views import DocumentView
from replyx.storage.assistants import Assistant
from replyx.storage.database import Database
from replyx.types import Actor
from tests.domain.owners import make_user
from tests.support.clock import MovableClock


@dataclass
class Sent:
    """A queue that only remembers: tests do the work themselves, when they want it done."""

    tasks: list[tuple[str, int | str]] = field(default_factory=list)

    def send(self, task: str, *args: int | str) -> None:
        self.tasks.append((task, *args))  # type: ignore[arg-type]


class Library:
    """What an owner does with documents."""

    def __init__(self, db: Database, bus: MemoryBus, clock: MovableClock, config: Config) -> None:
        self.db, self.bus, self.clock, self.config = db, bus, clock, config
        self.queue = Sent()
        self.owner = make_user(db, clock, "owner@example.com")
        self.assistant = make_assistant(db, clock, self.owner)
        self.knowledge = self.another_process()

    def another_process(self, config: Config | None = None) -> Knowledge:
        """The service anew, as another process on the same data has it."""
        return Knowledge(self.db, self.bus, self.clock, self.queue, config or self.config)

    def upload(
        self,
        content: bytes | str,
        filename: str = "notes.txt",
        *,
        assistant: int | None = None,
        actor: Actor | None = None,
    ) -> DocumentView:
        data = content.encode() if isinstance(content, str) else content
        return self.knowledge.add_document(
            actor or self.owner, self.assistant if assistant is None else assistant, filename, io.BytesIO(data), None
        )

    def teach(self, content: bytes | str, filename: str = "notes.txt", *, assistant: int | None = None) -> DocumentView:
        """Upload and read."""
        view = self.knowledge.ingest(self.upload(content, filename, assistant=assistant).id)
        assert view is not None
        return view


def make_assistant(db: Database, clock: MovableClock, owner: Actor, name: str = "Помощник") -> int:
    with db.transaction():
        row = Assistant.create(
            user=owner.user_id, name=name, ai_model="extractive", allowed_domains=[], created_at=clock.now()
        )
    return int(row.id)
