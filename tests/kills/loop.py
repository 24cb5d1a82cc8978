"""The loop over all points: what a clean life passes is written down, then each point of it acts once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from replyx.app import open_app
from replyx.config.loading import load_config
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from tests.kills.life import Roles, Shop, make_shop, surroundings
from tests.kills.nursery import Nursery
from tests.kills.switch import Act, Plan
from tests.support.desk import MODEL
from tests.support.programs import wait_until

#: Seconds that the fake model thinks: longer than a third of a lease, so that renewing is a point, too.
_THINKS = 0.5

#: What is done again and again as long as the model thinks.
_BY_THE_CLOCK = {f"{kind} dialogs/leases.py:_renew_one" for kind in ("commit", "statement")}

#: How the n-th call of the model fails, as the others do.
MODEL_FAILURES: dict[Act, Scenario] = {
    "error": Scenario(status=500),
    "timeout": Scenario(silent=True),
    "lost": Scenario(text="Ответ, от которого дойдёт половина.", cut_after=300),
}


@dataclass
class Loop:
    """One installation, and what its messages live through."""

    shop: Shop
    folder: Path

    def points(self, command: str) -> list[str]:
        """The points that a clean life passes in this role, in the order in which they are first passed.

        Of what is done by the clock, and not for the message, the first time is enough.
        """
        notes = self.folder / f"{command}.points"
        notes.unlink(missing_ok=True)
        self.shop.roles.tend()
        self.shop.roles.start(command, Plan(notes))
        wait_until(lambda: notes.exists() and "beat#2" in notes.read_text(), 10, "the role gave no sign of life")
        idle = {_place(point) for point in notes.read_text().splitlines()} | _BY_THE_CLOCK
        self.shop.live()
        self.shop.roles.end(command)
        reached = dict.fromkeys(notes.read_text().splitlines())
        return [point for point in reached if point.endswith("#1") or _place(point) not in idle]

    def act(self, command: str, point: str, act: Act) -> bool:
        """Live a life in which `point` acts in this role; False: it was not passed. Fails where a rule is broken.

        On a busy machine the process may have given up before the message came, and a clean one has it: once more.
        """
        notes = self.folder / "acted"
        notes.unlink(missing_ok=True)
        for _ in range(2):
            self.shop.roles.start(command, Plan(notes, point, act))
            self.shop.live()
            if notes.exists():
                return True
        return False

    def fail_model(self, act: Act, times: int) -> bool:
        """Live one life in which the model's first calls fail."""
        if "REPLYX_ANSWERS__FIRST_BYTE_SECONDS" not in self.shop.roles.environment:
            self.shop.roles.environment["REPLYX_ANSWERS__FIRST_BYTE_SECONDS"] = "1"
            self.shop.roles.end_all()
        self.shop.roles.tend()
        self.shop.desk.llm.script(*[MODEL_FAILURES[act]] * times)
        self.shop.live()
        return True


@contextmanager
def open_loop(
    folder: Path, nursery: Nursery, commands: tuple[str, ...], database: str, redis: str, thinks: float = _THINKS
) -> Iterator[Loop]:
    """An installation in `folder` on a migrated database; its processes are dead when the block ends.

    The model `thinks` for so many seconds before each answer.
    """
    environment = surroundings(folder, database, redis)
    empty = folder / "replyx.toml"
    empty.touch()
    app = open_app(load_config(empty, environment))
    roles = Roles(nursery, environment, commands)
    try:
        with FakeLLM(Scenario(text="Ответ.", delay=thinks), models=[MODEL]) as llm:
            yield Loop(make_shop(app, llm, roles), folder)
    finally:
        roles.end_all()
        app.close()


def _place(point: str) -> str:
    return point.rpartition("#")[0]
