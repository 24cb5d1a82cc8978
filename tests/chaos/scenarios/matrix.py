"""The whole matrix: importing it enters every scenario, and what tests elsewhere show."""

from __future__ import annotations

from tests.chaos.scenarios import clients, elsewhere, knowledge, models, network, people, processes, resources
from tests.chaos.scenarios.table import entries

__all__ = [
    "clients",
    "elsewhere",
    "entries",
    "knowledge",
    "models",
    "network",
    "people",
    "processes",
    "resources",
]
