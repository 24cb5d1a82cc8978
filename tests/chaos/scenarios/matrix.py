"""The whole matrix: importing it enters every scenario, and what tests elsewhere show."""

from __future__ import annotations

from tests.chaos.scenarios import (
    clients,
    disks,
    elsewhere,
    knowledge,
    models,
    network,
    people,
    processes,
    resources,
    soak,
)
from tests.chaos.scenarios.table import entries

__all__ = [
    "clients",
    "disks",
    "elsewhere",
    "entries",
    "knowledge",
    "models",
    "network",
    "people",
    "processes",
    "resources",
    "soak",
]
