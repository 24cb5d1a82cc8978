"""HTTP as the fake Bot API reads and writes it: queries, JSON, forms and multipart in; JSON out."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

#: Parameters that stay text even where they look like JSON.
_TEXTS = frozenset({"text", "caption", "title", "name", "url", "data", "file_id", "secret_token", "description"})

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}


@dataclass(frozen=True)
class HttpRequest:
    """One request: the path without the query, the parameters from wherever they were, uploaded files by name."""

    method: str
    path: str
    parameters: dict[str, Any]
    #: Field name → file name and content.
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """The next request of a connection; None where the client has closed it.

    Raises:
        ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError: it broke off or is no HTTP.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await _body(reader, headers)
    address = urlsplit(target)
    parameters: dict[str, Any] = dict(parse_qsl(address.query, keep_blank_values=True))
    sent, files = _fields(headers.get("content-type", ""), body)
    decoded = {name: _decoded(name, value) for name, value in {**parameters, **sent}.items()}
    return HttpRequest(method, unquote(address.path), decoded, files, body)


def response(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole answer."""
    given = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n{lines}\r\n".encode() + body


def json_response(status: int, value: Any) -> bytes:
    """A whole answer with JSON in it."""
    return response(status, json.dumps(value, ensure_ascii=False).encode())


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        parts.append((await reader.readexactly(size + 2))[:size])
        if size == 0:
            return b"".join(parts)


def _fields(content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    if content_type.startswith("application/json"):
        sent = json.loads(body or b"{}")
        return (sent if isinstance(sent, dict) else {}), {}
    if content_type.startswith("multipart/form-data"):
        return _multipart(content_type, body)
    return dict(parse_qsl(body.decode(), keep_blank_values=True)), {}


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        raise ValueError("multipart without a boundary")
    values: dict[str, Any] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        given = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        if "filename" in given:
            files[given["name"]] = given["filename"], content
        else:
            values[given["name"]] = content.decode()
    return values, files


def _decoded(name: str, value: Any) -> Any:
    """Forms carry everything as text; what is JSON is read as JSON."""
    if not isinstance(value, str) or name in _TEXTS:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
