"""The host of plugins: loads them, asks what they offer, and keeps their faults from everything else."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from replyx.clock import Clock
from replyx.config.plugin_sections import PLUGIN_NAME
from replyx.config.settings import Config
from replyx.errors import ReplyXError, ServiceUnavailable
from replyx.llm.engine import PLUGIN_PREFIX, Engine
from replyx.plugins.channels import Channel, ChannelDoor
from replyx.plugins.engines import PluginEngine
from replyx.plugins.hooks import MessageNews, Plugin, PluginCommand, PluginRoute
from replyx.plugins.news import Listener
from replyx.plugins.payments import PaymentProvider
from replyx.plugins.uploads import ScannerUnavailable, TextExtractor, Transcriber, UploadScanner

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: The name of a model of a plugin.
_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,48}[A-Za-z0-9])?")

#: Characters of a channel's name.
_LONGEST_CHANNEL = 40

_ROUTE = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+)*")


class PluginCrashed(ServiceUnavailable):
    """A plugin raised what it must not; the log has the reason."""

    ru, en = "Плагин дал сбой: см. журнал. Повторите позже.", "A plugin failed: see the log. Try again later."


@dataclass(frozen=True)
class Offers:
    """What one plugin said it can do, asked once."""

    payment_providers: tuple[PaymentProvider, ...] = ()
    upload_scanners: tuple[UploadScanner, ...] = ()
    text_extractors: tuple[TextExtractor, ...] = ()
    transcribers: tuple[Transcriber, ...] = ()
    #: By the name of the model, without the plugin's.
    engines: Mapping[str, Engine] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    routes: tuple[PluginRoute, ...] = ()
    cli_commands: tuple[PluginCommand, ...] = ()
    #: Names of the hooks for news that it overrides.
    news: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plugin: Plugin) -> Offers:
        """Ask a plugin. What it raises is not caught."""
        routes = tuple(plugin.routes())
        for route in routes:
            if not _ROUTE.fullmatch(route.path):
                raise ValueError(f"the route {route.path!r} is not made of small letters, digits, -, _ and /")
        engines, channels = dict(plugin.engines()), tuple(plugin.channels())
        for name in engines:
            if not _MODEL.fullmatch(name):
                raise ValueError(f"the model {name!r} is not made of letters, digits, and . _ - / in between")
        for channel in channels:
            if not PLUGIN_NAME.fullmatch(channel.name) or len(channel.name) > _LONGEST_CHANNEL:
                raise ValueError(f"the channel {channel.name!r} is not made of small letters, digits and single _")
        return cls(
            payment_providers=tuple(plugin.payment_providers()),
            upload_scanners=tuple(plugin.upload_scanners()),
            text_extractors=tuple(plugin.text_extractors()),
            transcribers=tuple(plugin.transcribers()),
            engines=engines,
            channels=channels,
            routes=routes,
            cli_commands=tuple(plugin.cli_commands()),
            news=frozenset(
                name
                for name in ("message_received", "answer_ready")
                if getattr(type(plugin), name) is not getattr(Plugin, name)
            ),
        )

    def names(self) -> list[str]:
        """The hooks that offer something, for lists."""
        hooks = (
            *("payment_providers", "upload_scanners", "text_extractors", "transcribers", "engines", "channels"),
            *("routes", "cli_commands"),
        )
        return [*(hook for hook in hooks if getattr(self, hook)), *sorted(self.news)]


@dataclass(frozen=True)
class Known:
    """A plugin that was found: where, and what became of it. `instance` is None where it is disabled or failed."""

    name: str
    #: `bundled`, `data` or `installed`.
    source: str
    where: str
    instance: Plugin | None = None
    offers: Offers = field(default_factory=Offers)
    settings_type: type[Any] | None = None
    is_disabled: bool = False
    #: Why it is not loaded; empty where it is.
    fault: str = ""

    @property
    def state(self) -> str:
        if self.instance is not None:
            return "loaded"
        return "disabled" if self.is_disabled else "failed"

    def failed(self, error: BaseException) -> Known:
        """The same without an instance."""
        return replace(self, instance=None, offers=Offers(), fault=f"{type(error).__name__}: {error}"[:300])


class Host:
    """The plugins of this process."""

    def __init__(self, known: Sequence[Known] = (), clock: Clock | None = None, config: Config | None = None) -> None:
        """`known` as `replyx.plugins.finding` has found them; without any, every hook is a no."""
        self.known = tuple(known)
        self._loaded = [one for one in self.known if one.instance is not None]
        order = config.billing.payment_providers if config is not None else []
        offered = {p.name: p for one in self._loaded for p in one.offers.payment_providers}
        ordered = [*(name for name in order if name in offered), *(name for name in offered if name not in order)]
        #: Name → provider, in the order in which they are asked for a payment method.
        self.payment_providers: Mapping[str, PaymentProvider] = MappingProxyType({n: offered[n] for n in ordered})
        self.text_extractors = tuple(e for one in self._loaded for e in one.offers.text_extractors)
        silence = config.answers.first_byte_seconds if config is not None else 0.0
        #: `plugin/PLUGIN/MODEL` → its engine, guarded.
        self.engines: Mapping[str, Engine] = MappingProxyType(
            {
                f"{PLUGIN_PREFIX}{one.name}/{model}": PluginEngine(one.name, model, engine, silence)
                for one in self._loaded
                for model, engine in one.offers.engines.items()
            }
        )
        #: Channel's name → the plugin's, and the channel; the first of a name is taken.
        self.channels: Mapping[str, tuple[str, Channel]] = MappingProxyType(
            {c.name: (one.name, c) for one in reversed(self._loaded) for c in reversed(one.offers.channels)}
        )
        #: Plugin's name and transcriber.
        self.transcribers = tuple((one.name, t) for one in self._loaded for t in one.offers.transcribers)
        self._scanners = [(one.name, s) for one in self._loaded for s in one.offers.upload_scanners]
        self._listeners = {one.name: Listener(one.name, clock) for one in self._loaded if one.offers.news and clock}

    @property
    def routes(self) -> list[tuple[str, PluginRoute]]:
        """Plugin's name and route, of all that are offered."""
        return [(one.name, route) for one in self._loaded for route in one.offers.routes]

    def commands(self, plugin: str) -> tuple[PluginCommand, ...]:
        """Commands of a loaded plugin; none where there is none of that name."""
        return next((one.offers.cli_commands for one in self._loaded if one.name == plugin), ())

    def call(self, plugin: str, work: Callable[[], T]) -> T:
        """Let a plugin work.

        Raises:
            PluginCrashed: it raised something that no user can be told. Errors of ours pass.
        """
        try:
            return work()
        except ReplyXError:
            raise
        except Exception as error:
            logger.exception("a plugin failed", extra={"plugin": plugin})
            raise PluginCrashed from error

    def open_channels(self, door_of: Callable[[str], ChannelDoor]) -> None:
        """Give each channel its door; one that fails at it is left out."""
        opened = {}
        for name, (plugin, channel) in self.channels.items():
            try:
                channel.open(door_of(name))
            except Exception:
                logger.exception("a plugin failed at opening its channel", extra={"plugin": plugin, "channel": name})
            else:
                opened[name] = plugin, channel
        self.channels = MappingProxyType(opened)

    def scan(self, file: Path) -> str | None:
        """What the first scanner that finds something says of the file; None where all found nothing.

        Raises:
            ScannerUnavailable: one of them cannot tell now, and none of the others found anything.
        """
        late: ScannerUnavailable | None = None
        for plugin, scanner in self._scanners:
            try:
                found = scanner.scan(file)
            except ScannerUnavailable as error:
                logger.warning("a file could not be scanned", extra={"plugin": plugin, "reason": str(error)})
                late = error
            except Exception as error:
                logger.exception("a plugin failed at scanning", extra={"plugin": plugin})
                late = ScannerUnavailable(type(error).__name__)
            else:
                if found:
                    return found
        if late is not None:
            raise late
        return None

    def transcribe(self, file: Path, content_type: str, language: str) -> str | None:
        """What is said in the file, by the first transcriber that makes words out; None where none does."""
        for plugin, transcriber in self.transcribers:
            try:
                words = transcriber.transcribe(file, content_type, language)
            except Exception:
                logger.exception("a plugin failed at transcribing", extra={"plugin": plugin})
            else:
                if words and words.strip():
                    return words.strip()
        return None

    def message_received(self, news: MessageNews) -> None:
        """Tell plugins of a customer's message; returns at once."""
        self._tell("message_received", news)

    def answer_ready(self, news: MessageNews) -> None:
        """Tell plugins of an assistant's message; returns at once."""
        self._tell("answer_ready", news)

    def close(self) -> None:
        """Tell plugins nothing any more."""
        for listener in self._listeners.values():
            listener.close()

    def _tell(self, hook: str, news: MessageNews) -> None:
        for one in self._loaded:
            if hook in one.offers.news and one.name in self._listeners:
                self._listeners[one.name].tell(partial(getattr(one.instance, hook), news))
