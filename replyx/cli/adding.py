"""Adding documents: which files, stored and read one after another, a failed one does not stop the others."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replyx.cli.language import choose, language
from replyx.errors import NotFound, ReplyXError

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.knowledge.views import DocumentView, IngestProgress

    OnProgress = Callable[[IngestProgress], None]

#: Files of a folder that are taken; a file that is named itself is always tried.
SUFFIXES = (
    ".pdf", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".epub", ".eml", ".csv", ".md", ".markdown", ".html", ".htm",
    ".txt",
)  # fmt: skip

#: Seconds between looks into the record while a worker reads the document.
_LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Added:
    """What became of one file: a document, or the reason why it is none."""

    path: Path
    document: DocumentView | None
    error: ReplyXError | OSError | None = None

    @property
    def failed(self) -> bool:
        return self.document is None or self.document.status == "failed"

    @property
    def reason(self) -> str:
        """Why it failed, in the user's language; empty where it did not."""
        if self.document is not None and self.document.error is not None:
            return str(self.document.error.as_json(language())["message"])
        return _sentence(self.error) if self.error is not None else ""

    def as_json(self) -> dict[str, Any]:
        """The API's document; a file that was refused has no id."""
        if self.document is not None:
            return self.document.as_json(language())
        code = self.error.code if isinstance(self.error, ReplyXError) else "OS_ERROR"
        error = {"code": code, "message": self.reason}
        return {"id": None, "filename": self.path.name, "status": "failed", "error": error}


def found_files(paths: Sequence[Path]) -> tuple[list[Path], list[Added]]:
    """Files to add, folders searched to the bottom, and what could not be read of them.

    Raises:
        NotFound: a path does not exist, or there is no document in a folder.
    """
    for path in paths:
        if not path.exists():
            raise NotFound(f"Нет файла или папки {path}", f"There is no file or folder {path}")
    files: list[Path] = []
    unreadable: list[Added] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        errors: list[OSError] = []
        inside = list(_inside(path, errors.append))
        unreadable += [Added(Path(error.filename or path), None, error) for error in errors]
        if not inside and not errors:
            kinds = ", ".join(SUFFIXES)
            raise NotFound(f"В {path} нет документов ({kinds})", f"There are no documents in {path} ({kinds})")
        files += inside
    return files, unreadable


def add_file(
    app: App, assistant_id: int, path: Path, on_progress: OnProgress | None, *, wait: bool, replace: bool = False
) -> Added:
    """Store one file and, with `wait`, see it read: by this process, or by the worker that was faster.

    With `replace` it takes the place of the document of its name, unless that has the same content.
    """
    from replyx.types import SYSTEM

    try:
        known = app.knowledge.find_document(assistant_id, path.name) if replace else None
        with path.open("rb") as content:
            if known is not None and known.sha256 == hashlib.file_digest(content, "sha256").hexdigest():
                return Added(path, _read(app, known, on_progress) if wait else known)
            content.seek(0)
            old = known.id if known is not None else None
            document = app.knowledge.add_document(SYSTEM, assistant_id, path.name, content, None, old)
        return Added(path, _read(app, document, on_progress) if wait else document)
    except (ReplyXError, OSError) as error:
        return Added(path, None, error)


def _read(app: App, document: DocumentView, on_progress: OnProgress | None) -> DocumentView:
    """Whoever has the document renews its lease; one whose reader died is taken over here."""
    from replyx.types import SYSTEM

    while True:
        done = app.knowledge.ingest(document.id, on_progress) or app.knowledge.get_document(SYSTEM, document.id)
        if done.status != "processing":
            return done
        time.sleep(_LOOK_SECONDS)


def _inside(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield Path(place) / name


def _sentence(error: ReplyXError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")
    issues = getattr(error, "issues", ())
    if issues:
        return "; ".join(choose(issue.ru, issue.en) for issue in issues)
    return error.message(language())
