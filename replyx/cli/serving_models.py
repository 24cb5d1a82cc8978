"""llama.cpp's own server in this process, and its key in the pool for as long as it runs."""

from __future__ import annotations

import secrets
import signal
import threading
from typing import TYPE_CHECKING, Any

from replyx.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from replyx.app import App


def serve_model(services: App, model: str, *, slots: int, port: int) -> None:
    """Serve a local model until a signal; its key is on meanwhile, and off afterwards.

    Raises:
        NotFound: there is no such model. ConfigError: the library is missing, or the server does not start.
        EngineFailed: memory will not do.
    """
    from replyx.cli.output import hint
    from replyx.llm.cores import usable_cores
    from replyx.llm.memory import context_for
    from replyx.llm.shelf import PREFIX

    name = model.removeprefix(PREFIX)
    path = services.engines.shelf.path(name)
    context = slots * context_for(path, services.config.models.context_tokens, slots=slots)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    secret = f"sk-{secrets.token_urlsafe(24)}"
    server = _start(
        str(path),
        name,
        secret,
        slots=slots,
        context=context,
        port=port,
        threads=services.config.models.threads or usable_cores(),
    )
    key = _key(services, name, secret, f"{server.listening_address}/v1")
    try:
        hint(
            f"Модель {name} отвечает в {slots} потока; ключ пула: {key}. Укажите ассистенту ai_model = {name}.",
            f"{name} answers {slots} at a time; its key in the pool: {key}. Give an assistant ai_model = {name}.",
        )
        print(f"ready {server.listening_address}", flush=True)  # noqa: T201 - the line that scripts wait for
        while not ended.wait(0.5):
            pass
    finally:
        services.ai_tokens.set_active(key, active=False)


def _start(path: str, name: str, secret: str, *, slots: int, context: int, port: int, threads: int) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigError(
            'Нет сервера llama.cpp. Выполните: pip install "replyx[serve]"',
            'llama.cpp\'s server is missing. Run: pip install "replyx[serve]"',
        ) from error
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = path, {name}
    params.n_parallel, params.n_ctx, params.port = slots, context, port
    params.api_keys, params.ui, params.verbosity = [secret], False, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"Сервер не запустился: {error}", f"The server did not start: {error}") from error


def _key(services: App, model: str, secret: str, base_url: str) -> int:
    """The number of the pool's key for the server; the key of an earlier run is used again."""
    name = f"llama.cpp {model}"
    try:
        known = services.ai_tokens.get(name)
    except NotFound:
        return services.ai_tokens.add(name, secret, model_access=[model], base_url=base_url).id
    return services.ai_tokens.update(known.id, token=secret, base_url=base_url, is_active=True).id
