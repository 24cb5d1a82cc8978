"""The fake Bot API that the tests of Telegram stand on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from replyx.testing.telegram_bots import FakeBot
from replyx.testing.telegram_faults import Fault, conflict, too_many, unparsable
from replyx.testing.telegram_server import FakeTelegram


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


@pytest.fixture
def bot(telegram: FakeTelegram) -> FakeBot:
    return telegram.add_bot(username="support_bot")


class Api:
    """Calls methods of one bot, plainly."""

    def __init__(self, telegram: FakeTelegram, token: str) -> None:
        self.client = httpx2.Client(base_url=f"{telegram.base_url}/bot{token}", timeout=60, trust_env=False)

    def __call__(self, method: str, **parameters: Any) -> Any:
        return self.client.post(f"/{method}", json=parameters).json()


@pytest.fixture
def api(telegram: FakeTelegram, bot: FakeBot) -> Iterator[Api]:
    calls = Api(telegram, bot.token)
    with calls.client:
        yield calls


def update_ids(answer: Any) -> list[int]:
    return [update["update_id"] for update in answer["result"]]


def test_an_update_comes_again_until_a_higher_offset_confirms_it(bot: FakeBot, api: Api) -> None:
    first, second = bot.message(42, "one")["update_id"], bot.message(42, "two")["update_id"]

    assert update_ids(api("getUpdates")) == [first, second]
    assert update_ids(api("getUpdates", offset=first)) == [first, second]
    assert update_ids(api("getUpdates", offset=second, limit=1)) == [second]
    assert bot.confirmed == [first]
    assert update_ids(api("getUpdates", offset=second + 1)) == []
    assert (bot.confirmed, bot.handed_out[first], bot.handed_out[second]) == ([first, second], 2, 3)


def test_an_offset_of_another_numbering_confirms_nothing(bot: FakeBot, api: Api) -> None:
    new = bot.push(update_id=500, message={"message_id": 1})["update_id"]

    assert update_ids(api("getUpdates", offset=900_000)) == [new]
    assert bot.confirmed == []


def test_a_long_poll_ends_as_soon_as_someone_writes(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    answers: list[Any] = []
    poll = threading.Thread(target=lambda: answers.append(api("getUpdates", timeout=50)))
    poll.start()
    update = bot.message(42, "hello")
    poll.join(60)

    assert update_ids(answers[0]) == [update["update_id"]]
    assert answers[0]["result"][0]["message"]["text"] == "hello"


def test_the_later_of_two_pollers_wins(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(api("getUpdates", timeout=50)))
    first.start()
    telegram.wait(lambda: bot.id in telegram._waiting)
    second = Api(telegram, bot.token)
    with second.client:
        assert second("getUpdates") == {"ok": True, "result": []}
    first.join(60)

    assert (answers[0]["error_code"], answers[0]["description"][:9]) == (409, "Conflict:")


def test_only_wanted_kinds_of_updates_are_kept(bot: FakeBot, api: Api) -> None:
    api("getUpdates", allowed_updates=["callback_query"])
    bot.message(42, "not wanted")
    sent = api("sendMessage", chat_id=42, text="Choose", reply_markup={"inline_keyboard": [[{"text": "1"}]]})
    pressed = bot.press(42, sent["result"]["message_id"], "yes")

    assert update_ids(api("getUpdates")) == [pressed["update_id"]]


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"chat_id": 7, "text": "hi"}, 400, "chat not found"),
        ({"chat_id": 42, "text": "  "}, 400, "message text is empty"),
        ({"chat_id": 42, "text": "я" * 4097}, 400, "message is too long"),
        ({"chat_id": 42, "text": "😀" * 2049}, 400, "message is too long"),
        ({"chat_id": 42, "text": "<b>x", "parse_mode": "HTML"}, 400, "can't parse entities"),
        ({"chat_id": 42, "text": "<p>x</p>", "parse_mode": "HTML"}, 400, 'Unsupported start tag "p"'),
        ({"chat_id": 42, "text": "<b><i>x</b></i>", "parse_mode": "HTML"}, 400, "Unmatched end tag"),
        ({"chat_id": 42, "text": "a < b", "parse_mode": "HTML"}, 400, "can't parse entities"),
        ({"chat_id": 43, "text": "hi"}, 403, "bot was blocked by the user"),
        ({"chat_id": -5, "text": "hi"}, 400, "upgraded to a supergroup"),
        ({"chat_id": -1007, "text": "hi", "message_thread_id": 99}, 400, "message thread not found"),
    ],
)
def test_what_telegram_refuses_is_refused_in_its_words(
    bot: FakeBot, api: Api, given: dict[str, Any], status: int, words: str
) -> None:
    bot.chat(42)
    bot.chat(-1007, is_forum=True)
    bot.membership(43, "kicked")
    bot.migrate(-5, -1005)

    answer = api("sendMessage", **given)

    assert (answer["ok"], answer["error_code"]) == (False, status)
    assert words in answer["description"]
    assert answer.get("parameters") == ({"migrate_to_chat_id": -1005} if given["chat_id"] == -5 else None)


def test_html_becomes_text_with_entities_in_utf16_units(bot: FakeBot, api: Api) -> None:
    bot.chat(42)
    text = '😀 <b>bold <i>both</i></b> &lt;tag&gt; <a href="https://example.com/?a=1&amp;b=2">link</a>'

    message = api("sendMessage", chat_id=42, text=text, parse_mode="HTML")["result"]

    assert message["text"] == "😀 bold both <tag> link"
    assert message["entities"] == [
        {"type": "bold", "offset": 3, "length": 9},
        {"type": "italic", "offset": 8, "length": 4},
        {"type": "text_link", "offset": 19, "length": 4, "url": "https://example.com/?a=1&b=2"},
    ]


def test_messages_are_changed_and_an_unchanged_one_is_refused(bot: FakeBot, api: Api) -> None:
    bot.chat(42)
    number = api("sendMessage", chat_id=42, text="one")["result"]["message_id"]
    foreign = bot.message(42, "mine")["message"]["message_id"]

    assert api("editMessageText", chat_id=42, message_id=number, text="two")["ok"]
    assert "not modified" in api("editMessageText", chat_id=42, message_id=number, text="two")["description"]
    assert "can't be edited" in api("editMessageText", chat_id=42, message_id=foreign, text="x")["description"]
    assert "to edit not found" in api("editMessageText", chat_id=42, message_id=999, text="x")["description"]
    assert bot.chats[42].messages[number]["text"] == "two"


def test_a_fault_may_come_before_or_after_the_effect(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    bot.chat(42)
    telegram.add_fault(Fault("cut", method="sendMessage"))
    with pytest.raises(httpx2.TransportError):
        api("sendMessage", chat_id=42, text="never said")
    telegram.add_fault(Fault("effect_then_cut", method="sendMessage"))
    with pytest.raises(httpx2.TransportError):
        api("sendMessage", chat_id=42, text="said")

    assert telegram.texts(42) == ["said"]
    assert [(c.outcome, c.had_effect) for c in telegram.log(42)] == [("cut", False), ("cut after", True)]


def test_faults_are_for_single_chats_methods_and_times(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    bot.chat(42)
    bot.chat(43)
    telegram.add_fault(too_many(30, chat_id=42, times=2))
    telegram.add_fault(unparsable(method="sendMessage", chat_id=43, skip=1))
    broken = telegram.add_fault(Fault("body", method="getMe", status=200, body=b"<html>", times=None))
    telegram.add_fault(conflict(chat_id=None))

    answers = [api("sendMessage", chat_id=chat, text="x") for chat in (42, 43, 43, 42, 42, 43)]

    assert [answer.get("error_code", 200) for answer in answers] == [429, 200, 400, 429, 200, 200]
    assert answers[0]["parameters"] == {"retry_after": 30}
    assert api("getUpdates")["error_code"] == 409
    assert api.client.post("/getMe").text == "<html>"
    telegram.remove_fault(broken)
    assert api("getMe")["result"]["username"] == "support_bot"


def test_more_than_the_rate_is_answered_with_429(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    bot.chat(42)
    bot.chat(43)
    telegram.chat_rate = 1

    codes = [api("sendMessage", chat_id=chat, text="x").get("error_code", 200) for chat in (42, 42, 43)]

    assert codes == [200, 429, 200]


def test_unknown_and_revoked_tokens_and_unknown_methods_are_refused(
    telegram: FakeTelegram, bot: FakeBot, api: Api
) -> None:
    assert api("doSomething")["error_code"] == 404
    bot.is_revoked = True
    assert api("getMe") == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    with Api(telegram, "5:nobody").client as client:
        assert client.post("/getMe").status_code == 401


def test_files_come_in_and_out_in_every_form(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    content = bytes(range(256)) + b"\r\n--x\r\n"
    bot.chat(42)
    sent = api.client.post(
        "/sendDocument", data={"chat_id": "42", "caption": "5"}, files={"document": ("a.bin", content)}
    )
    document = sent.json()["result"]["document"]
    path = api("getFile", file_id=document["file_id"])["result"]["file_path"]

    assert (document["file_name"], sent.json()["result"]["caption"]) == ("a.bin", "5")
    assert httpx2.get(f"{telegram.base_url}/file/bot{bot.token}/{path}", trust_env=False).content == content
    assert httpx2.get(f"{telegram.base_url}/file/bot{bot.token}/none", trust_env=False).status_code == 404
    assert "wrong file" in api("getFile", file_id="none")["description"]


def test_topics_are_made_closed_and_deleted(bot: FakeBot, api: Api) -> None:
    bot.chat(-1001, is_forum=True)
    thread = api("createForumTopic", chat_id=-1001, name="Ann")["result"]["message_thread_id"]

    assert (
        api("sendMessage", chat_id=-1001, message_thread_id=thread, text="hi")["result"]["message_thread_id"] == thread
    )
    assert api("closeForumTopic", chat_id=-1001, message_thread_id=thread)["ok"]
    assert "NOT_MODIFIED" in api("closeForumTopic", chat_id=-1001, message_thread_id=thread)["description"]
    assert bot.chats[-1001].topics[thread] == {"name": "Ann", "is_closed": True}
    assert api("deleteForumTopic", chat_id=-1001, message_thread_id=thread)["ok"]
    assert "thread not found" in api("sendMessage", chat_id=-1001, message_thread_id=thread, text="x")["description"]


def test_a_webhook_gets_updates_in_order_with_its_secret_until_it_takes_them(
    telegram: FakeTelegram, bot: FakeBot, api: Api
) -> None:
    # Another fake stands in for the receiver: it answers what its own faults say.
    with FakeTelegram() as receiver:
        receiver.add_bot("7:receiver")
        receiver.add_fault(Fault("error", method="hook", status=500, times=2))
        receiver.add_fault(Fault("body", method="hook", status=200, times=None))
        url = f"{receiver.base_url}/bot7:receiver/hook"
        assert api("setWebhook", url=url, secret_token="s3")["ok"]
        updates = [bot.message(42, text)["update_id"] for text in ("one", "two", "three")]
        telegram.wait(lambda: bot.confirmed == updates)

        seen = [call.parameters["update_id"] for call in receiver.log(method="hook")]
        assert seen == [updates[0], updates[0], *updates]
        assert "webhook is active" in api("getUpdates")["description"]
        assert api("getWebhookInfo")["result"]["url"] == url
        assert api("deleteWebhook")["ok"]
        assert api("getUpdates")["ok"]


def test_after_a_restart_on_its_port_everything_is_still_known(telegram: FakeTelegram, bot: FakeBot, api: Api) -> None:
    update, port = bot.message(42, "one"), telegram.port
    telegram.stop()
    with pytest.raises(httpx2.TransportError):
        api("getUpdates")
    telegram.start(port)

    assert update_ids(api("getUpdates")) == [update["update_id"]]


def test_it_runs_as_a_process_and_is_driven_over_http() -> None:
    command = [sys.executable, "-m", "replyx.testing.telegram_server", "--bots", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[1]
            with httpx2.Client(base_url=url, trust_env=False) as client:
                bot = client.get("/_control/bots").json()[1]
                rows = [{"chat_id": 42, "text": "one"}, {"chat_id": 42, "text": "two"}]
                client.post("/_control/updates", json={"bot_id": bot["id"], "updates": rows})
                assert len(client.get(f"/bot{bot['token']}/getUpdates").json()["result"]) == 2
                assert client.post("/_control/faults", json=[{"method": "getMe"}]).json() == {"faults": 1}
                assert client.post("/_control/faults", json=[{"nonsense": 1}]).status_code == 400
                assert client.get(f"/bot{bot['token']}/getMe").status_code == 502
                client.post(f"/bot{bot['token']}/sendMessage", json={"chat_id": 42, "text": "hi"})
                log = client.get("/_control/log", params={"method": "sendMessage"}).json()
                assert [(row["chat_id"], row["status"], row["had_effect"]) for row in log] == [(42, 200, True)]
                chats = client.get("/_control/chats", params={"bot_id": bot["id"]}).json()
                assert [message["text"] for message in chats[0]["messages"]] == ["one", "two", "hi"]
                assert client.post("/_control/bots", json={"id": bot["id"], "is_revoked": True}).json()["is_revoked"]
                assert client.get("/_control/nothing").status_code == 404
        finally:
            process.terminate()
            process.wait(60)
