"""Work that is done again and again for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


async def repeat(pause: Callable[[], float], work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` after each `pause()` seconds, until cancelled; what it fails with is logged."""
    while True:
        await asyncio.sleep(pause())
        try:
            await work()
        except Exception:
            logger.exception("work that repeats failed; it is tried again")
