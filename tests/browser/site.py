"""Somebody's website: one page of another origin than the appliance's, with the widget on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: As strict as a site can be: its own scripts and styles come from files, and only the appliance is spoken to.
_POLICY = (
    "default-src 'self'; script-src {origin}; connect-src {origin} {socket}; style-src 'self'; img-src data:; "
    "require-trusted-types-for 'script'"
)

_PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"></head>
<body><h1>Shop</h1><script src="{origin}/widget.js" data-site-token="{token}" async></script></body></html>"""


class Site:
    """What the site serves, and where browsers find it."""

    def __init__(self, port: int, name: str) -> None:
        self.domain = f"{name}:{port}"
        self.url = f"http://{self.domain}/"
        self.page = ""
        self.policy = ""

    def embed(self, origin: str, site_token: str, language: str = "ru") -> None:
        """Put the widget of the appliance at `origin` on the page, by its one line."""
        self.page = _PAGE.format(origin=origin, token=site_token, language=language)
        self.policy = _POLICY.format(origin=origin, socket=origin.replace("http", "ws", 1))


@contextmanager
def open_site(name: str = "shop.example") -> Iterator[Site]:
    """A site under `name`, which the browsers here take for this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = site.page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", site.policy)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(server.server_address[1], name)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
