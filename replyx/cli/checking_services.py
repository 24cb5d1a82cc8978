"""Checks of what ReplyX keeps: AI keys, models of assistants, the knowledge index, the queue, processes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from replyx import __version__
from replyx.cli.findings import Finding, fault, good, refused, warning
from replyx.errors import ReplyXError

if TYPE_CHECKING:
    from replyx.app import App

#: Seconds after which an answer that is owed should have been begun.
_LATE_SECONDS = 30.0


def service_findings(app: App, *, offline: bool) -> list[Finding]:
    """What is wrong with what is stored, and with who works on it; `offline` asks no collector of spans."""
    return [
        _administrator(app),
        _ai_tokens(app),
        *_models(app),
        _knowledge(app),
        *_knowledge_store(app),
        *_sharing(app),
        _queue(app),
        _processes(app),
        _plugins(app),
        *([] if offline else _telemetry(app)),
    ]


def _telemetry(app: App) -> list[Finding]:
    """Whether the collector of spans takes them; nothing where none is configured."""
    import httpx2

    from replyx.events.spans import require_telemetry

    endpoint = app.config.telemetry.otlp_endpoint
    if not endpoint:
        return []
    try:
        headers = require_telemetry(app.config.telemetry) | {"Content-Type": "application/x-protobuf"}
        # No spans are a valid request, too.
        said = str(httpx2.post(endpoint, content=b"", headers=headers, timeout=5.0).status_code)
    except ReplyXError as error:
        return [refused("telemetry", error)]
    except httpx2.HTTPError as error:
        said = type(error).__name__
    if said == "200":
        return [good("telemetry", "спаны принимаются", "spans are taken")]
    mend = "replyx config show"
    return [warning("telemetry", f"спаны не принимаются: {said}", f"spans are not taken: {said}", mend)]


def _plugins(app: App) -> Finding:
    """Plugins that failed, and a virus scanner that does not answer."""
    from tempfile import NamedTemporaryFile

    from replyx.plugins.uploads import ScannerUnavailable

    failed = ", ".join(one.name for one in app.plugins.known if one.state == "failed")
    if failed:
        return fault("plugins", f"не загружены: {failed}", f"not loaded: {failed}", "replyx plugins check")
    with NamedTemporaryFile() as probe:
        try:
            app.plugins.scan(Path(probe.name))
        except ScannerUnavailable as error:
            return fault(
                "plugins", f"загрузки ждут: {error}", f"uploads wait: {error}", "systemctl start clamav-daemon"
            )
    loaded = sum(one.state == "loaded" for one in app.plugins.known)
    return good("plugins", f"загружено: {loaded}", f"loaded: {loaded}")


def _administrator(app: App) -> Finding:
    from replyx.cli.invocation import first_administrator

    found = first_administrator(app)
    if found is None:
        return warning(
            "administrator", "нет ни одного", "there is none", "replyx users create EMAIL --admin --password-stdin"
        )
    return good("administrator", found.email, found.email)


def _ai_tokens(app: App) -> Finding:
    tokens = app.ai_tokens.list()
    active = [token for token in tokens if token.is_active]
    refusing = [token for token in tokens if token.disabled_reason]
    if refusing:
        names = ", ".join(f"{token.name}: {token.disabled_reason}" for token in refusing)
        mend = f"replyx tokens test {refusing[0].id}"
        return (warning if active else fault)("AI keys", f"отключены: {names}", f"switched off: {names}", mend)
    if not active:
        mend = "replyx tokens add --name N --base-url URL --models A,B"
        return warning("AI keys", "нет: ответы цитатами", "none: answers are quotes", mend)
    return good("AI keys", f"включено: {len(active)}", f"active: {len(active)}")


def _models(app: App) -> list[Finding]:
    """Assistants whose model nobody offers, and local models that nothing can run."""
    from replyx.llm.shelf import PREFIX
    from replyx.types import SYSTEM

    offered = set(app.engines.models())
    assistants, _ = app.assistants.list_for(SYSTEM, limit=10_000)
    used = {row.ai_model for row in assistants if row.is_active}
    found = [
        fault(
            "models",
            f"у ассистента {row.id} модель {row.ai_model}, которой нет",
            f"assistant {row.id} has the model {row.ai_model}, which is not there",
            f"replyx assistants set {row.id} --model {app.engines.default_model()}",
        )
        for row in assistants
        if row.is_active and row.ai_model not in offered
    ]
    if any(name.startswith(PREFIX) for name in used) and find_spec("llama_cpp") is None:
        mend = 'pip install "replyx[local]"'
        found.append(fault("models", "локальную модель нечем запустить", "nothing can run the local model", mend))
    found += _memory(app, used)
    return found or [good("models", ", ".join(sorted(offered)), ", ".join(sorted(offered)))]


def _memory(app: App, used: set[str]) -> list[Finding]:
    """Local models that would not fit into what is free; those that a running process holds are in it already."""
    from replyx.llm.memory import require_memory
    from replyx.llm.shelf import PREFIX, ModelShelf

    if any(beat.alive and beat.role == "worker" for beat in app.beats.list()):
        return []
    shelf = ModelShelf(app.config)
    found: list[Finding] = []
    for name in sorted(name for name in used if name.startswith(PREFIX) and name in set(shelf.names())):
        try:
            require_memory(shelf.path(name), app.config.models.context_tokens)
        except ReplyXError as error:
            found.append(
                fault("models", f"{name}: {error.message_en}", f"{name}: {error.message_en}", "replyx models list")
            )
    return found


def _knowledge(app: App) -> Finding:
    try:
        app.knowledge.warm_up()
        stats = app.knowledge.stats()
    except ReplyXError as error:
        return refused("knowledge", error)
    chunks, failed = stats["chunks"], stats["documents"]["failed"]
    if chunks and not stats["is_loaded"]:
        return fault("knowledge", "индекс не открыть", "the index cannot be opened", "replyx knowledge rebuild")
    ru, en = f"фрагментов: {chunks}", f"chunks: {chunks}"
    if failed:
        mend = "replyx knowledge list"
        return warning(
            "knowledge", f"{ru}; не прочитано документов: {failed}", f"{en}; failed documents: {failed}", mend
        )
    return good("knowledge", ru, en)


def _knowledge_store(app: App) -> list[Finding]:
    """Whether an object store with the index answers, and who writes to it; nothing where it is in a folder."""
    place = app.knowledge.place
    if not place.is_remote:
        return []
    try:
        place.require_reach()
        writer = place.turns.writer()
    except ReplyXError as error:
        return [refused("knowledge store", error, "replyx config show")]
    if writer is None:
        return [good("knowledge store", f"{place.uri}, никто не пишет", f"{place.uri}, nobody writes")]
    return [good("knowledge store", f"{place.uri}, пишет {writer.label}", f"{place.uri}, {writer.label} writes")]


def _sharing(app: App) -> list[Finding]:
    """Whether those who run, and who stored the newest documents, have this data directory; nothing with SQLite."""
    if app.db.is_sqlite:
        return []
    folder, mend = app.config.data_dir, f"findmnt --target {app.config.data_dir}"
    if apart := ", ".join(app.beats.apart()):
        ru, en = f"{folder} не тот, что у {apart}", f"{folder} is not the one of {apart}"
        return [fault("shared directory", ru, en, mend)]
    missing, looked_for = app.knowledge.missing_files()
    if missing:
        ru = f"в {folder} нет файлов новейших документов: {missing} из {looked_for}"
        en = f"files of the newest documents are not in {folder}: {missing} of {looked_for}"
        return [fault("shared directory", ru, en, mend)]
    return [good("shared directory", f"{folder}: один на всех", f"{folder}: one for all")]


def _queue(app: App) -> Finding:
    try:
        depth, oldest = app.census.waiting_replies()
    except ReplyXError as error:
        return refused("queue", error)
    ru, en = f"ждут ответа: {depth}", f"answers owed: {depth}"
    if depth and oldest > _LATE_SECONDS:
        mend = "replyx up" if app.config.is_embedded else "replyx worker"
        return fault("queue", f"{ru}, дольше всех {oldest:.0f} с", f"{en}, the oldest for {oldest:.0f} s", mend)
    return good("queue", ru, en)


def _processes(app: App) -> Finding:
    beats = app.beats.list()
    silent = [beat.name for beat in beats if not beat.alive]
    alive = sorted({beat.role for beat in beats if beat.alive})
    if not alive:
        mend = "replyx up" if app.config.is_embedded else "systemctl start replyx.target"
        return warning("processes", "ничего не запущено", "nothing runs", mend)
    roles = ", ".join(alive)
    if older := sorted({str((beat.detail or {}).get("version", "?")) for beat in beats if beat.alive} - {__version__}):
        names = ", ".join(older)
        ru, en = f"{roles}; работает ещё программа {names}", f"{roles}; the program {names} still runs"
        return warning("processes", ru, en, "replyx upgrade")
    if silent:
        names = ", ".join(silent)
        return warning(
            "processes", f"{roles}; молчат: {names}", f"{roles}; silent: {names}", "journalctl -u 'replyx-*'"
        )
    return good("processes", roles, roles)
