"""EPUB by its chapters, and EML by its best body: documents that carry HTML inside."""

from __future__ import annotations

import email
import email.errors
import email.policy
import posixpath
from email.message import Message
from urllib.parse import unquote

from replyx.knowledge.archive import Archive
from replyx.knowledge.extract import Block, Extract, as_heading, clean
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.markup import from_html, read_html
from replyx.knowledge.plain import decode

_CHAPTERS = ("application/xhtml+xml", "text/html")
#: Most parts of a message that are looked through.
_MAX_PARTS = 1000


def read_epub(data: bytes) -> Extract:
    """A book, chapters in reading order. Raises Unreadable."""
    archive = Archive(data)
    blocks: list[Block] = []
    for name in _chapters(archive):
        if name in archive:
            blocks += read_html(archive.read(name)).blocks
    return Extract(tuple(blocks), pages=0)


def _chapters(archive: Archive) -> list[str]:
    roots = [
        event.attributes.get("full-path", "")
        for event in archive.events("META-INF/container.xml")
        if event.kind == "start" and event.name == "rootfile"
    ]
    if not roots or roots[0] not in archive:
        raise Unreadable("corrupt")
    folder = posixpath.dirname(roots[0])
    parts: dict[str, str] = {}
    order: list[str] = []
    for event in archive.events(roots[0]):
        if event.kind == "start" and event.name == "item" and event.attributes.get("media-type") in _CHAPTERS:
            place = posixpath.normpath(posixpath.join(folder, unquote(event.attributes.get("href", ""))))
            parts[event.attributes.get("id", "")] = place
        elif event.kind == "start" and event.name == "itemref":
            order.append(event.attributes.get("idref", ""))
    # A chapter that is named twice is read once.
    return [parts[key] for key in dict.fromkeys(order) if key in parts]


def read_eml(data: bytes) -> Extract:
    """A letter: its subject is the heading, its attachments are named and not read. Raises Unreadable."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    subject = as_heading(_header(message, "subject"))
    lines = [f"{name}: {value}" for name in ("From", "To", "Date") if (value := _header(message, name))]
    text, names = "", []
    html: Extract | None = None
    for count, part in enumerate(message.walk()):
        if count > _MAX_PARTS:
            raise Unreadable("too_heavy")
        if name := _file_name(part):
            names.append(name)
        elif part.get_content_type() == "text/plain" and not text:
            text = clean(_content(part))
        elif part.get_content_type() == "text/html" and html is None:
            html = from_html(_content(part))
    inside = Extract((Block(text, None, subject),), 0) if text else html
    blocks = [Block(b.text, None, b.heading or subject) for b in inside.blocks] if inside else []
    if not blocks:
        return Extract((), pages=0)
    lines += [f"Attachment: {name}" for name in names]
    return Extract((Block("\n".join(map(clean, lines)), None, subject), *blocks) if lines else tuple(blocks), pages=0)


def _header(message: Message, name: str) -> str:
    try:
        return str(message.get(name, "")).strip()[:500]
    except (ValueError, LookupError, IndexError, TypeError, AttributeError, email.errors.MessageError):
        # The standard library stumbles over some headers that it parses.
        return ""


def _file_name(part: Message) -> str:
    try:
        return clean(part.get_filename() or "")[:200]
    except (ValueError, LookupError, TypeError, AttributeError, email.errors.MessageError):
        return ""


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        declared = part.get_content_charset()
    except (ValueError, LookupError, TypeError):
        declared = None
    return decode(payload, declared)
