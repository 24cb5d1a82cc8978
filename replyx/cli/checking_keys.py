"""Checks of the AI keys: what the pool knows of each, and what its API says to a call that costs nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from replyx.cli.findings import Finding, State, fault, good, warning

if TYPE_CHECKING:
    from replyx.app import App
    from replyx.llm.views import AiTokenView, KeyProbe

#: Seconds that an API has to answer, and how many are asked at the same time.
_PATIENCE, _AT_ONCE = 10.0, 8


def key_findings(app: App, *, offline: bool) -> list[Finding]:
    """A line for each key; the active ones' APIs are asked for their models unless `offline`."""
    keys = app.ai_tokens.list()
    if offline:
        return [_stored(app, key) for key in keys]
    with ThreadPoolExecutor(_AT_ONCE, "keys") as pool:
        return list(pool.map(lambda key: _asked(app, key), keys))


def _asked(app: App, key: AiTokenView) -> Finding:
    found = _stored(app, key)
    if not key.is_active or found.state is State.FAIL:
        return found
    said = _said(key, app.ai_tokens.probe(key.id, _PATIENCE))
    return said if found.state is State.OK or said.state is State.FAIL else found


def _said(key: AiTokenView, probe: KeyProbe) -> Finding:
    """What the API's answer means."""
    from replyx.llm.views import KeyVerdict

    name, test = f"AI key {key.name}", f"replyx tokens test {key.id}"
    if probe.outcome is not None:
        why = probe.outcome.reason
        if probe.outcome.verdict is KeyVerdict.REFUSED:
            mend = f"replyx tokens set {key.id} --token-stdin"
            return fault(name, f"API его не принимает: {why}", f"its API refuses it: {why}", mend)
        if probe.outcome.verdict is KeyVerdict.BUSY:
            return warning(name, f"API просит подождать: {why}", f"its API asks to wait: {why}", test)
        return fault(name, f"API не отвечает: {why}", f"its API does not answer: {why}", test)
    if probe.missing:
        names, mend = ", ".join(probe.missing), f"replyx tokens set {key.id} --models A,B"
        return warning(name, f"у API нет моделей: {names}", f"its API does not list: {names}", mend)
    ms, used = probe.latency_ms, _used(key)
    if not probe.is_listed:
        ru, en = "API отвечает, но списка моделей не даёт: ключ не проверен", "its API has no list: the key is unproven"
        return warning(name, ru, en, test)
    return good(name, f"принят за {ms} мс, сегодня {used}", f"accepted in {ms} ms, {used} today")


def _stored(app: App, key: AiTokenView) -> Finding:
    """What the pool knows of it."""
    name, test = f"AI key {key.name}", f"replyx tokens test {key.id}"
    spent = key.daily_limit and key.daily_usage >= key.daily_limit
    spent = spent or (key.monthly_limit and key.monthly_usage >= key.monthly_limit)
    if key.disabled_reason:
        return fault(name, f"отключён: {key.disabled_reason}", f"switched off: {key.disabled_reason}", test)
    if not key.is_active:
        return warning(name, "выключен", "not active", f"replyx tokens enable {key.id}")
    if spent:
        return warning(name, "лимит исчерпан", "its limit is used up", f"replyx tokens set {key.id}")
    if key.cooling_until is not None and key.cooling_until > app.clock.now():
        until = f"{key.cooling_until:%H:%M:%S} UTC"
        return warning(name, f"отдыхает до {until}", f"rests until {until}", test)
    return good(name, f"включён, сегодня {_used(key)}", f"active, {_used(key)} today")


def _used(key: AiTokenView) -> str:
    return f"{key.daily_usage}" + (f"/{key.daily_limit}" if key.daily_limit else "")
