"""Progress bars on standard error, for people who wait at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from replyx.cli.language import choose

if TYPE_CHECKING:
    from replyx.knowledge.views import IngestProgress

#: Stages of reading a document, as people are told.
_STAGES = {
    "reading": ("чтение", "reading"),
    "embedding": ("векторы", "embedding"),
    "indexing": ("индекс", "indexing"),
    "done": ("готово", "done"),
}


class Bars:
    """One bar a file. Where there is no terminal, nothing is shown."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress

    def start(self, name: str) -> Callable[[IngestProgress], None] | None:
        """A bar for `name`, and what moves it; None where nothing is shown."""
        if self._progress is None:
            return None
        task = self._progress.add_task(name, total=None, detail="")
        start = time.monotonic()

        def move(at: IngestProgress) -> None:
            done, total = (at.chunks_done, at.chunks) if at.chunks else (at.pages_done, at.pages)
            rate = done / max(time.monotonic() - start, 0.001)
            stage = choose(*_STAGES.get(at.stage, (at.stage, at.stage)))
            unit = choose("фрагм.", "chunks") if at.chunks else choose("стр.", "pages")
            second = choose("с", "s")
            detail = f"{stage} {done}/{total} {unit} · {rate:.0f}/{second}" if total else stage
            if at.chunks and at.pages:
                detail += f" · {at.pages} {choose('стр.', 'pages')}"
            if at.stage == "done":
                done = total = max(total, 1)
            self._progress.update(task, completed=done, total=total or None, detail=detail)

        return move

    def count(self, name: str) -> Callable[[int, int], None] | None:
        """A bar for `name` that is moved by (bytes done, of); None where nothing is shown."""
        if self._progress is None:
            return None
        task = self._progress.add_task(name, total=None, detail="")
        start, begun = time.monotonic(), -1

        def move(done: int, total: int) -> None:
            nonlocal begun
            # What an earlier try had fetched is no speed of this one.
            begun = done if begun < 0 else begun
            rate = (done - begun) / max(time.monotonic() - start, 0.001)
            left = f" · {_duration((total - done) / rate)}" if rate and total > done else ""
            detail = f"{done / 1e6:.0f}/{total / 1e6:.0f} MB · {rate / 1e6:.1f} MB/s{left}"
            self._progress.update(task, completed=done, total=total or None, detail=detail)

        return move

    def finish(self) -> None:
        """Leave no bar that still moves."""
        if self._progress is not None:
            for task in self._progress.tasks:
                if task.total is None:
                    self._progress.update(task.id, total=1, completed=1)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


@contextmanager
def bars(*, shown: bool) -> Iterator[Bars]:
    """Bars for the length of the block, if they are wanted and somebody is there to see them."""
    if not shown or not sys.stderr.isatty():
        yield Bars(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        made = Bars(progress)
        yield made
        made.finish()
