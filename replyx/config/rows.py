"""One row of the table of settings, as the documents, the loader and the commands see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Setting:
    """One row of the table, for the docs, the loader and `replyx config show`."""

    section: str
    key: str
    type: Any
    default: Any
    sentence: str
    secret: bool
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def environment(self) -> str:
        return f"REPLYX_{self.section}__{self.key}".upper().replace(".", "_")


@dataclass(frozen=True)
class Given:
    """A plugin's value as it was found, before its type is known. `is_text` where it came from the environment."""

    value: Any
    where: str
    is_text: bool


def rows_of(section: str, cls: type[Any]) -> Iterator[Setting]:
    """The rows that a dataclass of `setting(…)` fields declares."""
    hints, defaults = get_type_hints(cls), cls()
    for f in fields(cls):
        yield _row(section, f, hints[f.name], getattr(defaults, f.name))


def _row(section: str, f: Field[Any], kind: Any, default: Any) -> Setting:
    meta = f.metadata
    return Setting(
        section, f.name, kind, default, meta["sentence"], meta["secret"], meta["low"], meta["high"], meta["choices"]
    )
