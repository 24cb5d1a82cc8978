"""The table of assistants."""

from __future__ import annotations

import peewee

from replyx.storage.accounts import User
from replyx.storage.database import Table
from replyx.storage.fields import IdField, JsonField, MomentField, SealedField


class Assistant(Table):
    """What a company set up: prompt, model, channels, price. `price` is kopecks a message, None: the default."""

    id = IdField()
    user_id: int
    user = peewee.ForeignKeyField(User, backref="assistants", on_delete="CASCADE")
    name = peewee.CharField(100)
    description = peewee.TextField(default="")
    system_prompt = peewee.TextField(default="")
    ai_model = peewee.CharField(100)
    is_active = peewee.BooleanField(default=True)
    #: Sealed; its hash keeps one bot from being connected twice.
    telegram_token = SealedField(null=True)
    telegram_token_masked = peewee.CharField(40, null=True)
    telegram_token_hash = peewee.CharField(64, null=True, unique=True)
    telegram_bot_username = peewee.CharField(64, null=True)
    website_integration = peewee.BooleanField(default=False)
    allowed_domains = JsonField()
    #: Public by nature: it stands in the HTML of the company's site and opens only the widget's routes.
    site_token = peewee.CharField(64, null=True, unique=True)
    #: None: the list in the settings.
    handoff_keywords = JsonField(null=True)
    not_found_text = peewee.TextField(null=True)
    unavailable_text = peewee.TextField(null=True)
    welcome_text = peewee.TextField(null=True)
    price = peewee.BigIntegerField(null=True)
    #: Least score of the best passage that is answered from; None: the embedder's calibrated one.
    answer_threshold = peewee.FloatField(null=True)
    #: Goes up with every change of what the assistant knows: a process sees by it that its copy is old.
    knowledge_revision = peewee.BigIntegerField(default=0)
    created_at = MomentField()
    #: Kopecks by channel and, under `per_1000_tokens`, by model; None: the flat price everywhere.
    prices = JsonField(null=True)
    #: Kopecks that its answers may cost in a day; None: no bound.
    daily_cap = peewee.BigIntegerField(null=True)
    #: The bot's own way to Telegram; None: `bots.api_base` and `bots.proxy`. A proxy may hold a password: sealed.
    telegram_api_base = peewee.CharField(300, null=True)
    telegram_proxy = SealedField(null=True)
    telegram_proxy_masked = peewee.CharField(300, null=True)
    #: The operators' group with topics; None: nobody works in Telegram.
    telegram_group_id = peewee.BigIntegerField(null=True)
    #: Least score of what the customer is asked back about; None: `knowledge.clarify_threshold`.
    clarify_threshold = peewee.FloatField(null=True)
    #: Whether the bot's own way was set by whoever runs the appliance: then it may lead inside.
    telegram_api_base_trusted = peewee.BooleanField(default=False, constraints=[peewee.SQL("DEFAULT FALSE")])
    telegram_proxy_trusted = peewee.BooleanField(default=False, constraints=[peewee.SQL("DEFAULT FALSE")])

    class Meta:
        table_name = "assistants"
