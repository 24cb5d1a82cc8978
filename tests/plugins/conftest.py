"""Fixtures of the plugins' tests: the same running ReplyX that the server's tests use."""

from __future__ import annotations

from tests.edges.conftest import both, build, house

__all__ = ["both", "build", "house"]
