"""Maps of sites: the addresses that they list, and other maps."""

from __future__ import annotations

import io
import zlib

from replyx.knowledge.archive import MAX_UNPACKED, xml_events
from replyx.knowledge.extract import Extract
from replyx.knowledge.failures import Unreadable

#: Most addresses of one map, by the protocol.
_MAX_LINKS = 50_000


def read_sitemap(data: bytes) -> Extract:
    """The addresses of a map, plain or packed by gzip. Raises Unreadable: it is no map."""
    if data.startswith(b"\x1f\x8b"):
        data = _unpacked(data)
    links: list[str] = []
    text: list[str] | None = None
    for event in xml_events(io.BytesIO(data)):
        if event.kind == "start" and event.name == "loc":
            text = []
        elif event.kind == "text" and text is not None:
            text.append(event.text)
        elif event.kind == "end" and event.name == "loc" and text is not None:
            links.append("".join(text).strip())
            text = None
            if len(links) >= _MAX_LINKS:
                break
    return Extract((), 0, links=tuple(links))


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(data, MAX_UNPACKED)
    except zlib.error as error:
        raise Unreadable("corrupt") from error
    if unpacker.unconsumed_tail:
        raise Unreadable("unpacks_too_large")
    return unpacked
