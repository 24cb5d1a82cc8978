"""What plugins and the core say to each other about files: scanners, readers of further formats, transcribers."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ScannerUnavailable(Exception):
    """The file could not be scanned now: it is not let through, and is scanned again later."""


class UploadScanner(Protocol):
    """Looks at every uploaded file before anything reads it."""

    name: str

    def scan(self, file: Path) -> str | None:
        """What is wrong with the file, such as a virus's name; None where nothing was found.

        Raises:
            ScannerUnavailable: it cannot be told now. Any other error means the same.
        """


class Transcriber(Protocol):
    """Writes down what is said in a customer's voice message."""

    name: str

    def transcribe(self, file: Path, content_type: str, language: str) -> str | None:
        """The words that were spoken; None where none can be made out.

        `content_type` is `audio/ogg` or `video/mp4`, `language` is the customer's, `ru` or `en`, and only a hint. It
        may take minutes: the chat waits, no other does. What is raised means None, and is logged.
        """


#: A passage of a document: its text, its page (None where there are none), its heading (None likewise).
TextBlock = tuple[str, int | None, str | None]


class TextReader(Protocol):
    """A function of a module."""

    __module__: str
    __qualname__: str

    def __call__(self, file: Path, /) -> Iterable[TextBlock]: ...


@dataclass(frozen=True)
class TextExtractor:
    """A reader of one more format of documents.

    `read` is a function of the plugin's module, not a method: it is called in a process of its own, with bounded
    memory and time, which knows no settings and no secrets, writes no files and reaches no network.
    """

    #: What the documents' `content_type` becomes, such as `application/rtf`; at most 100 characters.
    content_type: str
    #: How names of such files end, without the dot, in lower case.
    extensions: tuple[str, ...]
    #: How such files begin; empty: anything.
    begins_with: bytes
    read: TextReader
    #: Longest time that it may take for a file, in seconds; less than `knowledge.parse_seconds` changes nothing.
    seconds: float = 0

    @property
    def entry(self) -> str:
        """Where `read` is, for the process that calls it: `FILE:FUNCTION`."""
        return f"{sys.modules[self.read.__module__].__file__}:{self.read.__qualname__}"

    def fits(self, head: bytes, extension: str) -> bool:
        """Whether a file that begins with `head` and whose name ends with `extension` is of this format."""
        return extension in self.extensions and head.startswith(self.begins_with)
