"""The `replyx` command inside this process: as fast as a function, for what needs no process of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from replyx.cli.main import run
from tests.support.processes import LEAN, Finished


class Cli:
    """Runs commands on one data directory, in English unless told otherwise."""

    def __init__(self, folder: Path, **environment: str) -> None:
        """`environment` is what every command finds, such as `REPLYX_DATABASE__URL`."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / "replyx.toml"
        settings.touch()
        self.data_dir = folder / "replyx-data"
        self._environment = {
            "REPLYX_CONFIG": str(settings),
            "REPLYX_DATA_DIR": str(self.data_dir),
            "REPLYX_LANG": "en",
            **LEAN,
            **environment,
        }

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Finished:
        """Run `replyx ARGUMENTS…` with `stdin` as its input; it has no terminal."""
        out, err = io.StringIO(), io.StringIO()
        around = _environment({**self._environment, **environment}), _logging(), _input(stdin)
        with around[0], around[1], around[2], redirect_stdout(out), redirect_stderr(err):
            code = run(arguments)
        return Finished(code, out.getvalue(), err.getvalue())

    def json(self, *arguments: str, stdin: str = "", expect: int = 0) -> Any:
        """The JSON document that `replyx ARGUMENTS… --json` prints."""
        done = self.run(*arguments, "--json", stdin=stdin)
        if done.code != expect:
            pytest.fail(f"replyx {' '.join(arguments)}: {done.code}, expected {expect}\n{done.out}\n{done.err}")
        return json.loads(done.out)

    def error(self, *arguments: str, stdin: str = "") -> tuple[int, Any]:
        """The exit code, and the error that `replyx ARGUMENTS… --json` prints."""
        done = self.run(*arguments, "--json", stdin=stdin)
        return done.code, json.loads(done.err.splitlines()[-1])["error"]


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    try:
        for name in before:
            if name.startswith("REPLYX_"):
                del os.environ[name]
        os.environ.update(values)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _logging() -> Iterator[None]:
    """A command sets logging up for its process; this one goes on after it."""
    loggers = [logging.getLogger(), logging.getLogger("replyx")]
    levels, handlers = [logger.level for logger in loggers], loggers[0].handlers[:]
    try:
        yield
    finally:
        loggers[0].handlers[:] = handlers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _input(text: str) -> Iterator[None]:
    before = sys.stdin
    sys.stdin = io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
