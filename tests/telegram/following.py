"""How soon a running manager does as the database says: the longest of each kind of change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from replyx.config.loading import load_config
from replyx.testing.proxy_server import FakeProxy
from replyx.testing.telegram_server import FakeTelegram
from tests.support.managers import Live, live
from tests.telegram.incoming import until


def following(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds from the begin of a change of an assistant until the manager has done it; the longest of the rounds."""
    settings = folder / "replyx.toml"
    settings.touch()
    longest: dict[str, float] = {}
    with FakeTelegram() as telegram, FakeTelegram() as elsewhere, FakeProxy() as proxy:
        environment = {
            "REPLYX_DATA_DIR": str(folder),
            "REPLYX_BOTS__API_BASE": telegram.base_url,
            "REPLYX_OUTGOING__ALLOW": "127.0.0.0/8",
        }
        with live(load_config(settings, environment), telegram, answers=False) as running:
            for _ in range(rounds):
                for change, seconds in _round(running, elsewhere, proxy).items():
                    longest[change] = max(longest.get(change, 0.0), seconds)
    return longest


def _round(running: Live, elsewhere: FakeTelegram, proxy: FakeProxy) -> dict[str, float]:
    """One assistant's life."""
    telegram, owner, assistants = running.telegram, running.desk.owner, running.app.assistants
    bot, other = telegram.add_bot(), telegram.add_bot()
    abroad = elsewhere.add_bot(other.token, other.username)
    took: dict[str, float] = {}

    def timed(change: str, act: Callable[[], object], is_done: Callable[[], object]) -> None:
        begin = time.monotonic()
        act()
        until(is_done, 60, f"the manager does not follow: {change}")
        took[change] = time.monotonic() - begin

    def change(**fields: object) -> Callable[[], object]:
        return lambda: assistants.update(owner, one, fields)

    timed("created", lambda: running.connect(bot), lambda: telegram.is_polled(bot))
    one = assistants.list_for(owner)[0][0].id
    timed("another token", change(telegram_bot_token=other.token), lambda: telegram.is_polled(other))
    timed("another server", change(telegram_api_base=elsewhere.base_url), lambda: elsewhere.is_polled(abroad))
    through = change(telegram_proxy=f"socks5://127.0.0.1:{proxy.port}")
    before = len(proxy.targets)
    timed("a proxy", through, lambda: len(proxy.targets) > before and elsewhere.is_polled(abroad))
    timed("off", change(is_active=False), lambda: not elsewhere.is_polled(abroad))
    timed("on", change(is_active=True), lambda: elsewhere.is_polled(abroad))
    timed("deleted", lambda: assistants.delete(owner, one), lambda: not elsewhere.is_polled(abroad))
    return took
