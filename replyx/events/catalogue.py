"""Every kind of news, by name, and what a payload of it holds."""

from __future__ import annotations

#: Events of a dialog's sequence: stored, numbered by `seq`, replayed after `resume`.
NEW_MESSAGE = "new_message"
HANDOFF_REQUESTED = "handoff_requested"
HANDOFF_STARTED = "handoff_started"
HANDOFF_RELEASED = "handoff_released"
READ = "read"
#: `{"message_id", "state", "reason"}`: a message did not reach its customer (`failed`), or nobody knows (`maybe_sent`).
DELIVERY_CHANGED = "delivery_changed"
#: `{"message_id", "rating"}`: the customer found an answer good (1) or bad (-1).
MESSAGE_RATED = "message_rated"

#: Passing news of a dialog: never stored, no `seq`.
MESSAGE_DELTA = "message_delta"
AI_TYPING = "ai_typing"
USER_TYPING = "user_typing"
OPERATOR_TYPING = "operator_typing"


#: Topic of one dialog's news. Payloads are the JSON objects that sockets send.
def dialog_topic(dialog_id: int) -> str:
    return f"dialog:{dialog_id}"


#: Topic of what senders to Telegram have to look at: `{"kind": "delivery" | "desk" | "reply_owed" | "draft",
#: "assistant_id", "dialog_id"}`, of the last two also `reply_id`, `chat_id`, `thread_id`, of a draft its `text` so far.
TELEGRAM = "telegram"

#: Topic of what every process must hear at once: `{"kind": "token_revoked", "jti"}`,
#: `{"kind": "session_extended", "jti", "until"}` (seconds since 1970; whoever misses it closes sockets too early),
#: `{"kind": "user_revoked", "user_id"}`, `{"kind": "assistant_changed", "assistant_id"}`,
#: `{"kind": "dialog_deleted", "dialog_id"}`, `{"kind": "bot_changed", "assistant_id", "state"}`.
CONTROL = "control"

#: Topic of updates that Telegram has sent: `{"assistant_id"}`; whoever runs the bot looks into the inbox.
TELEGRAM_UPDATES = "telegram_updates"

#: Topic that says that something is to be sent to a dialog of a plugin's channel: `{"dialog_id"}`.
CHANNELS = "channels"

#: The kind of what the bus itself tells the `CONTROL` listeners of its process: it was away, look into the record.
BUS_RESUMED = "bus_resumed"
