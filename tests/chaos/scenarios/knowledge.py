"""Faults of the knowledge: its index is deleted or overwritten while customers ask."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import httpx2

from tests.chaos.checker.record import query
from tests.chaos.checker.recovery import answered, spread
from tests.chaos.load.librarian import librarians
from tests.chaos.load.widget import visitors
from tests.chaos.scenarios.table import Asked, Finding, scenario
from tests.chaos.scenarios.trial import STUCK, Trial, trial
from tests.support.programs import wait_until


@scenario(
    "F38",
    "the index of the knowledge is deleted, then overwritten",
    "answers go on; a rebuilt index has each chunk once",
    "domain/test_knowledge_search.py::test_a_deleted_index_stops_no_answer_and_comes_back_by_itself",
    "domain/test_knowledge_search.py::test_a_broken_index_stops_no_answer_and_comes_back_by_itself",
    "domain/test_knowledge_search.py::test_a_rebuilt_index_gives_equal_results",
)
def index_broken(asked: Asked) -> Finding:
    dice = random.Random(asked.seed)
    with trial(asked, "F38", kinds=[visitors("anna", 10), librarians("boris", pause=1)]) as made:
        _teach(made, 5)
        folder = Path(made.machine.box.environment["REPLYX_DATA_DIR"]) / "knowledge"
        for number in range(asked.times * 2):
            made.strike("index")
            _delete(folder) if number % 2 else _overwrite(folder, dice)
            made.recover()
        _wait_until_read(made)
        made.machine.cli("knowledge", "rebuild")
    waits = [end - since for since, end in answered(made.story)]
    made.finding.expect("wait for an answer, p95", round(spread(waits)[0], 1), 10)
    made.finding.expect("longest", round(max(waits), 1), 30)
    return made.finding


def _teach(made: Trial, documents: int) -> None:
    """Give Anna's assistant something to know, so that every question looks into the index."""
    anna = made.people["anna"]
    with httpx2.Client(base_url=made.machine.url, timeout=30, trust_env=False) as client:
        for number in range(documents):
            words = "\n\n".join(f"Абзац {n} книги {number}: доставка в среду, гарантия {n} лет." for n in range(40))
            answer = client.post(
                "/api/documents/upload",
                data={"assistant_id": str(anna.assistant_id)},
                files={"file": (f"book-{number}.txt", words.encode())},
                headers={"Authorization": f"Bearer {anna.token}"},
            )
            answer.raise_for_status()
    _wait_until_read(made)


def _wait_until_read(made: Trial) -> None:
    """Wait for the documents that are there now: the load goes on to hand in others."""
    unread = _unread(made)

    def is_none_left() -> bool:
        unread.intersection_update(_unread(made))
        return not unread

    wait_until(is_none_left, STUCK, "documents are not read")


def _unread(made: Trial) -> set[int]:
    rows = query(made.machine.database_url, "SELECT id FROM documents WHERE status = 'processing'")
    return {row["id"] for row in rows}


def _delete(folder: Path) -> None:
    # A writer may add a file at this moment.
    shutil.rmtree(folder, ignore_errors=True)


def _overwrite(folder: Path, dice: random.Random) -> None:
    """Noise in the middle of some of its files."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 200]
    for file in dice.sample(files, min(4, len(files))):
        with file.open("r+b") as opened:
            opened.seek(100)
            opened.write(dice.randbytes(64))
