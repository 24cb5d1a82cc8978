"""The one class that a plugin derives from: every hook is a method that does nothing until it is overridden."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from replyx.clock import Clock
from replyx.llm.engine import Engine
from replyx.plugins.channels import Channel
from replyx.plugins.payments import PaymentProvider
from replyx.plugins.uploads import TextExtractor, Transcriber, UploadScanner
from replyx.types import Json


@dataclass(frozen=True)
class MessageNews:
    """A message that was stored for good: the dialog, its assistant, and the message as the API shows it."""

    dialog_id: int
    assistant_id: int
    message: Json


@dataclass(frozen=True)
class PluginRequest:
    """A request to a plugin's route. Names of headers are in lower case; `user_id` is None where anyone may call."""

    method: str
    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    peer_ip: str
    user_id: int | None
    language: str


@dataclass(frozen=True)
class PluginAnswer:
    """What a plugin's route answers: JSON, or bytes of `content_type`."""

    body: Any
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PluginRoute:
    """One method of `/api/plugins/NAME/PATH`; `path` has no parameters. `permission` says who may call it."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    permission: Literal["anyone", "user", "admin"]
    handler: Callable[[PluginRequest], PluginAnswer]
    summary: str


@dataclass(frozen=True)
class PluginCommand:
    """A command: `replyx plugins run NAME COMMAND [ARGUMENT]…`. What `run` returns is printed."""

    name: str
    summary: str
    run: Callable[[Sequence[str]], str | None]


class Plugin:
    """A plugin. It is made once in each process, when the settings are known; making it opens nothing.

    A plugin that raises is logged under its name and passed over. What each hook is for stands in docs/plugins.md.
    """

    #: A frozen dataclass of `replyx.config.settings.setting` rows: the section `[plugin.NAME]`. None: no settings.
    settings_type: ClassVar[type[Any] | None] = None

    def __init__(self, settings: Any, clock: Clock) -> None:
        """`settings` is an instance of `settings_type`, checked."""
        self.settings, self.clock = settings, clock

    def payment_providers(self) -> Sequence[PaymentProvider]:
        """Ways to top a balance up. Asked once, when the plugin is loaded; empty where it is not configured."""
        return ()

    def upload_scanners(self) -> Sequence[UploadScanner]:
        """Scanners of uploaded files. Asked once."""
        return ()

    def text_extractors(self) -> Sequence[TextExtractor]:
        """Readers of further formats of documents. Asked once."""
        return ()

    def transcribers(self) -> Sequence[Transcriber]:
        """Who writes down what is said in voice messages. Asked once."""
        return ()

    def engines(self) -> Mapping[str, Engine]:
        """Engines by the name of their model; assistants name one as `plugin/PLUGIN/MODEL`. Asked once."""
        return {}

    def channels(self) -> Sequence[Channel]:
        """Ways to speak with customers. Asked once."""
        return ()

    def routes(self) -> Sequence[PluginRoute]:
        """Routes under `/api/plugins/NAME/`. Asked once."""
        return ()

    def cli_commands(self) -> Sequence[PluginCommand]:
        """Commands for `replyx plugins run NAME`. Asked once."""
        return ()

    def message_received(self, news: MessageNews) -> None:
        """A customer's message was stored. Called after the commit, on the plugin's own thread."""

    def answer_ready(self, news: MessageNews) -> None:
        """An assistant's message was stored. Called after the commit, on the plugin's own thread."""
