"""Fixtures of the machines: those of the domain."""

from tests.domain.conftest import desk, llm

__all__ = ["desk", "llm"]
