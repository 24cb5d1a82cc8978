"""Errors that people and programs see: one small tree, each with a stable code and two languages.

Raise the class that names the situation. The edges translate it in one place each: HTTP status and JSON in
`server/errors.py`, a socket frame in `server/ws`, an exit code and one line in `cli/output.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class FieldIssue:
    """One field that was refused: its path (`allowed_domains.0`) and what is wrong, in Russian and English."""

    field: str
    ru: str
    en: str


class ReplyXError(Exception):
    """Base of everything that a user can be told.

    `ru` and `en` are the default sentences; an instance may carry better ones. `details` must be JSON-ready and
    free of secrets.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    #: The HTTP status that the contract gives to the code.
    status: ClassVar[int] = 500
    ru: ClassVar[str] = "Внутренняя ошибка. Повторите позже."
    en: ClassVar[str] = "Internal error. Try again later."

    def __init__(
        self,
        ru: str | None = None,
        en: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message_ru = ru if ru is not None else self.ru
        self.message_en = en if en is not None else (self.en if ru is None else ru)
        self.details: dict[str, Any] = dict(details or {})
        #: Seconds after which a retry makes sense; None where unknown.
        self.retry_after = retry_after
        super().__init__(self.message_en)

    def message(self, language: str) -> str:
        """The sentence in `language`: `en`, anything else is Russian."""
        return self.message_en if language == "en" else self.message_ru

    def details_in(self, language: str) -> dict[str, Any]:
        """JSON-ready details, their sentences in `language`."""
        return self.details


class BadRequest(ReplyXError):
    code, status = "BAD_REQUEST", 400
    ru, en = "Тело запроса не разобрать: ожидается JSON-объект.", "The body cannot be read: a JSON object is expected."


class ValidationFailed(ReplyXError):
    """Fields that were refused; the first one is also shown as `field` and `issue`, as the contract has it."""

    code, status = "VALIDATION_ERROR", 422
    ru, en = "Некорректные данные", "Invalid data"

    def __init__(self, issues: Sequence[FieldIssue], ru: str | None = None, en: str | None = None) -> None:
        super().__init__(ru, en)
        self.issues = tuple(issues)
        self.details = self.details_in("ru")

    @classmethod
    def of(cls, field: str, ru: str, en: str) -> Self:
        """The common case of one refused field."""
        return cls([FieldIssue(field, ru, en)])

    def details_in(self, language: str) -> dict[str, Any]:
        rows = [{"field": i.field, "issue": i.en if language == "en" else i.ru} for i in self.issues]
        if not rows:
            return {}
        return {**rows[0], **({"errors": rows} if len(rows) > 1 else {})}


class AddressRefused(ValidationFailed):
    """A URL that may not be called: it is malformed, or leads into a private network."""

    ru, en = "Этот адрес вызвать нельзя", "This address may not be called"


class NotAuthenticated(ReplyXError):
    code, status = "NOT_AUTHENTICATED", 401
    ru, en = "Требуется вход: передайте токен.", "Not authenticated: send a token."


class InvalidCredentials(NotAuthenticated):
    code = "INVALID_CREDENTIALS"
    ru, en = "Неверный email или пароль", "Wrong e-mail or password"


class TokenExpired(NotAuthenticated):
    code = "TOKEN_EXPIRED"
    ru, en = "Срок действия токена истёк. Войдите снова.", "The token has expired. Log in again."


class InsufficientPermissions(ReplyXError):
    code, status = "INSUFFICIENT_PERMISSIONS", 403
    ru, en = "Недостаточно прав", "Insufficient permissions"


class NotFound(ReplyXError):
    code, status = "NOT_FOUND", 404
    ru, en = "Не найдено", "Not found"


class MethodNotAllowed(ReplyXError):
    code, status = "METHOD_NOT_ALLOWED", 405
    ru, en = "Метод не поддерживается для этого адреса", "The method is not allowed here"


class Conflict(ReplyXError):
    code, status = "CONFLICT", 409
    ru, en = "Конфликт с текущим состоянием", "Conflict with the current state"


class IdempotencyMismatch(ReplyXError):
    code, status = "IDEMPOTENCY_MISMATCH", 422
    ru, en = "Этот Idempotency-Key уже использован с другим телом", "This Idempotency-Key was used with another body"


class RateLimited(ReplyXError):
    code, status = "RATE_LIMITED", 429
    ru, en = "Слишком много запросов. Повторите позже.", "Too many requests. Try again later."


class ServiceUnavailable(ReplyXError):
    code, status = "SERVICE_UNAVAILABLE", 503
    ru, en = "Сервис временно недоступен. Повторите позже.", "The service is unavailable for now. Try again later."


class InsufficientBalance(ReplyXError):
    code, status = "INSUFFICIENT_BALANCE", 402
    ru, en = "Недостаточно средств. Пополните баланс.", "Insufficient balance. Top it up."


class InvalidAmount(ReplyXError):
    code, status = "INVALID_AMOUNT", 422
    ru, en = "Некорректная сумма", "Invalid amount"


class PaymentFailed(ReplyXError):
    """The payment's provider refused it."""

    code, status = "PAYMENT_FAILED", 402
    ru, en = "Платёж отклонён платёжной системой", "The payment provider refused the payment"


class PaymentProviderDown(ReplyXError):
    """The payment's provider cannot be reached, or answers nothing that can be used."""

    code, status = "PAYMENT_FAILED", 502
    ru, en = (
        "Платёжная система не отвечает. Повторите позже.",
        "The payment provider does not answer. Try again later.",
    )


class FetchFailed(ReplyXError):
    """Another site could not be read, or gave no whole answer in time."""

    code, status = "FETCH_FAILED", 502
    ru, en = "Адрес не отвечает. Проверьте его и повторите.", "The address does not answer. Check it and try again."


class VirusDetected(ReplyXError):
    code, status = "VIRUS_DETECTED", 422
    ru, en = "В файле обнаружен вирус. Файл не принят.", "A virus was found in the file. It was not accepted."


class FileTooLarge(ReplyXError):
    code, status = "FILE_TOO_LARGE", 413
    ru, en = "Файл превышает лимит", "The file is over the limit"


class UnsupportedFormat(ReplyXError):
    code, status = "UNSUPPORTED_FORMAT", 415
    ru, en = "Неподдерживаемый формат файла", "Unsupported file format"


class UploadQuotaExceeded(ReplyXError):
    code, status = "UPLOAD_QUOTA_EXCEEDED", 429
    ru, en = "Превышена квота загрузок", "The upload quota is exceeded"


class InvalidTelegramToken(ReplyXError):
    code, status = "INVALID_TELEGRAM_TOKEN", 422
    ru, en = (
        "Некорректный токен Telegram. Скопируйте его у @BotFather целиком: 123456789:ABC…",
        "Invalid Telegram token. Copy it whole from @BotFather: 123456789:ABC…",
    )


class BotAlreadyExists(ReplyXError):
    code, status = "BOT_ALREADY_EXISTS", 409
    ru, en = "Бот с таким токеном уже существует", "A bot with this token already exists"


class BotStartupFailed(ReplyXError):
    """A bot does not run: Telegram cannot be reached, or refuses its token."""

    code, status = "BOT_STARTUP_FAILED", 502
    ru, en = "Бот не запустился", "The bot did not start"


class ConfigError(ReplyXError):
    """The configuration cannot be used; the message names the setting, where it came from and what to write."""

    code = "CONFIG_ERROR"
    ru, en = "Ошибка конфигурации", "Configuration error"


class SchemaTooNew(ReplyXError):
    """The database was migrated by a newer ReplyX."""

    code = "SCHEMA_TOO_NEW"
    ru, en = "Схема базы новее этой программы", "The database schema is newer than this program"


class SchemaOutdated(ReplyXError):
    """The database lacks migrations of this ReplyX."""

    code = "SCHEMA_OUTDATED"
    ru = "База не обновлена. Выполните: replyx db migrate"
    en = "The database is not migrated. Run: replyx db migrate"


class DatabaseUnavailable(ServiceUnavailable):
    """The database cannot be reached."""

    code = "SERVICE_UNAVAILABLE"
    ru, en = "База данных недоступна", "The database cannot be reached"


class DiskFull(ServiceUnavailable):
    """There is no room left for what was to be written; nothing of it was. It heals as soon as there is room."""

    code, status = "INSUFFICIENT_STORAGE", 507
    ru = "На диске сервера нет места. Администратору: освободите место, перезапуск не нужен. Затем повторите."
    en = "The server's disk is full. Administrator: free some space, no restart is needed. Then try again."


class AddressInUse(ReplyXError):
    """The server's address cannot be listened on."""

    code = "ADDRESS_IN_USE"
    ru, en = "Адрес занят. Задайте другой порт: --port", "The address is in use. Give another port: --port"


class AlreadyRunning(ReplyXError):
    """Another process holds the data directory."""

    code = "ALREADY_RUNNING"
    ru, en = "ReplyX уже работает с этим каталогом данных", "ReplyX already runs on this data directory"


class BackupUnusable(ReplyXError):
    """A backup cannot be restored; the message says why."""

    code = "BACKUP_UNUSABLE"
    ru, en = "Резервную копию не восстановить", "The backup cannot be restored"


class BackupStoreFailed(ReplyXError):
    """The store of backups could not be used; the message says why."""

    code = "BACKUP_STORE_FAILED"
    ru, en = "Хранилище копий недоступно", "The store of backups cannot be used"


class UpgradeFailed(ReplyXError):
    """An upgrade did not work; the message says what state it left, and what to do."""

    code = "UPGRADE_FAILED"
    ru, en = "Обновление не удалось", "The upgrade failed"


class UniqueViolation(Conflict):
    """A natural key is taken; `storage` raises it in place of the driver's error."""


class EngineFailed(ReplyXError):
    """An engine could not write an answer; `retryable` says whether another try may help."""

    code, status = "ENGINE_FAILED", 502
    ru, en = "Модель не смогла ответить", "The model could not answer"

    def __init__(self, en: str, *, retryable: bool, retry_after: int | None = None) -> None:
        super().__init__(None, en, retry_after=retry_after)
        self.retryable = retryable
