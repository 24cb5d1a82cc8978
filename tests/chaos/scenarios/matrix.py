"""The whole matrix: importing it enters every scenario, and what tests elsewhere show."""

from __future__ import annotations

from tests.chaos.scenarios import network, processes, resources
from tests.chaos.scenarios.table import entries

__all__ = ["entries", "network", "processes", "resources"]
