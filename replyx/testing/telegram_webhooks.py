"""Webhooks of the fake Bot API: updates are posted in their order, and again until they are taken."""

from __future__ import annotations

import asyncio
import threading

import httpx2

from replyx.testing.telegram_bots import FakeBot

#: Seconds after the first refused delivery; the real server waits longer each time, too.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


async def deliver(bot: FakeBot, lock: threading.RLock) -> None:
    """Post what is in the queue until it is empty or the webhook is gone."""
    pause = _FIRST_PAUSE
    async with httpx2.AsyncClient(verify=False, timeout=10.0, trust_env=False) as client:
        while True:
            with lock:
                hook = bot.webhook
                if hook is None or not bot.updates:
                    return
                update = bot.updates[0]
            headers = {"X-Telegram-Bot-Api-Secret-Token": hook.secret} if hook.secret else {}
            try:
                answer = await client.post(hook.url, json=update, headers=headers)
                problem = "" if answer.is_success else f"Wrong response from the webhook: {answer.status_code}"
            except httpx2.HTTPError as error:
                problem = f"Connection failed: {type(error).__name__}"
            hook.last_error = problem
            if problem:
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            pause = _FIRST_PAUSE
            with lock:
                if bot.webhook is hook and bot.updates and bot.updates[0] is update:
                    bot.posted()
