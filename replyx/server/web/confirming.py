"""/verify-email: where a letter's link leads. Looking at it changes nothing: programs that scan letters do so, too."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, Response

from replyx.errors import NotAuthenticated, TokenExpired
from replyx.server.bodies import Query, Text, read_raw
from replyx.server.endpoint import Call
from replyx.server.web.pages import page_policy

#: Largest form, in bytes: a token and its name.
_LARGEST = 8192

#: Language → what the page says.
_WORDS = {
    "ru": {
        "title": "Подтверждение адреса",
        "ask": "Осталось одно нажатие: адрес будет подтверждён.",
        "button": "Подтвердить адрес",
        "done": "Адрес подтверждён. Спасибо!",
        "before": "Адрес уже был подтверждён.",
        "expired": "Срок ссылки истёк. Войдите и запросите новое письмо.",
        "invalid": "Ссылка не подходит. Откройте её из письма целиком или запросите новое письмо.",
        "console": "В консоль",
    },
    "en": {
        "title": "Confirming your address",
        "ask": "One press is left, and your address is confirmed.",
        "button": "Confirm the address",
        "done": "Your address is confirmed. Thank you!",
        "before": "Your address was confirmed already.",
        "expired": "The link has expired. Log in and ask for another letter.",
        "invalid": "This link is no good. Open the whole of it from the letter, or ask for another letter.",
        "console": "To the console",
    },
}

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="robots" content="noindex">
  <title>{title}</title>
  <link rel="icon" href="/static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/console.css">
</head>
<body>
  <main class="login">
    <img src="/static/icon.svg" alt="" width="48" height="48">
    <h1>{title}</h1>
    <p role="status">{sentence}</p>
    {rest}
  </main>
</body>
</html>
"""


class Link(Query):
    token: Text = ""


async def show(call: Call) -> Response:
    token: str = call.query.token
    try:
        await call.app.call(call.app.verification.look, token)
    except NotAuthenticated as error:
        return _refused(call, error)
    words = _WORDS[call.language]
    field = f'<input type="hidden" name="token" value="{escape(token)}">'
    button = f'<button class="primary" type="submit">{words["button"]}</button>'
    return _page(call, "ask", f'<form method="post" action="/verify-email">{field}{button}</form>')


async def confirm(call: Call) -> Response:
    form = parse_qs((await read_raw(call.request, _LARGEST)).decode("utf-8", "replace"))
    try:
        is_new = await call.app.call(call.app.verification.confirm, form.get("token", [""])[0])
    except NotAuthenticated as error:
        return _refused(call, error)
    return _page(call, "done" if is_new else "before", _way_on(call))


def _refused(call: Call, error: NotAuthenticated) -> Response:
    """For people, not for programs: a page instead of the contract's JSON."""
    sentence = "expired" if isinstance(error, TokenExpired) else "invalid"
    return _page(call, sentence, _way_on(call), status=400)


def _way_on(call: Call) -> str:
    return f'<p><a href="/">{_WORDS[call.language]["console"]}</a></p>'


def _page(call: Call, sentence: str, rest: str, status: int = 200) -> Response:
    words = _WORDS[call.language]
    html = _PAGE.format(language=call.language, title=words["title"], sentence=words[sentence], rest=rest)
    headers = {"Content-Security-Policy": page_policy(forms="'self'"), "Cache-Control": "no-store"}
    return HTMLResponse(html, status, headers=headers)
