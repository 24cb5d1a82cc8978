"""Documents that are ZIP archives of XML: what may be in one, and its XML as a stream of events without entities."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO
from xml.parsers import expat

from replyx.knowledge.failures import Unreadable

#: Most entries, unpacked bytes of all, and how many times larger than the file they may be.
MAX_ENTRIES, MAX_UNPACKED, MAX_RATIO = 1000, 100 * 1024 * 1024, 100
#: Below this size nothing is a bomb, whatever its ratio.
_HARMLESS = 1024 * 1024
#: Deepest nesting of elements; people's documents have some thirty.
_MAX_DEPTH = 256
_PIECE = 65_536


class Archive:
    """A ZIP file in memory. Nothing is unpacked to disk: entries are looked up by the exact names that are wanted."""

    def __init__(self, data: bytes) -> None:
        """Raises Unreadable: corrupt, encrypted, unpacks_too_large."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, OverflowError) as error:
            raise Unreadable("corrupt") from error
        unpacked = sum(entry.file_size for entry in entries)
        too_dense = unpacked > _HARMLESS and unpacked > len(data) * MAX_RATIO
        if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED or too_dense:
            raise Unreadable("unpacks_too_large")
        if any(entry.flag_bits & 0x1 for entry in entries):
            raise Unreadable("encrypted")
        self._names = {entry.filename for entry in entries}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def names(self) -> list[str]:
        return sorted(self._names)

    def read(self, name: str) -> bytes:
        """Raises Unreadable: there is no such entry, or it is damaged."""
        try:
            return self._zip.read(name)
        except _DAMAGE as error:
            raise Unreadable("corrupt") from error

    def events(self, name: str) -> Iterator[Event]:
        """The XML of an entry; raises Unreadable as `read` does, and where it is no XML that is wanted here."""
        try:
            with self._zip.open(name) as stream:
                yield from xml_events(stream)
        except _DAMAGE as error:
            raise Unreadable("corrupt") from error


_DAMAGE = (
    zipfile.BadZipFile, zlib.error, KeyError, ValueError, NotImplementedError, EOFError, OSError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """`start` and `end` of an element, or `text`. Names are without their namespaces."""

    kind: str
    name: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""


def xml_events(stream: IO[bytes]) -> Iterator[Event]:
    """XML read piece by piece.

    Raises:
        Unreadable: it is malformed, nested deeper than any document, or declares entities.
    """
    collector = _Collector()
    while piece := stream.read(_PIECE):
        yield from collector.feed(piece, last=False)
    yield from collector.feed(b"", last=True)


class _Collector:
    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._refuse
        self._events: list[Event] = []
        self._depth = 0

    def feed(self, piece: bytes, *, last: bool) -> list[Event]:
        try:
            self._parser.Parse(piece, last)
        except (expat.ExpatError, ValueError) as error:
            raise Unreadable("corrupt") from error
        found, self._events = self._events, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Unreadable("corrupt")
        # Where two names are one without their namespaces, the one that has a namespace counts (`id` and `r:id`).
        ordered = sorted(attributes.items(), key=lambda pair: " " in pair[0])
        self._events.append(Event("start", _local(name), {_local(key): value for key, value in ordered}))

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._events.append(Event("end", _local(name)))

    def _text(self, text: str) -> None:
        self._events.append(Event("text", text=text))

    def _refuse(self, *_: object) -> None:
        raise Unreadable("corrupt")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
