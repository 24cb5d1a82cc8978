"""Each hook is called by the running ReplyX: shown with the plugin of docs/plugins.md and with hostile ones."""

from __future__ import annotations

import io
import time
from pathlib import Path

from replyx.events.memory import MemoryBus
from replyx.knowledge.knowledge import Knowledge
from replyx.storage.database import Database
from replyx.types import SYSTEM, Channel, Contact, InboundMessage
from tests.conftest import Configure
from tests.domain.library import Library
from tests.edges.conftest import Build
from tests.support.clock import MovableClock
from tests.support.house import House
from tests.support.http import Json
from tests.support.plugins import load, write_example, write_plugin
from tests.support.programs import wait_until

_SUBTITLES = (
    "1\n00:00:01,000 --> 00:00:04,000\nГарантия на чайник действует два года.\n\n"
    "2\n00:00:05,000 --> 00:00:06,000\nЧек храните.\n"
)


def _upload(house: House, assistant: Json, name: str, text: str, folder: Path) -> Json:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    api = house.api(house.anna)
    sent = api.upload(assistant["id"], file)
    wait_until(lambda: api.get(f"/api/documents/{sent['id']}")["status"] != "processing", 60, "it was not read")
    found: Json = api.get(f"/api/documents/{sent['id']}")
    return found


def _ask(house: House, assistant: Json, text: str) -> int:
    view = house.app.assistants.get(SYSTEM, assistant["id"])
    dialog_id = house.app.sessions.start(view, Channel.WEBSITE, Contact(locale="ru"))
    house.app.inbox.receive(InboundMessage(Channel.WEBSITE, dialog_id, text))
    wait_until(lambda: len(house.app.dialogs.messages(SYSTEM, dialog_id)) == 2, 20, "no answer came")
    return dialog_id


def test_the_plugin_of_the_documentation_does_what_its_page_says(build: Build, tmp_path: Path) -> None:
    write_example(tmp_path)
    house = build(with_worker=True)
    assistant = house.assistant(ai_model="extractive")

    document = _upload(house, assistant, "film.srt", _SUBTITLES, tmp_path)
    _ask(house, assistant, "Сколько действует гарантия на чайник?")
    found = house.api(house.anna).get(f"/api/knowledge/search?assistant_id={assistant['id']}&q=гарантия на чайник")

    assert (document["status"], document["error"]) == ("completed", None)
    assert "два года" in found["results"][0]["text"]
    wait_until(lambda: house.api(house.admin).get("/api/plugins/tickets/count") == {"count": 1}, 5, "it was not told")
    house.api(house.anna).request("GET", "/api/plugins/tickets/count", expect=403)
    house.api().request("GET", "/api/plugins/tickets/count", expect=401)
    house.api(house.admin).request("POST", "/api/plugins/tickets/count", expect=405)


def test_a_plugin_that_sleeps_and_raises_at_news_delays_no_answer(build: Build, tmp_path: Path) -> None:
    write_plugin(
        tmp_path,
        "sleeping",
        "import time\nclass P(Plugin):\n  heard = []\n"
        "  def message_received(self, news): time.sleep(20)\n"
        "  def answer_ready(self, news): raise RuntimeError",
    )
    write_plugin(
        tmp_path,
        "attentive",
        "class P(Plugin):\n  heard = []\n  def answer_ready(self, news): self.heard.append(news)",
    )
    house = build(with_worker=True)
    assistant = house.assistant(ai_model="extractive")
    [attentive] = [one.instance for one in house.app.plugins.known if one.name == "attentive"]

    begun = time.monotonic()
    dialog_id = _ask(house, assistant, "Есть кто?")

    assert time.monotonic() - begun < 10
    wait_until(lambda: attentive.heard, 5, "it was not told")  # type: ignore[union-attr]
    [news] = attentive.heard  # type: ignore[union-attr]
    assert (news.dialog_id, news.assistant_id, news.message["sender"]) == (dialog_id, assistant["id"], "assistant")


def test_a_route_that_crashes_answers_503_and_tells_nothing(build: Build, tmp_path: Path) -> None:
    write_plugin(
        tmp_path,
        "crashing",
        "def crash(request): raise RuntimeError('where it is')\n"
        "class P(Plugin):\n  def routes(self): return [\n"
        "    PluginRoute('GET', 'a/crash', 'anyone', crash, 'x'),\n"
        "    PluginRoute('GET', 'nonsense', 'anyone', lambda request: 7, 'x'),\n"
        "    PluginRoute('POST', 'echo', 'user', lambda r: PluginAnswer([r.user_id, r.body.decode()], 201), 'x')]",
    )
    house = build()

    for path in ("a/crash", "nonsense"):
        answer = house.api().request("GET", f"/api/plugins/crashing/{path}", expect=503)
        assert "where it is" not in answer.text
    echoed = house.api(house.anna).request("POST", "/api/plugins/crashing/echo", content=b"hello", expect=201)
    assert echoed.json() == [house.anna.id, "hello"]
    house.api(house.anna).request("POST", "/api/plugins/crashing/echo", content=b"x" * 2_000_000, expect=413)


def test_a_reader_that_crashes_loses_its_document_and_nothing_else(build: Build, tmp_path: Path) -> None:
    write_plugin(
        tmp_path,
        "reading",
        "import os\ndef read(file): os.kill(os.getpid(), 9)\n"
        "class P(Plugin):\n  def text_extractors(self): return [TextExtractor('text/x-log', ('csv',), b'', read)]",
    )
    house = build(with_worker=True)
    assistant = house.assistant()

    broken = _upload(house, assistant, "a.csv", "a,b\n1,2\n", tmp_path)
    sound = _upload(house, assistant, "b.md", "# Возврат\n\nВернуть можно за 14 дней.\n", tmp_path)

    assert (broken["status"], broken["error"]["code"]) == ("failed", "too_heavy")
    assert sound["status"] == "completed"


def test_a_document_whose_plugin_is_gone_says_so(
    sqlite_db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure, tmp_path: Path
) -> None:
    write_example(tmp_path)
    library = Library(sqlite_db, bus, clock, configure())
    with_plugin = Knowledge(sqlite_db, bus, clock, library.queue, library.config, load(library.config))

    sent = with_plugin.add_document(library.owner, library.assistant, "film.srt", io.BytesIO(_SUBTITLES.encode()))
    read = library.knowledge.ingest(sent.id)

    assert sent.content_type == "application/x-subrip"
    assert read is not None
    assert read.error is not None
    assert read.error.code == "no_reader"
