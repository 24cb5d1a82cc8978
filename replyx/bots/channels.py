"""Threads of plugins' channels: one that brings messages in, one that sends what is owed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

from replyx.app import App
from replyx.dialogs.channels import Conversation
from replyx.errors import ReplyXError
from replyx.events.catalogue import CHANNELS
from replyx.plugins.channels import Channel, Outgoing, Undeliverable

logger = logging.getLogger(__name__)

#: Seconds between two looks for what is to be sent; a hint comes sooner.
_LOOK_SECONDS = 1.0

#: Seconds that one message may take.
_SEND_SECONDS = 30.0

#: Sendings that never ended before a channel is not used any more.
_MOST_STUCK = 3

#: Longest pause before a channel that failed listens again, in seconds.
_LONGEST_PAUSE = 60.0

#: Seconds that a channel has to end.
_END_SECONDS = 2.0


class ChannelThreads:
    """Every channel of this process's plugins, until `stop`."""

    def __init__(self, app: App, stop: threading.Event) -> None:
        self._app, self._stop = app, stop
        if app.plugins.channels and app.config.is_embedded and app.db.is_sqlite:
            app.conversations.take_back()
        self._threads: list[threading.Thread] = []
        self._subscription = app.bus.subscribe(CHANNELS, lambda _news: self._wake_all())
        self._wakes: list[threading.Event] = []
        for name, (plugin, channel) in app.plugins.channels.items():
            sender = Sender(app, plugin, name, channel)
            self._wakes.append(sender.wake)
            self._start(f"channel-{name}-in", partial(self._listen, plugin, channel))
            self._start(f"channel-{name}-out", partial(sender.run, stop))

    def join(self) -> None:
        """Wait a moment for the end; a channel that does not end is left behind."""
        self._subscription.close()
        self._wake_all()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake.set()

    def _listen(self, plugin: str, channel: Channel) -> None:
        pause = 1.0
        while not self._stop.is_set():
            try:
                channel.listen(self._stop)
            except Exception:
                logger.exception("a plugin's channel failed at listening", extra={"plugin": plugin})
                self._stop.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                return


class Sender:
    """Sends what is owed to one channel's conversations."""

    def __init__(self, app: App, plugin: str, name: str, channel: Channel, send_seconds: float = _SEND_SECONDS) -> None:
        self._conversations, self._plugin, self._name, self._channel = app.conversations, plugin, name, channel
        self._seconds = send_seconds
        self._stuck = 0
        self._is_failing = False
        #: Set when there may be something to send.
        self.wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop`."""
        while self._goes_on(stop):
            try:
                self.turn(stop)
                self._is_failing = False
            except ReplyXError:
                if not self._is_failing:
                    logger.exception("a channel's messages cannot be read; it is tried again", extra=self._extra)
                self._is_failing = True
            self.wake.wait(_LOOK_SECONDS)
            self.wake.clear()
        if self._stuck >= _MOST_STUCK:
            logger.error("a plugin's channel is stuck and sends nothing until the restart", extra=self._extra)

    def turn(self, stop: threading.Event) -> None:
        """Send all that is due."""
        while self._goes_on(stop) and (taken := self._conversations.take(self._name)):
            for conversation in taken:
                self._send_all(conversation, stop)

    def _goes_on(self, stop: threading.Event) -> bool:
        return not stop.is_set() and self._stuck < _MOST_STUCK

    @property
    def _extra(self) -> dict[str, str]:
        return {"plugin": self._plugin, "channel": self._name}

    def _send_all(self, conversation: Conversation, stop: threading.Event) -> None:
        while waiting := self._conversations.next_outgoing(conversation):
            for outgoing in waiting:
                if not self._goes_on(stop):
                    self._conversations.release(conversation)
                    return
                if not self._send(outgoing):
                    self._conversations.postpone(conversation)
                    return
                self._conversations.delivered(conversation, outgoing.seq)
        self._conversations.release(conversation)

    def _send(self, outgoing: Outgoing) -> bool:
        """Whether the message is done with: sent, or never to be sent."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._deliver, args=(outgoing, done), name=f"channel-{self._name}-send", daemon=True
        )
        thread.start()
        thread.join(self._seconds)
        if thread.is_alive():
            self._stuck += 1
            logger.error("a plugin's channel does not come back from sending", extra=self._about(outgoing))
        return done.is_set()

    def _deliver(self, outgoing: Outgoing, done: threading.Event) -> None:
        try:
            self._channel.deliver(outgoing)
            done.set()
        except Undeliverable:
            logger.exception("a message cannot be delivered and is passed over", extra=self._about(outgoing))
            done.set()
        except Exception:
            logger.exception("a plugin's channel failed at sending; it is tried again", extra=self._about(outgoing))

    def _about(self, outgoing: Outgoing) -> dict[str, str | int]:
        return {**self._extra, "dialog_id": outgoing.dialog_id, "seq": outgoing.seq}
