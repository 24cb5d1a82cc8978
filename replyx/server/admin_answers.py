"""What administration and the probes answer, as models beside those of `answers.py`."""

from __future__ import annotations

from typing import Any, Literal

from replyx.server.answers import Answer, Moment, Roubles


class ListedUser(Answer):
    id: int
    email: str
    first_name: str
    last_name: str
    is_admin: bool
    balance: Roubles
    total_spent: Roubles
    assistants_count: int
    dialogs_count: int
    created_at: Moment
    last_login_at: Moment | None
    role: Literal["owner", "operator", "admin"]
    is_active: bool


class Users(Answer):
    users: list[ListedUser]
    total: int


class FullUser(ListedUser):
    welcome_bonus: Roubles
    plan: str
    onboarding_completed: bool
    owner_id: int | None


class AiToken(Answer):
    id: int
    name: str
    #: Masked.
    token: str
    model_access: list[str]
    daily_limit: int
    monthly_limit: int
    daily_usage: int
    monthly_usage: int
    priority: int
    is_active: bool
    created_at: Moment
    base_url: str
    notes: str
    disabled_reason: str
    cooling_until: Moment | None


class AuditEvent(Answer):
    id: int
    created_at: Moment
    user_id: int | None
    peer: str
    action: str
    object: str
    outcome: Literal["ok", "refused"]
    details: dict[str, Any]


class AuditEvents(Answer):
    events: list[AuditEvent]
    total: int


class Check(Answer):
    name: str
    ok: bool
    detail: str


class Readiness(Answer):
    status: Literal["ready", "not_ready"]
    checks: list[Check]


class Database(Answer):
    connected: bool
    pool_size: int
    active_connections: int


class Redis(Answer):
    connected: bool
    memory_usage: str
    mode: Literal["embedded", "redis"]


class BotManager(Answer):
    active_bots: int
    total_processes: int
    uptime: str


class DiskUsage(Answer):
    uploads: str
    logs: str
    available: str


class Health(Answer):
    status: Literal["healthy", "degraded", "unhealthy"]
    database: Database
    redis: Redis
    bot_manager: BotManager
    disk_usage: DiskUsage
    workers: list[dict[str, Any]]
    queue: dict[str, float]
    models: list[dict[str, str]]
    knowledge: dict[str, Any]
    checks: list[Check]
