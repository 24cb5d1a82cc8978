"""`replyx models`: what assistants may use, and the local model files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replyx.cli.commands import group
from replyx.cli.flags import AsJson, Yes

if TYPE_CHECKING:
    from replyx.llm.engines import Engines

app = group("Models that assistants may use, and the local model files.")

WhichModel = Annotated[
    str, typer.Argument(metavar="MODEL", help="As `replyx models list` shows it.", show_default=False)
]

_TEST_QUESTION = "Say OK."


@app.command("list")
def list_models(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List every name that an assistant's model may have."""
    from replyx.cli.language import choose
    from replyx.cli.output import print_json, print_table

    with ctx.obj.app() as services:
        engines = services.engines
        default = engines.default_model()
        rows = [
            {
                "name": name,
                "engine": str(engines.engine_of(name)),
                "default": name == default,
                "bytes": _bytes(engines, name),
                "path": _path(engines, name),
            }
            for name in engines.models()
        ]
    if as_json:
        print_json(rows)
        return
    columns = choose("модель,движок,по умолчанию,МБ,файл", "model,engine,default,MB,file")
    print_table(
        columns.split(","), [(r["name"], r["engine"], r["default"], _megabytes(r["bytes"]), r["path"]) for r in rows]
    )


@app.command()
def add(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A GGUF file.", show_default=False, readable=False)],
    name: Annotated[str | None, typer.Option(help="Its name; else the file's.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a GGUF file into the data directory; assistants then use `local/NAME`."""
    from replyx.cli.output import print_json, say
    from replyx.cli.progress import bars
    from replyx.llm.shelf import PREFIX

    with ctx.obj.app() as services, bars(shown=not as_json) as shown:
        added = PREFIX + services.engines.shelf.add(file, name, told=shown.count(file.name))
    if as_json:
        print_json({"name": added})
    else:
        say(
            f"Добавлена: {added}. Попробуйте: replyx models test {added}",
            f"Added: {added}. Try it: replyx models test {added}",
        )


@app.command()
def pull(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="https://…/NAME.gguf, or hf:OWNER/REPO/FILE.gguf.", show_default=False),
    ],
    name: Annotated[str | None, typer.Option(help="Its name; else the file's.", show_default=False)] = None,
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="The file's checksum.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Load a GGUF file; what broke off goes on at the next try."""
    from replyx.cli.output import print_json, say
    from replyx.cli.progress import bars
    from replyx.llm.shelf import PREFIX

    with ctx.obj.app() as services, bars(shown=not as_json) as shown:
        told = shown.count(source.rpartition("/")[2])
        added = PREFIX + services.engines.shelf.pull(source, name, sha256=sha256, told=told)
    if as_json:
        print_json({"name": added})
    else:
        say(
            f"Загружена: {added}. Попробуйте: replyx models test {added}",
            f"Loaded: {added}. Try it: replyx models test {added}",
        )


@app.command()
def serve(
    ctx: typer.Context,
    model: WhichModel,
    slots: Annotated[int, typer.Option(min=1, max=64, help="Answers at a time.")] = 4,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
) -> None:
    """Run llama.cpp's own server with parallel slots, as one more key of the pool, until it is ended."""
    from replyx.cli.serving_models import serve_model

    with ctx.obj.app() as services:
        serve_model(services, model, slots=slots, port=port)


@app.command()
def remove(ctx: typer.Context, model: WhichModel, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a local model's file from the data directory."""
    from replyx.cli.asking import require_consent
    from replyx.cli.output import print_json, say

    with ctx.obj.app() as services:
        path = services.engines.shelf.path(model)
        require_consent(f"Удалить {path}?", f"Delete {path}?", yes=yes)
        services.engines.shelf.remove(model)
    if as_json:
        print_json({"name": model, "path": str(path)})
    else:
        say(f"Удалена: {model}", f"Deleted: {model}")


@app.command("test")
def try_out(ctx: typer.Context, model: WhichModel, as_json: AsJson = False) -> None:
    """Let a model answer one tiny question; exit code 1 where it cannot."""
    from time import monotonic

    from replyx.cli.exits import ExitCode
    from replyx.cli.output import print_json, say
    from replyx.errors import EngineFailed
    from replyx.llm.engine import EngineRequest, Passage

    with ctx.obj.app() as services:
        services.engines.check_model(model)
        request = EngineRequest(model, "", _TEST_QUESTION, (Passage("OK", 1.0),), language="en", max_tokens=16)
        start = monotonic()
        try:
            text, reason = "".join(services.engines.stream(request, lambda: False)), ""
        except EngineFailed as error:
            text, reason = "", str(error)
        seconds = monotonic() - start
    if as_json:
        print_json({"ok": not reason, "model": model, "text": text, "seconds": round(seconds, 3), "reason": reason})
    elif reason:
        say(f"{model}: не ответила: {reason}", f"{model}: no answer: {reason}")
    else:
        # One line, whatever a small model makes of it.
        text = " ".join(text.split())
        say(f"{model}: «{text}» за {seconds:.1f} с", f"{model}: '{text}' in {seconds:.1f} s")
    if reason:
        raise typer.Exit(ExitCode.EXIT_FAILED)


def _bytes(engines: Engines, name: str) -> int | None:
    path = _path(engines, name)
    return Path(path).stat().st_size if path else None


def _megabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e6:,.0f}"


def _path(engines: Engines, name: str) -> str | None:
    from replyx.llm.shelf import PREFIX

    return str(engines.shelf.path(name)) if name.startswith(PREFIX) else None
