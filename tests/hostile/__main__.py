"""`make hostile`: the whole corpus against one service, then by upload against a running server.

Ends with 1 where a file did anything but fail or be read, or the server's event loop worked for 50 ms at a stretch.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from replyx.config.loading import load_config
from replyx.events.memory import MemoryBus
from replyx.storage.database import Database
from replyx.storage.schema import migrate
from tests.domain.library import Library
from tests.hostile.corpus import File, corpus
from tests.hostile.serving import serve_all
from tests.hostile.throwing import Elsewhere, Fate, Readers, throw_all
from tests.support.clock import MovableClock
from tests.support.processes import LEAN

#: Most memory of a reader, with what Python itself takes.
_MOST_MIB = 700

_ENDS = ("refused", "failed", "completed")


#: The longest that the server's event loop may be busy, in milliseconds.
_STALL = 50.0


def main() -> int:
    """Throw all files, twice; print what was unusual, and the figures."""
    files = list(corpus())
    is_wrong = [_alone(files), _served(files)]
    return int(any(is_wrong))


def _served(files: list[File]) -> bool:
    """Whether anything was wrong with a server that was thrown all files."""
    elsewhere = Elsewhere()
    with tempfile.TemporaryDirectory(prefix="replyx-hostile-") as folder:
        served = serve_all(files, Path(folder))
    machine = elsewhere.end()
    sys.stdout.write(f"\nby upload to a running `replyx up`, {len(files)} files\n")
    _tell(served.fates)
    sys.stdout.write(
        f"the server's event loop worked {served.hardest:.0f} ms at a stretch at most; late at worst "
        f"{served.worst:.0f} ms, over {_STALL:.0f} ms in {served.share_over(_STALL):.3%}; "
        f"the machine alone {machine.worst:.0f} ms, {machine.share_over(_STALL):.3%}; "
        f"still answers: {served.still_answers}\n"
    )
    is_odd = len(served.fates) != len(files) or any(fate.outcome not in _ENDS for fate in served.fates)
    return is_odd or not served.still_answers or served.hardest > _STALL


def _alone(files: list[File]) -> bool:
    """Whether anything was wrong with a service that was thrown all files."""
    with tempfile.TemporaryDirectory(prefix="replyx-hostile-") as folder:
        # As in the server below, without the second model: it would be at work in the background for hours.
        config = load_config(None, {"REPLYX_DATA_DIR": folder, **LEAN})
        db, bus = Database(f"sqlite:///{folder}/replyx.db", pool=5, timeout=5), MemoryBus()
        migrate(db)
        library = Library(db, bus, MovableClock(), config)
        library.teach("Слово о доставке.")
        elsewhere = Elsewhere()
        with Readers() as readers:
            fates, ours = asyncio.run(throw_all(library.knowledge, library.owner, library.assistant, files))
        machine = elsewhere.end()
        still_answers = library.knowledge.search(library.assistant, "доставка").answerable
        library.knowledge.close()
        bus.close()
        db.close()
    _tell(fates)
    sys.stdout.write(
        f"largest reader {readers.largest:.0f} MiB; loop late at worst {ours.worst:.0f} ms, "
        f"over 50 ms in {ours.share_over(50):.3%}; "
        f"the machine alone {machine.worst:.0f} ms, {machine.share_over(50):.3%}; still answers: {still_answers}\n"
    )
    odd = [fate for fate in fates if fate.outcome not in _ENDS or (fate.outcome == "failed" and not fate.reason)]
    return bool(odd) or len(fates) != len(files) or not still_answers or not 0 < readers.largest <= _MOST_MIB


def _tell(fates: list[Fate]) -> None:
    for fate in fates:
        if fate.seconds > 5 or fate.outcome not in _ENDS:
            sys.stdout.write(f"{fate.name:28} {fate.outcome:10} {fate.reason:18} {fate.seconds:5.1f} s\n")
    counted = Counter((fate.outcome, fate.reason) for fate in fates)
    for (outcome, reason), count in sorted(counted.items()):
        sys.stdout.write(f"{count:4} {outcome} {reason}\n")


if __name__ == "__main__":
    sys.exit(main())
