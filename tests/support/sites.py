"""A web site whose pages a test writes and changes, with entity tags, rules and a map."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.support.traps import Site, reply, site


class Pages:
    """What is at each path: HTML, or bytes with their kind; `status` overrides. `asked` holds what was asked for."""

    def __init__(self) -> None:
        self.html: dict[str, str] = {}
        self.files: dict[str, tuple[bytes, str]] = {}
        self.status: dict[str, int] = {}
        self.moved: dict[str, str] = {}
        self.asked: list[tuple[str, int]] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path
        status = self.status.get(path, 200 if path in self.html or path in self.files else 404)
        body, kind = self.files.get(path, (self.html.get(path, "").encode(), "text/html; charset=utf-8"))
        headers = {"Content-Type": kind, "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
        if path in self.moved:
            status, headers = 301, {"Location": self.moved[path]}
        elif status == 200 and handler.headers.get("If-None-Match") == headers["ETag"]:
            status, body = 304, b""
        self.asked.append((path, status))
        reply(handler, body if status == 200 else b"", status, headers)

    def page(self, path: str, title: str, text: str, *links: str) -> None:
        """Put a page."""
        anchors = "".join(f'<a href="{link}">дальше</a>' for link in links)
        head = f"<!doctype html><html><head><title>{title}</title></head>"
        self.html[path] = f"{head}<body><p>{text}</p>{anchors}</body></html>"


@contextmanager
def pages() -> Iterator[tuple[Pages, Site]]:
    """An empty site for the length of the block."""
    made = Pages()
    with site(made.answer) as served:
        made.url = served.url
        yield made, served
