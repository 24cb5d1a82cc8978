"""An assistant is carried to another installation whole or not at all."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from replyx.app import App, open_app
from replyx.assistants.views import AssistantView
from replyx.backup.assistant_file import AssistantFiles
from replyx.errors import BackupUnusable, ValidationFailed
from replyx.types import SYSTEM, Actor, Role
from tests.conftest import Configure

_SETTINGS = {
    "name": "Магазин", "description": "О товарах", "system_prompt": "Будь краток.", "ai_model": "extractive",
    "website_integration": True, "allowed_domains": ["shop.example"], "handoff_keywords": ["менеджер"],
    "not_found_text": "Не нашла.", "unavailable_text": "Позже.", "welcome_text": "Привет!", "price": 700,
    "daily_cap": 100_000, "answer_threshold": 0.4, "clarify_threshold": 0.3,
}  # fmt: skip
_TEXT = "# Доставка\n\nКурьер привозит заказ за три рабочих дня."


@pytest.fixture
def other(shop: AssistantView, configure: Configure, tmp_path: Path) -> Iterator[App]:
    """Another installation, opened once the first is closed: a process works with one database."""
    with closing(open_app(configure(REPLYX_DATA_DIR=str(tmp_path / "other")))) as app:
        yield app


def _owner(app: App) -> Actor:
    user = app.registration.register("owner@example.com", "correct-horse-7")
    return Actor(Role.OWNER, user_id=user.id)


@pytest.fixture
def shop(configure: Configure, database_url: str, path: Path) -> AssistantView:
    """An assistant with settings of every kind, a Q&A pair and two documents of one name; its file is at `path`."""
    with closing(open_app(configure(REPLYX_DATABASE__URL=database_url))) as app:
        owner = _owner(app)
        made = app.assistants.create(owner, telegram_bot_token=f"123456:{'a' * 35}", **_SETTINGS)  # type: ignore[arg-type]
        app.knowledge.add_qa(owner, made.id, "Где вы?", "В Твери.", ["адрес"])
        for text in (_TEXT, f"{_TEXT} И в субботу."):
            app.knowledge.add_document(owner, made.id, "доставка.md", io.BytesIO(text.encode()), None)
        assert _files(app).export(made, path) == 2
        return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.assistant"


def _files(app: App) -> AssistantFiles:
    return AssistantFiles(app.assistants, app.knowledge)


def test_settings_pairs_and_documents_arrive_and_tokens_stay(shop: AssistantView, other: App, path: Path) -> None:
    made = _files(other).read(_owner(other), path, {})

    shown, before = made.as_json(), shop.as_json()
    own = {"id", "created_at", "site_token", "telegram_bot_token", "telegram_bot_username", "user_id"}
    assert {k: v for k, v in shown.items() if k not in own} == {k: v for k, v in before.items() if k not in own}
    assert made.telegram_bot_token is None
    assert shop.site_token is not None
    with zipfile.ZipFile(path) as file:
        everything = b"".join(file.read(name) for name in file.namelist())
    assert shop.site_token.encode() not in everything
    for document in other.knowledge.list_documents(SYSTEM, assistant_id=made.id)[0]:
        other.knowledge.ingest(document.id)
        assert other.knowledge.get_document(SYSTEM, document.id).status == "completed"
    assert other.knowledge.search(made.id, "Когда привезут заказ?").answerable
    pair = other.knowledge.match_qa(made.id, "Где вы?")
    assert pair is not None
    assert (pair.answer, list(pair.tags)) == ("В Твери.", ["адрес"])


def test_a_model_that_nobody_offers_here_is_named_and_may_be_another(other: App, path: Path) -> None:
    _rewrite(path, {"assistant.json": json.dumps({"format": 1, **_SETTINGS, "ai_model": "gpt-nobody"}).encode()})
    owner = _owner(other)

    with pytest.raises(ValidationFailed):
        _files(other).read(owner, path, {})

    assert _files(other).read(owner, path, {"ai_model": "extractive"}).ai_model == "extractive"


@pytest.mark.parametrize(
    "content",
    [
        {"assistant.json": b"{"},
        {"assistant.json": b'{"format": 2, "name": "x"}'},
        {"assistant.json": b'{"format": 1, "name": "x", "user_id": 1}'},
        {"qa.json": b"[1"},
        {"documents/1/x.md": b""},
        {"documents/1/x.exe": b"MZ\x90\x00" + bytes(range(256))},
    ],
    ids=["no JSON", "a newer one", "a foreign field", "broken pairs", "an empty document", "a program"],
)
def test_what_cannot_be_used_leaves_nothing(other: App, path: Path, content: dict[str, bytes]) -> None:
    _rewrite(path, content)

    with pytest.raises(Exception, match=r".+") as refused:
        _files(other).read(_owner(other), path, {})

    assert type(refused.value).__module__ == "replyx.errors"
    assert other.assistants.list_for(SYSTEM)[1] == 0
    assert other.knowledge.list_documents(SYSTEM)[1] == 0


def test_what_is_no_such_file_is_refused(other: App, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"%PDF-1.7")

    with pytest.raises(BackupUnusable):
        _files(other).read(_owner(other), tmp_path / "x", {})


def _rewrite(path: Path, changes: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()} | changes
    with zipfile.ZipFile(path, "w") as file:
        for name, text in content.items():
            file.writestr(name, text)
