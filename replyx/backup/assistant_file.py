"""An assistant as one file: its settings, its Q&A pairs and its documents, to be taken to another installation.

    assistant.json      the settings, without ids, tokens and the site's key
    qa.json             the Q&A pairs, as `replyx knowledge export-qa` writes them
    documents/N/NAME    the documents as they were uploaded

What belongs to one place only stays there: dialogs, the bot (it serves one assistant) and the site token.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from replyx.assistants.assistants import Assistants
from replyx.assistants.views import AssistantView
from replyx.errors import BackupUnusable
from replyx.knowledge.knowledge import Knowledge
from replyx.knowledge.views import DocumentView
from replyx.types import SYSTEM, Actor, Json

FORMAT = 1

_SETTINGS, _PAIRS, _DOCUMENTS = "assistant.json", "qa.json", "documents/"

#: Fields that are taken along, under the names of `Assistants.create`; money is in kopecks.
_FIELDS = (
    "name", "description", "system_prompt", "ai_model", "website_integration", "allowed_domains", "handoff_keywords",
    "not_found_text", "unavailable_text", "welcome_text", "price", "prices", "daily_cap", "answer_threshold",
    "clarify_threshold",
)  # fmt: skip

#: Longest `assistant.json` and `qa.json` that are read, in bytes.
_MOST_TEXT = 64 * 1024 * 1024


class AssistantFiles:
    """Writes and reads such files."""

    def __init__(self, assistants: Assistants, knowledge: Knowledge) -> None:
        self._assistants, self._knowledge = assistants, knowledge

    def export(self, assistant: AssistantView, path: Path) -> int:
        """Write the assistant to `path`, which stands there whole or not at all; returns how many documents it holds.

        Raises:
            OSError: it cannot be written.
        """
        draft = path.with_name(f".{path.name}.part")
        settings = {field: getattr(assistant, field) for field in _FIELDS}
        documents = 0
        try:
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr(_SETTINGS, json.dumps({"format": FORMAT, **settings}, ensure_ascii=False, indent=2))
                file.writestr(_PAIRS, self._knowledge.export_qa(SYSTEM, assistant.id, "json"))
                for document in self._documents(assistant.id):
                    view, source = self._knowledge.document_file(SYSTEM, document.id)
                    file.write(source, f"{_DOCUMENTS}{documents + 1}/{view.filename}")
                    documents += 1
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return documents

    def read(
        self, actor: Actor, path: Path, changes: Json, each: Callable[[DocumentView], None] | None = None
    ) -> AssistantView:
        """A new assistant of the actor from `path`, with `changes` to its settings; `each` is told of every document.

        It comes whole or not at all. Its documents wait for a worker, or for whoever ingests them.

        Raises:
            BackupUnusable: this is no such file, or one of a newer ReplyX. ValidationFailed: a setting cannot be used
                here, such as a model that nobody offers. OSError: it cannot be read.
        """
        try:
            with zipfile.ZipFile(path) as file:
                settings = _settings(file, path) | changes
                made = self._assistants.create(actor, **settings)
                is_whole = False
                try:
                    self._fill(actor, made, file, each)
                    is_whole = True
                finally:
                    if not is_whole:
                        self._knowledge.forget_assistant(made.id)
                        self._assistants.delete(SYSTEM, made.id)
                return made
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
            raise _unusable(path) from error

    def _fill(
        self, actor: Actor, made: AssistantView, file: zipfile.ZipFile, each: Callable[[DocumentView], None] | None
    ) -> None:
        pairs = _text(file, _PAIRS)
        if json.loads(pairs):
            self._knowledge.import_qa(actor, made.id, pairs, "json")
        for member in file.infolist():
            if member.filename.startswith(_DOCUMENTS) and not member.is_dir():
                name = member.filename.split("/", 2)[2]
                with file.open(member) as content:
                    document = self._knowledge.add_document(actor, made.id, name, cast("BinaryIO", content), None)
                if each is not None:
                    each(document)

    def _documents(self, assistant_id: int) -> Iterator[DocumentView]:
        offset = 0
        while True:
            rows, _ = self._knowledge.list_documents(SYSTEM, assistant_id=assistant_id, limit=200, offset=offset)
            yield from rows
            if not rows:
                return
            offset += len(rows)


def _settings(file: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    values = json.loads(_text(file, _SETTINGS))
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT or set(values) - set(_FIELDS):
        raise _unusable(path)
    return values


def _text(file: zipfile.ZipFile, name: str) -> bytes:
    if file.getinfo(name).file_size > _MOST_TEXT:
        raise ValueError(name)
    return file.read(name)


def _unusable(path: Path) -> BackupUnusable:
    return BackupUnusable(
        f"{path}: это не файл ассистента или его сделал более новый ReplyX. Создайте его: replyx assistants export",
        f"{path}: it is no assistant's file, or of a newer ReplyX. Make one: replyx assistants export",
    )
