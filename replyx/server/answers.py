"""What every route answers, as models: the API's description is made from them, and tests hold the answers to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: A moment in UTC, such as 2025-09-01T12:00:00Z.
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]

#: Roubles, two digits.
Roubles = float

HandoffStatus = Literal["none", "requested", "active", "released"]


class Answer(BaseModel):
    """An object with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Status(Answer):
    status: Literal["ok"]


class FreeObject(BaseModel):
    """An object whose fields are described elsewhere."""


class ShortUser(Answer):
    id: int
    email: str
    is_admin: bool
    #: Not for operators.
    balance: Roubles = 0


class LoggedIn(Answer):
    access_token: str
    token_type: Literal["bearer"]
    user: ShortUser


class Ticket(Answer):
    ticket: str
    expires_in: int


class User(Answer):
    id: int
    email: str
    first_name: str
    last_name: str
    is_admin: bool
    balance: Roubles = 0
    welcome_bonus: Roubles = 0
    plan: str = ""
    onboarding_completed: bool
    created_at: Moment
    role: Literal["owner", "operator", "admin"]
    totp_enabled: bool
    #: Whether the address was confirmed; the welcome bonus waits for it where the server sends letters.
    email_verified: bool


class TotpSecret(Answer):
    secret: str
    otpauth_uri: str


class TelegramCode(Answer):
    #: Sent to the bot as `/link CODE`.
    code: str
    minutes: int


class TotpState(Answer):
    totp_enabled: bool


class Assistant(Answer):
    id: int
    name: str
    description: str
    system_prompt: str
    ai_model: str
    is_active: bool
    #: Masked.
    telegram_bot_token: str | None
    telegram_bot_username: str | None
    website_integration: bool
    allowed_domains: list[str]
    created_at: Moment
    site_token: str | None
    handoff_keywords: list[str] | None
    not_found_text: str | None
    unavailable_text: str | None
    welcome_text: str | None
    price: Roubles | None
    prices: dict[str, Any] | None
    daily_cap: Roubles | None
    answer_threshold: float | None
    clarify_threshold: float | None
    #: The operators' group in Telegram.
    telegram_group_id: int | None
    #: The bot's own way to Telegram; null: the appliance's.
    telegram_api_base: str | None
    #: Its password masked.
    telegram_proxy: str | None


class Embed(Answer):
    html: str
    script_url: str
    site_token: str


class DialogHead(Answer):
    id: int
    assistant_id: int
    platform: Literal["telegram", "website", "api"]
    telegram_chat_id: str | None
    telegram_username: str | None
    first_name: str | None
    last_name: str | None
    status: Literal["active", "archived"]
    handoff_status: HandoffStatus
    is_taken_over: bool
    created_at: Moment


class ListedDialog(DialogHead):
    last_message: str | None
    last_message_time: Moment | None


class Dialogs(Answer):
    dialogs: list[ListedDialog]
    total: int
    has_more: bool


class Dialog(DialogHead):
    assistant_name: str
    handoff_reason: str | None
    handoff_requested_at: Moment | None
    handoff_note: str | None
    taken_over_by: int | None
    operator_name: str | None
    last_seq: int


class Source(Answer):
    document_id: int | None
    filename: str | None
    page: int | None
    heading: str | None
    quote: str
    score: float
    url: str | None
    #: Of a prepared answer.
    qa_id: int = 0


class Delivery(Answer):
    state: Literal["new", "sending", "sent", "failed", "maybe_sent"]
    #: Why it was not sent, or not yet.
    error: str | None
    #: Whether the customer may have got it twice, or not at all.
    in_doubt: bool


class AttachedFile(Answer):
    id: int
    kind: Literal["photo", "voice", "video_note", "document", "video", "audio"]
    filename: str
    content_type: str
    size: int


class Message(Answer):
    id: int
    sender: Literal["user", "assistant", "operator"]
    text: str
    created_at: Moment
    seq: int
    #: Of an operator's message.
    operator_name: str | None = None
    client_msg_id: str = ""
    #: These four of an assistant's.
    sources: list[Source] = []
    engine: Literal["remote", "local", "extractive", "qa", "plugin"] | None = None
    reply_id: int | None = None
    outcome: Literal["answered", "not_found", "unavailable"] | None = None
    #: What the customer thinks of an answer: 1 or -1.
    rating: int = 0
    #: Of what goes out by Telegram.
    delivery: Delivery | None = None
    #: Files that a customer sent with it.
    attachments: list[AttachedFile] = []


class Messages(Answer):
    messages: list[Message]


class TracedPassage(Answer):
    document_id: int | None
    chunk_id: int | None
    qa_id: int | None
    filename: str | None
    page: int | None
    score: float


class FailedEngine(Answer):
    model: str
    reason: str


class AnswerTrace(Answer):
    message_id: int
    seq: int
    reply_id: int
    created_at: Moment
    #: Under which the log and the spans know it; an answer of an older ReplyX has none.
    trace_id: str = ""
    model: str
    engine: Literal["remote", "local", "plugin", "extractive", "qa"]
    outcome: Literal["answered", "not_found", "unavailable"]
    #: Masked.
    key: str | None
    ai_token_id: int | None
    prompt_tokens: int
    completion_tokens: int
    instructions_cut: bool
    failures: list[FailedEngine]
    passages: list[TracedPassage]
    price: Roubles
    attempt: int
    #: From the question to the stored answer, waiting in the queue included.
    seconds: float
    milliseconds: dict[str, float]


class AnswerTraces(Answer):
    traces: list[AnswerTrace]


class ExportedDialog(Dialog):
    messages: list[Message]


class Event(BaseModel):
    """A frame as sockets send it; what else it has depends on `type`."""

    type: Literal[
        "new_message",
        "handoff_requested",
        "handoff_started",
        "handoff_released",
        "read",
        "delivery_changed",
        "message_rated",
    ]
    dialog_id: int
    seq: int
    timestamp: Moment


class Events(Answer):
    events: list[Event]
    last_seq: int


class WidgetMessages(Messages):
    last_seq: int


class WidgetSession(Answer):
    dialog_key: str
    visitor_token: str
    dialog_id: int
    socket_url: str
    messages: list[Message]
    last_seq: int
    assistant_name: str
    welcome_text: str | None
    handoff_status: HandoffStatus
    operator_name: str | None


class DocumentError(Answer):
    code: str
    message: str


class Document(Answer):
    id: int
    filename: str
    size: int
    content_type: str
    status: Literal["processing", "completed", "failed"]
    chunks_count: int
    pages: int
    error: DocumentError | None
    assistant_id: int
    created_at: Moment
    url: str | None
    replaces: int | None
    scanned_pages: list[int]


class Qa(Answer):
    id: int
    assistant_id: int
    question: str
    answer: str
    tags: list[str]
    created_at: Moment


class Passage(Answer):
    text: str
    score: float
    document_id: int | None
    filename: str | None
    page: int | None
    heading: str | None
    qa_id: int | None


class Found(Answer):
    results: list[Passage]
    answerable: bool


class Balance(Answer):
    balance: Roubles
    welcome_bonus: Roubles
    total_spent: Roubles
    pending_transactions: int
    currency: Literal["RUB"]
    low_balance: bool


class Transaction(Answer):
    id: int
    type: Literal["debit", "credit"]
    amount: Roubles
    description: str
    service_type: str = ""
    details: dict[str, Any] = {}
    created_at: Moment


class Transactions(Answer):
    transactions: list[Transaction]
    total: int


class Payment(Answer):
    payment_id: int
    status: str
    confirmation_url: str | None
    provider: str
    amount: Roubles
    currency: Literal["RUB"]
    created_at: Moment
    #: How to pay where there is no page to go to.
    instructions: str = ""


class PaymentRecord(Payment):
    user_id: int
    refunded: Roubles


class Payments(Answer):
    payments: list[PaymentRecord]
    total: int


class Received(Answer):
    received: bool
