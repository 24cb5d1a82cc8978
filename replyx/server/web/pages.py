"""Pages and scripts: the console, the demo, the widget and its files, with headers that keep strangers' code out."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from replyx.assistants.views import AssistantView
from replyx.errors import NotFound
from replyx.server.bodies import Query, Text
from replyx.server.endpoint import Call
from replyx.types import SYSTEM, Json

STATIC = Path(__file__).with_name("static")

_PAGE_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)

#: Asked for again each time, and answered with 304 where nothing has changed.
_REVALIDATE = "no-cache"

_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)


class Demo(Query):
    site_token: Text | None = None


def page_policy(forms: str = "'none'") -> str:
    """What a page may load, and where its forms may lead."""
    return "; ".join((*_PAGE_POLICY, f"form-action {forms}"))


async def console(call: Call) -> Response:
    return await _file(call, "console.html")


async def demo(call: Call) -> Response:
    return await _file(call, "demo.html")


async def docs(call: Call) -> Response:
    if not call.app.config.server.docs:
        raise NotFound
    return await _file(call, "docs.html")


async def widget(call: Call) -> Response:
    response = await _file(call, "widget.js")
    # Any page may load it; what it may then do, the assistant's list of domains decides.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


async def static(call: Call) -> Response:
    return await _file(call, str(call.request.path_params["path"]))


async def demo_config(call: Call) -> Json:
    """What the demo page shows, and the site token that it talks with."""

    def read() -> Json:
        assistant = _demo_assistant(call)
        _, documents = call.app.knowledge.list_documents(SYSTEM, assistant_id=assistant.id, limit=1)
        return {
            "site_token": assistant.site_token,
            "assistant_name": assistant.name,
            "welcome_text": assistant.welcome_text,
            "engine": assistant.ai_model,
            "documents": documents,
        }

    return await call.app.call(read)


def _demo_assistant(call: Call) -> AssistantView:
    if not call.app.config.demo.enabled:
        raise NotFound("Демонстрация выключена: demo.enabled = false", "The demo is off: demo.enabled = false")
    if call.query.site_token is not None:
        return call.app.assistants.by_site_token(call.query.site_token)
    assistant = call.app.assistants.demo()
    if assistant is None:
        raise NotFound(
            "Показывать пока нечего: создайте ассистента и включите website_integration.",
            "There is nothing to show yet: create an assistant and switch website_integration on.",
        )
    return assistant


async def _file(call: Call, name: str) -> Response:
    """A file of the package with its ETag; 304 where the browser has it. Raises NotFound."""
    try:
        response = await StaticFiles(directory=STATIC, check_dir=False).get_response(name, call.request.scope)
    except HTTPException as error:
        raise NotFound from error
    if isinstance(response, FileResponse) and _TAKES_GZIP.search(call.request.headers.get("accept-encoding", "")):
        response = _compressed(response)
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = _REVALIDATE
    if response.headers.get("content-type", "").startswith("text/html"):
        response.headers["Content-Security-Policy"] = page_policy()
    return response


def _compressed(file: FileResponse) -> Response:
    """The same answer in a third of the bytes. Files only: what is secret is never compressed beside what is not."""
    headers = {
        "Content-Type": file.headers["content-type"],
        "Last-Modified": file.headers["last-modified"],
        "ETag": f"W/{file.headers['etag']}",
        "Content-Encoding": "gzip",
    }
    return Response(_packed(Path(file.path), file.headers["etag"]), headers=headers)


@lru_cache(maxsize=64)
def _packed(path: Path, etag: str) -> bytes:
    """The file, compressed; once for each state of it, which `etag` names."""
    return gzip.compress(path.read_bytes(), mtime=0)
