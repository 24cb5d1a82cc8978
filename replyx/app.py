"""The composition root: what the configuration chooses is wired here, and nowhere else.

`open_app` opens the database and builds the services; nothing runs until a process role (server, worker, bots, the
command line) starts it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from replyx.accounts.accounts import Accounts
from replyx.accounts.api_keys import ApiKeys
from replyx.accounts.sealed import Sealed
from replyx.accounts.telegram_links import TelegramLinks
from replyx.accounts.tokens import Tokens
from replyx.assistants.assistants import Assistants
from replyx.assistants.bots import Bots
from replyx.billing.ledger import Ledger
from replyx.billing.payment_checks import PaymentChecks
from replyx.billing.registration import Registration
from replyx.billing.top_ups import TopUps
from replyx.billing.verification import Verification
from replyx.clock import Clock, SystemClock
from replyx.config.settings import Config
from replyx.dialogs.answering import Answering
from replyx.dialogs.arrivals import Arrivals
from replyx.dialogs.attachments import Attachments
from replyx.dialogs.bot_states import BotStates
from replyx.dialogs.census import Census
from replyx.dialogs.channels import Conversations
from replyx.dialogs.chats import Chats
from replyx.dialogs.completions import Completions
from replyx.dialogs.deliveries import Deliveries
from replyx.dialogs.dialogs import Dialogs
from replyx.dialogs.drafting import Drafting
from replyx.dialogs.evaluation import Evaluation
from replyx.dialogs.gaps import Gaps
from replyx.dialogs.handoff import Handoffs
from replyx.dialogs.inbox import Inbox
from replyx.dialogs.postbox import Postbox
from replyx.dialogs.sessions import Sessions
from replyx.dialogs.taking import Taking
from replyx.dialogs.tenant import Tenants
from replyx.dialogs.topics import Topics
from replyx.dialogs.updates import Updates
from replyx.dialogs.writing import Writing
from replyx.errors import ConfigError
from replyx.events.bus import Bus
from replyx.events.figures import Figures
from replyx.events.idempotency import IdempotencyKeys
from replyx.events.memory import MemoryBus
from replyx.events.outbox import Outbox
from replyx.events.spans import Spans
from replyx.events.stream import AnswerStream
from replyx.knowledge.knowledge import Knowledge
from replyx.llm.ai_tokens import AiTokens
from replyx.llm.engines import Engines
from replyx.plugins.finding import load_plugins
from replyx.plugins.host import Host
from replyx.security.limits import Limiter, MemoryLimiter, RedisLimiter
from replyx.security.master_key import load_master_keys
from replyx.security.secretbox import SecretBox
from replyx.storage.database import Database
from replyx.storage.schema import migrate, require_durability, require_schema
from replyx.tasks.beats import Beats
from replyx.tasks.broker import Broker, DramatiqQueue, make_broker
from replyx.tasks.queue import TaskQueue
from replyx.tasks.signs import Signs

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class App:
    """Every service of one process."""

    config: Config
    clock: Clock
    db: Database
    bus: Bus
    broker: Broker
    queue: TaskQueue
    limiter: Limiter
    beats: Beats
    tokens: Tokens
    outbox: Outbox
    accounts: Accounts
    ledger: Ledger
    verification: Verification
    registration: Registration
    top_ups: TopUps
    payment_checks: PaymentChecks
    ai_tokens: AiTokens
    engines: Engines
    assistants: Assistants
    bots: Bots
    bot_states: BotStates
    knowledge: Knowledge
    dialogs: Dialogs
    sessions: Sessions
    arrivals: Arrivals
    attachments: Attachments
    updates: Updates
    taking: Taking
    inbox: Inbox
    conversations: Conversations
    handoffs: Handoffs
    answering: Answering
    evaluation: Evaluation
    deliveries: Deliveries
    topics: Topics
    chats: Chats
    telegram_links: TelegramLinks
    gaps: Gaps
    census: Census
    figures: Figures
    spans: Spans
    tenants: Tenants
    plugins: Host
    idempotency: IdempotencyKeys
    sealed: Sealed
    api_keys: ApiKeys
    completions: Completions
    _limiter: Any = None
    _slow_limiter: Any = None

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a service's method in a thread, from an asynchronous edge: the one bridge between the two worlds.

        At most as many run at once as the database has connections; the rest wait.
        """
        import anyio
        import anyio.to_thread

        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.db.pool_size)
        bound = partial(function, *args, **kwargs)
        return await cast("Awaitable[T]", anyio.to_thread.run_sync(self._connected(bound), limiter=self._limiter))

    async def call_slowly(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call` for what takes seconds, such as a model: it holds no connection, and has a limit of its own."""
        import anyio
        import anyio.to_thread

        if self._slow_limiter is None:
            self._slow_limiter = anyio.CapacityLimiter(self.config.answers.threads)
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._slow_limiter)

    def close(self) -> None:
        """Give everything back; the app cannot be used afterwards."""
        self.plugins.close()
        self.answering.close()
        self.spans.close()
        self.idempotency.close()
        self.engines.close()
        self.knowledge.close()
        self.bus.close()
        self.broker.close()
        self.db.close()

    def _connected(self, bound: Callable[[], T]) -> Callable[[], T]:
        def run() -> T:
            with self.db.connection():
                return bound()

        return run


def open_database(config: Config) -> Database:
    """The database alone, unchecked: for commands that make or mend it."""
    require_data_dir(config)
    return Database(config.database_url, pool=config.database.pool, timeout=config.database.timeout)


def open_app(config: Config, *, clock: Clock | None = None, migrate_embedded: bool = True) -> App:
    """Open the database, check that it fits, and build every service.

    SQLite is migrated at once, as there is nobody else to do it; PostgreSQL is migrated by `replyx db migrate`.

    Raises:
        ConfigError: a setting or the data directory cannot be used. DatabaseUnavailable: no connection.
        SchemaTooNew, SchemaOutdated: the database does not fit this program.
    """
    time = clock or SystemClock()
    db = open_database(config)
    if db.is_sqlite and migrate_embedded:
        migrate(db)
    require_schema(db)
    require_durability(db)
    app = _wired(config, time, db, load_plugins(config, time), load_master_keys(config))
    app.plugins.open_channels(app.conversations.door)
    return app


def _wired(config: Config, time: Clock, db: Database, plugins: Host, keys: tuple[bytes, ...]) -> App:
    bus, spans, beats = _bus(config), Spans(config), Beats(db, time, _signs(config, db))
    queue, tokens = DramatiqQueue(broker := make_broker(config)), Tokens(db, bus, time, *keys)
    box, outbox = SecretBox(*keys, refresh=lambda: load_master_keys(config)), Outbox(db, bus)
    accounts, ledger = Accounts(db, bus, time, tokens, config, box), Ledger(db, time, config)
    ai_tokens, knowledge = AiTokens(db, time, box, config.zone), Knowledge(db, bus, time, queue, config, plugins)
    engines, stream, figures = Engines(config, ai_tokens, time, plugins.engines), AnswerStream(bus, time), Figures()
    writing = Writing(db, outbox, queue, ledger, time, plugins, Postbox(db, bus))
    handoffs, top_ups = Handoffs(db, outbox, writing, time), TopUps(db, ledger, time, config, plugins)
    assistants = Assistants(db, bus, time, box, config, engines.check_model, engines.default_model)
    sessions, inbox = Sessions(db, tokens, time, config), Inbox(db, writing, handoffs, config, knowledge.expect)
    return App(
        config=config,
        clock=time,
        db=db,
        bus=bus,
        broker=broker,
        queue=queue,
        limiter=RedisLimiter(config.redis.url, time) if config.redis.url else MemoryLimiter(time),
        beats=beats,
        tokens=tokens,
        outbox=outbox,
        accounts=accounts,
        ledger=ledger,
        verification=(checks := Verification(db, accounts, ledger, tokens, config, time)),
        registration=Registration(db, accounts, ledger, checks, config),
        top_ups=top_ups,
        payment_checks=PaymentChecks(db, top_ups, time, config, plugins),
        ai_tokens=ai_tokens,
        engines=engines,
        assistants=assistants,
        bots=(bots := Bots(db, box, bus, time, config)),
        bot_states=BotStates(db, bots, beats),
        knowledge=knowledge,
        dialogs=(dialogs := Dialogs(db, bus, outbox, writing, time)),
        sessions=sessions,
        arrivals=(arrivals := Arrivals(db, sessions)),
        attachments=Attachments(db, time, config, plugins),
        updates=(updates := Updates(db, bus)),
        taking=Taking(db, arrivals, inbox, updates),
        inbox=inbox,
        conversations=Conversations(db, assistants, sessions, inbox),
        handoffs=handoffs,
        completions=Completions(db, drafting := Drafting(knowledge, engines, config), ledger, time, config, spans),
        answering=Answering(db, bus, stream, queue, writing, handoffs, drafting, ledger, time, config, figures, spans),
        evaluation=Evaluation(db, knowledge, engines),
        deliveries=Deliveries(db, outbox, writing, time, config),
        topics=Topics(db, outbox, time),
        chats=Chats(db, outbox, writing.postbox, time),
        telegram_links=TelegramLinks(db, time),
        gaps=Gaps(db, time, knowledge),
        census=Census(db, time),
        figures=figures,
        spans=spans,
        tenants=Tenants(db, accounts, ledger, assistants, knowledge, dialogs),
        plugins=plugins,
        idempotency=IdempotencyKeys(db, box),
        sealed=Sealed(db, time, config),
        api_keys=ApiKeys(db, time),
    )


def _signs(config: Config, db: Database) -> Signs | None:
    """SQLite lies in the data directory itself: whoever has the one has the other."""
    return None if db.is_sqlite else Signs(config.data_dir)


def _bus(config: Config) -> Bus:
    if not config.redis.url:
        return MemoryBus()
    from replyx.events.redis_bus import RedisBus

    return RedisBus(config.redis.url)


def require_data_dir(config: Config) -> None:
    """Make the data directory where there is none, and see that it can be written to.

    Raises:
        ConfigError: it cannot.
    """
    folder = config.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Of no other process that starts in the same moment: one file for all was gone before the second removed it.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"В каталог данных {folder} не записать: {error.strerror}. Задайте другой: --data-dir",
            f"The data directory {folder} cannot be written to: {error.strerror}. Give another: --data-dir",
        ) from error
