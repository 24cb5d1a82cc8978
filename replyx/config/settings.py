"""The table of settings: every name, type, default and sentence, in one place.

A section is a frozen dataclass, a setting is one of its fields. `docs/configuration.md`, `replyx config show`, the
environment names (`REPLYX_SECTION__KEY`) and the checks all come from this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from replyx.config.rows import Given, Setting, rows_of


def zone_of(name: str) -> tzinfo:
    """The time zone of that name. UTC needs no time zone data on the machine.

    Raises:
        ValueError: there is none.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(name) from error


def setting(
    default: Any,
    sentence: str,
    *,
    secret: bool = False,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """One row of the table: its default, what it means, and what values are allowed."""
    meta = {"sentence": sentence, "secret": secret, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class ServerSettings:
    host: str = setting("127.0.0.1", "Address the server listens on.")
    port: int = setting(8000, "Port the server listens on; 0 takes a free one.", low=0, high=65535)
    public_url: str = setting(
        "", "How people reach the appliance, as in `https://help.example.com`; empty: host and port."
    )
    trusted_proxies: list[str] = setting([], "Addresses of proxies whose X-Forwarded-For is believed.")
    max_body_bytes: int = setting(1_048_576, "Largest JSON body, in bytes.", low=1024)
    docs: bool = setting(True, "Serve /docs and /openapi.json.")


@dataclass(frozen=True)
class DatabaseSettings:
    url: str = setting(
        "",
        "`sqlite:///PATH` or `postgresql://user:password@host/name`; empty: SQLite in the data directory.",
        secret=True,
    )
    pool: int = setting(20, "Most connections of one process.", low=2, high=500)
    timeout: float = setting(5.0, "Seconds to wait for a connection or a lock.", low=0.1)


@dataclass(frozen=True)
class RedisSettings:
    url: str = setting(
        "", "`redis://host:6379/0` for several processes; empty: everything in one process.", secret=True
    )


@dataclass(frozen=True)
class PathsSettings:
    data_dir: str = setting("./replyx-data", "Where the database, uploads, knowledge, models and secrets live.")


@dataclass(frozen=True)
class LogSettings:
    level: str = setting("info", "Least level that is logged.", choices=("debug", "info", "warning", "error"))
    format: str = setting(
        "auto", "`json`, `text`, or `auto`: text on a terminal, JSON elsewhere.", choices=("auto", "json", "text")
    )


@dataclass(frozen=True)
class SecuritySettings:
    secret_key: str = setting(
        "", "Master key, 32 bytes or more; empty: made at first start and kept in the data directory.", secret=True
    )
    access_token_minutes: int = setting(
        1440, "Life of a login token, in minutes: a session that is not refreshed for that long has ended.", low=1
    )
    session_days: int = setting(
        30, "Days after which whoever logged in has to do it again, however often the token was refreshed.", low=1
    )
    visitor_token_days: int = setting(180, "Life of a widget visitor's token, in days.", low=1)


@dataclass(frozen=True)
class LimitsSettings:
    enabled: bool = setting(True, "Whether requests are limited at all; off for load tests.")
    login_per_5_minutes: int = setting(5, "Logins of one account or address in 5 minutes.", low=1)
    uploads_per_5_minutes: int = setting(10, "Uploads of one user in 5 minutes.", low=1)
    top_ups_per_10_minutes: int = setting(3, "Top-ups of one user in 10 minutes.", low=1)
    api_per_minute: int = setting(100, "Requests of one user or address in a minute.", low=1)
    socket_messages_per_minute: int = setting(50, "Messages of one socket's owner in a minute.", low=1)
    letters_per_hour: int = setting(
        5, "Letters that one user, or registrations of one address, cause in an hour.", low=1
    )


@dataclass(frozen=True)
class AccountsSettings:
    registration: bool = setting(True, "Whether people may register themselves.")
    welcome_bonus: float = setting(
        500.0, "Roubles given to a new user, once for each e-mail; with `mail.host`, once it is confirmed.", low=0
    )
    audit_days: int = setting(365, "Days for which the audit log is kept.", low=1)


@dataclass(frozen=True)
class MailSettings:
    host: str = setting("", "Mail server that takes letters, as in `smtp.example.com`; empty: none are sent.")
    port: int = setting(587, "Its port: 587 with `starttls`, 465 with `tls`.", low=1, high=65535)
    security: str = setting(
        "starttls", "How the connection is protected; `none` on this machine only.", choices=("starttls", "tls", "none")
    )
    user: str = setting("", "Name to log in with; empty: no login.")
    password: str = setting("", "The password to it.", secret=True)
    sender: str = setting("", "Address that letters come from, as in `Shop <help@example.com>`.")
    link_hours: int = setting(48, "Hours for which the link in a letter is good.", low=1, high=720)


@dataclass(frozen=True)
class BillingSettings:
    message_price: float = setting(
        5.0, "Roubles for an answered message, where the assistant has no price of its own.", low=0
    )
    low_balance: float = setting(50.0, "Roubles below which a balance is called low.", low=0)
    time_zone: str = setting("UTC", "Where days and months of caps and of AI keys' limits turn, as in `Europe/Moscow`.")
    hold_minutes: int = setting(10, "Minutes after which a forgotten hold is released.", low=1)
    payment_providers: list[str] = setting(
        ["yookassa", "stripe", "manual"],
        "Payment plugins in the order in which they are offered a payment method; others come last.",
    )
    return_urls: list[str] = setting(
        [], "Origins that payers may be sent back to, as in `https://example.com`; `server.public_url` is always one."
    )
    least_top_up: float = setting(10.0, "Least top-up, in roubles.", low=0.01)
    most_top_up: float = setting(100_000.0, "Greatest top-up, in roubles.", low=0.01, high=10_000_000)
    payment_days: int = setting(3, "Days after which a payment that nobody paid is not waited for any more.", low=1)


@dataclass(frozen=True)
class AnswersSettings:
    threads: int = setting(16, "Answers that one worker writes at the same time.", low=1, high=64)
    lease_seconds: float = setting(
        6.0, "Seconds without a heartbeat after which another worker takes an answer over.", low=1
    )
    attempts: int = setting(5, "Tries after which an answer is given up, with an apology and a handoff.", low=1)
    timeout_seconds: float = setting(120.0, "Longest time for one answer.", low=1)
    first_byte_seconds: float = setting(20.0, "Longest silence of a remote model.", low=0.1)
    history_messages: int = setting(20, "Earlier messages that an engine is shown.", low=0)
    history_tokens: int = setting(2000, "Tokens, about, that earlier messages may take of a prompt.", low=0)
    rewrite_questions: bool = setting(True, "Whether a model makes a whole question of a follow-up that finds nothing.")
    mask_personal_data: bool = setting(
        True, "Whether cards, passports, e-mails and telephones of customers are masked before a remote model."
    )
    hide_instructions: bool = setting(
        True, "Whether rows of words of an assistant's instructions are cut from answers."
    )
    max_tokens: int = setting(1024, "Longest answer, in the model's tokens.", low=16)
    max_restarts: int = setting(5, "How often new messages may start an answer anew.", low=0)


@dataclass(frozen=True)
class HandoffSettings:
    silence_on_request: bool = setting(False, "Whether the assistant is silent from the request for a person on.")
    failed_turns: int = setting(3, "Answers in a row without a finding that call a person; 0: never.", low=0)
    keywords: list[str] = setting(
        ["оператор", "позовите человека", "живой человек", "human agent", "real person", "talk to a human"],
        "Words of a customer that call a person, where the assistant has no list of its own.",
    )


@dataclass(frozen=True)
class BotsSettings:
    api_base: str = setting(
        "https://api.telegram.org", "Where the Telegram Bot API is; a server of one's own where Telegram is blocked."
    )
    proxy: str = setting(
        "", "Proxy toward Telegram: `socks5://user:password@host:1080` or `http://host:3128`; empty: none.", secret=True
    )
    delivery: str = setting(
        "polling",
        "How updates come: `polling` works in any network, `webhook` needs `server.public_url` with https.",
        choices=("polling", "webhook"),
    )
    processes: int = setting(
        1, "Processes that `replyx bots` starts; they share the bots. `replyx up` is one process.", low=1, high=64
    )
    max_file_bytes: int = setting(20_971_520, "Largest file of a customer that is kept, in bytes.", low=0)
    max_files_per_day: int = setting(50, "Files that are kept of one chat in a day; 0: none.", low=0)
    stream: str = setting(
        "edit",
        "How Telegram shows an answer that is being written: `edit` a message once a second, or only `typing`.",
        choices=("edit", "typing"),
    )
    in_doubt: str = setting(
        "retry_once_marked",
        "A message that Telegram may have taken or not: `retry_once_marked` sends it once more with a mark, "
        "`never_retry` leaves it.",
        choices=("retry_once_marked", "never_retry"),
    )


@dataclass(frozen=True)
class KnowledgeSettings:
    uri: str = setting("", "Where LanceDB lives: a folder, or `s3://BUCKET/PREFIX`; empty: in the data directory.")
    store_endpoint: str = setting("", "Address of that S3-compatible store; empty: Amazon's.")
    store_region: str = setting("us-east-1", "Region of its bucket; many stores take any.")
    store_access_key: str = setting("", "Name of the key to it.", secret=True)
    store_secret_key: str = setting("", "The key to it.", secret=True)
    embedder: str = setting(
        "use",
        "What makes vectors: `use` (bundled, fast), `e5` (bundled, better, ten times slower), `gguf` or `api`. After a "
        "change what is known is embedded anew in the background; the old vectors answer until that is done.",
        choices=("use", "e5", "gguf", "api"),
    )
    embedder_file: str = setting("", "For `gguf`: the model's file, loaded by llama.cpp (extra `replyx[local]`).")
    embedder_url: str = setting("", "For `api`: its address up to `/embeddings`, as in `http://127.0.0.1:8080/v1`.")
    embedder_model: str = setting("", "For `api`: the model's name there.")
    embedder_key: str = setting("", "For `api`: the key, where it wants one.", secret=True)
    second: str = setting(
        "e5",
        "What is asked where the first vectors leave a doubt, once it has been made in the background: `e5` or `none`.",
        choices=("e5", "none"),
    )
    reranker_url: str = setting("", "A re-ranker's address up to `/rerank`, as in `http://127.0.0.1:8081/v1`.")
    reranker_model: str = setting("", "The re-ranker's name there.")
    reranker_key: str = setting("", "The re-ranker's key, where it wants one.", secret=True)
    max_file_bytes: int = setting(20_971_520, "Largest document, in bytes.", low=1024)
    max_pages: int = setting(2000, "Most pages of one document.", low=1)
    max_documents: int = setting(10_000, "Most documents of one tenant; 0: as many as it likes.", low=0)
    max_storage_bytes: int = setting(
        10_737_418_240, "Most bytes of all documents of one tenant together; 0: as many as it likes.", low=0
    )
    parse_seconds: float = setting(60.0, "Longest time for reading one document.", low=1)
    parse_processor_seconds: float = setting(20.0, "Most processor time for reading one document.", low=1)
    parse_memory_mb: int = setting(512, "Most memory for reading one document, in MiB.", low=128)
    compact_memory_mb: int = setting(768, "Most memory of the process that compacts the index, in MiB.", low=512)
    site_pause_seconds: float = setting(0.5, "Pause between two pages of a web site that is read.", low=0)
    passages: int = setting(6, "Passages that an engine is shown.", low=1, high=50)
    neighbour_tokens: int = setting(800, "Tokens, about, of the text around passages for a model; 0: none.", low=0)
    clarify_threshold: float = setting(
        0.2,
        "Score from which, where no answer is given, the headings of passages are named to ask back; 1: never.",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class OutgoingSettings:
    allow: list[str] = setting(
        [], "Private networks that tenants' addresses (websites, webhooks) may lead to, as in `10.1.2.0/24`."
    )


@dataclass(frozen=True)
class ModelsSettings:
    threads: int = setting(0, "Threads of the local model; 0: the cores that it may use.", low=0)
    context_tokens: int = setting(
        0, "Context of the local model, in tokens; 0: by the machine's memory, 2048 to 8192.", low=0
    )
    last_resort: str = setting(
        "auto",
        "Who answers where no AI key does: `local/NAME`, `extractive`, `none`; `auto`: a local model of the data "
        "directory where there is one, else extractive.",
    )


@dataclass(frozen=True)
class BackupSettings:
    every_hours: int = setting(24, "Hours between backups that the worker makes; 0: none.", low=0)
    keep: int = setting(7, "How many of them are kept; older ones are deleted.", low=1)
    folder: str = setting("", "A folder, best on another disk, or `s3://BUCKET/PREFIX`; empty: in the data directory.")
    endpoint: str = setting("", "Address of the S3-compatible store, as `https://s3.example.com`; empty: Amazon's.")
    region: str = setting("us-east-1", "Region of the bucket; many stores take any.")
    access_key: str = setting("", "Name of the key to the store.", secret=True)
    secret_key: str = setting("", "The key to the store.", secret=True)


@dataclass(frozen=True)
class MetricsSettings:
    token: str = setting(
        "", "What Prometheus sends as a bearer token to read `/metrics`; empty: only from this machine.", secret=True
    )


@dataclass(frozen=True)
class TelemetrySettings:
    otlp_endpoint: str = setting(
        "",
        "Where the spans of answers go, by OTLP over HTTP, as in `http://127.0.0.1:4318/v1/traces` (extra "
        "`replyx[otel]`); empty: nowhere.",
    )
    otlp_headers: str = setting("", "What is sent with them, as in `Authorization=Bearer …,X-Scope=shop`.", secret=True)


@dataclass(frozen=True)
class DemoSettings:
    enabled: bool = setting(
        True, "Whether /demo shows the first administrator's first assistant to anyone who can reach it."
    )


@dataclass(frozen=True)
class PluginsSettings:
    disabled: list[str] = setting([], "Names of plugins that are not loaded.")
    required: list[str] = setting([], "Names of plugins without which nothing starts, such as a virus scanner.")


@dataclass(frozen=True)
class Config:
    """All settings, checked. `origin` says for each `section.key` where its value came from."""

    server: ServerSettings = field(default_factory=ServerSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    paths: PathsSettings = field(default_factory=PathsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    accounts: AccountsSettings = field(default_factory=AccountsSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    billing: BillingSettings = field(default_factory=BillingSettings)
    answers: AnswersSettings = field(default_factory=AnswersSettings)
    handoff: HandoffSettings = field(default_factory=HandoffSettings)
    bots: BotsSettings = field(default_factory=BotsSettings)
    knowledge: KnowledgeSettings = field(default_factory=KnowledgeSettings)
    outgoing: OutgoingSettings = field(default_factory=OutgoingSettings)
    models: ModelsSettings = field(default_factory=ModelsSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    demo: DemoSettings = field(default_factory=DemoSettings)
    plugins: PluginsSettings = field(default_factory=PluginsSettings)
    origin: dict[str, str] = field(default_factory=dict, compare=False)
    #: The file the settings came from; None where there is none.
    path: Path | None = field(default=None, compare=False)
    #: Plugin → key → what was found of its settings; they are read when the plugin is loaded, which knows their types.
    plugin_values: dict[str, dict[str, Given]] = field(default_factory=dict, repr=False)

    @property
    def data_dir(self) -> Path:
        return Path(self.paths.data_dir).expanduser().resolve()

    @property
    def database_url(self) -> str:
        """The database's URL with the default filled in; holds the password."""
        return self.database.url or f"sqlite:///{self.data_dir / 'replyx.db'}"

    @property
    def zone(self) -> tzinfo:
        """`billing.time_zone`; its name was checked when the settings were read."""
        return zone_of(self.billing.time_zone)

    @property
    def knowledge_uri(self) -> str:
        return self.knowledge.uri or str(self.data_dir / "knowledge")

    @property
    def is_embedded(self) -> bool:
        """Everything in one process: no Redis is configured."""
        return not self.redis.url


#: Fields of `Config` that are no section of it.
_NO_SECTIONS = ("origin", "path", "plugin_values")


def sections() -> dict[str, type[Any]]:
    """Section name → its dataclass, in the order of the table."""
    hints = get_type_hints(Config)
    return {f.name: hints[f.name] for f in fields(Config) if f.name not in _NO_SECTIONS}


def all_settings() -> Iterator[Setting]:
    """Every setting, in the order of the table."""
    for section, cls in sections().items():
        yield from rows_of(section, cls)
