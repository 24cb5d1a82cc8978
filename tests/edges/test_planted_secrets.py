"""Twenty planted secrets, real processes at their most talkative, and faults on every side: none is seen anywhere."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from replyx.security.totp import PERIOD, code_of
from replyx.server.routes import ROUTES
from replyx.testing import smtp_server
from replyx.testing.llm_answers import Scenario
from replyx.testing.llm_server import FakeLLM
from replyx.testing.smtp_server import SmtpServer
from tests.support.http import Api, Json, log_in
from tests.support.processes import Box, Program, open_box
from tests.support.programs import free_port, wait_until
from tests.support.redis import RedisServer

AI_KEY, OTHER_AI_KEY = "sk-canary1111111111111111aaaa", "plain-canary-key-22222222222222bbbb"
BOT_TOKEN = "1234567890:CanaryCanaryCanaryCanaryCanary3333c"
MASTER_KEY = "canary4444masterkey4444canary4444master4444key"
DATABASE_PASSWORD, REDIS_PASSWORD = "canary5555database", "canary6666redis"
ADMIN_PASSWORD, OWNER_PASSWORD, OPERATOR_PASSWORD = "canary7777admin", "canary8888owner", "canary9999operator"
WRONG_PASSWORD, NEW_PASSWORD = "canary0000wrong", "canary0101another"
MAIL_PASSWORD = "canary0202mailserver"

_VISITORS, _PROGRAMS = "a visitor's token", "a program's key"


@dataclass
class Town:
    """Three processes on PostgreSQL and Redis, both behind a password, and all that was ever said by anyone."""

    box: Box
    url: str
    programs: list[Program]
    redis: RedisServer
    mail: SmtpServer
    secrets: dict[str, str]
    stack: ExitStack
    seen: dict[str, str] = field(default_factory=dict)

    def note(self, where: str, text: str) -> None:
        self.seen[where] = self.seen.get(where, "") + "\n" + text


@pytest.fixture
def town(tmp_path: Path, postgres_url: str) -> Iterator[Town]:
    with ExitStack() as stack:
        own_redis = RedisServer()
        stack.callback(own_redis.stop)
        with redis.Redis.from_url(own_redis.url) as client:
            client.config_set("requirepass", REDIS_PASSWORD)
        mail = stack.enter_context(smtp_server.serving(login=("robot", MAIL_PASSWORD)))
        environment = {
            "REPLYX_DATABASE__URL": postgres_url.replace("postgres@", f"postgres:{DATABASE_PASSWORD}@"),
            "REPLYX_REDIS__URL": own_redis.url.replace("redis://", f"redis://:{REDIS_PASSWORD}@"),
            "REPLYX_SECURITY__SECRET_KEY": MASTER_KEY,
            "REPLYX_LOG__LEVEL": "debug",
            "REPLYX_LIMITS__ENABLED": "false",
            "REPLYX_ANSWERS__ATTEMPTS": "1",
            "REPLYX_MAIL__HOST": "127.0.0.1", "REPLYX_MAIL__PORT": str(mail.port), "REPLYX_MAIL__SECURITY": "none",
            "REPLYX_MAIL__USER": "robot", "REPLYX_MAIL__PASSWORD": MAIL_PASSWORD,
            "REPLYX_MAIL__SENDER": "help@shop.example",
        }  # fmt: skip
        box = stack.enter_context(open_box(tmp_path / "town", **environment))
        # Both forms of a log line are made by one place for all processes.
        server = box.start("server", "--port", "0", REPLYX_LOG__FORMAT="json")
        programs = [
            server,
            box.start("worker", REPLYX_LOG__FORMAT="text"),
            box.start("bots", REPLYX_LOG__FORMAT="json"),
        ]
        url = server.wait_for_line(r"^ready (http://\S+)$")[1]
        yield Town(box, url, programs, own_redis, mail, _written_secrets(), stack)


def _written_secrets() -> dict[str, str]:
    return {
        "an AI key": AI_KEY, "an AI key of no known form": OTHER_AI_KEY, "a bot's token": BOT_TOKEN,
        "the master key": MASTER_KEY, "the database's password": DATABASE_PASSWORD,
        "Redis's password": REDIS_PASSWORD, "an administrator's password": ADMIN_PASSWORD,
        "an owner's password": OWNER_PASSWORD, "an operator's password": OPERATOR_PASSWORD,
        "a password that was wrong": WRONG_PASSWORD, "a new password": NEW_PASSWORD,
        "the mail server's password": MAIL_PASSWORD,
    }  # fmt: skip


def test_no_planted_secret_is_seen_anywhere(town: Town) -> None:
    people = _people(town)
    # A provider that repeats the key it refuses, as some do.
    refusal = Scenario(status=401, error_code="invalid_api_key", error_message=f"Incorrect: {AI_KEY} {OTHER_AI_KEY}")
    with FakeLLM(refusal, models=["gpt-canary"]) as llm:
        ids = _furnish(town, people, llm.base_url)
        _ask(town, people["owner"], ids)
    _read_everything(town, people, ids)
    _provoke(town, people, ids)
    _read_processes(town)
    _dump(town)
    town.redis.kill()
    _provoke(town, people, ids)
    _run_commands(town)
    for number, program in enumerate(town.programs):
        ended = program.terminate()
        town.note(f"process {number}", ended.out + ended.err)

    assert len(town.secrets) == 20
    assert all(len(secret) >= 15 for secret in town.secrets.values())
    # The faults did happen, and were told.
    assert "an AI key was switched off" in town.seen["process 1"]
    assert "a request" in town.seen["process 0"] or "refused" in town.seen["process 0"]
    found = [
        (name, where) for name, secret in town.secrets.items() for where, text in town.seen.items() if secret in text
    ]
    assert found == []


def _people(town: Town) -> dict[str, Api]:
    """An administrator with a second factor, an owner, an operator, and nobody."""
    made = {
        "admin": ("admin@example.com", ADMIN_PASSWORD, ("--admin",)),
        "owner": ("owner@example.com", OWNER_PASSWORD, ("--balance", "100")),
        "operator": ("operator@example.com", OPERATOR_PASSWORD, ("--operator-of", "owner@example.com")),
    }
    people = {"anonymous": town.stack.enter_context(Api(town.url))}
    for name, (email, password, flags) in made.items():
        done = town.box.run("users", "create", email, *flags, "--password-stdin", "--json", stdin=f"{password}\n")
        assert done.code == 0, done.err
        town.note("commands", done.out + done.err)
        people[name] = town.stack.enter_context(log_in(town.url, email, password))
        town.secrets[f"the token of {name}"] = people[name].client.headers["Authorization"].removeprefix("Bearer ")
    secret = people["admin"].post("/api/users/me/totp", expect=201)["secret"]
    code = code_of(secret, int(time.time()) // PERIOD)
    people["admin"].post("/api/users/me/totp/confirm", {"code": code}, expect=200)
    town.secrets["a secret of an app"] = secret
    _confirm_an_address(town, people["anonymous"])
    return people


def _confirm_an_address(town: Town, anyone: Api) -> None:
    """Somebody registers, gets a letter, uses its link, and tries one that was cut short."""
    anyone.post("/api/auth/register", {"email": "new@example.com", "password": NEW_PASSWORD}, expect=201)
    wait_until(lambda: town.mail.taken, 60, "no letter came")
    found = re.search(r"/verify-email\?token=(\S+)", town.mail.taken[0].text)
    assert found is not None
    town.secrets["the token of a letter"] = token = found[1]
    anyone.request("GET", "/verify-email", expect=200, params={"token": token})
    anyone.request("POST", "/verify-email", expect=200, data={"token": token})
    town.note("a link that was cut short", anyone.client.get(f"/verify-email?token={token[:-9]}").text)


def _furnish(town: Town, people: dict[str, Api], base_url: str) -> dict[str, Any]:
    models = {"model_access": ["gpt-canary"], "base_url": base_url}
    people["admin"].post("/api/admin/ai-tokens", {"name": "one", "token": AI_KEY, **models}, expect=201)
    done = town.box.run(
        "tokens", "add", "--name", "two", "--base-url", base_url, "--models", "gpt-canary", "--token-stdin", "--json",
        stdin=f"{OTHER_AI_KEY}\n",
    )  # fmt: skip
    assert done.code == 0, done.err
    town.note("commands", done.out + done.err)
    body: Json = {"name": "a", "website_integration": True, "allowed_domains": ["shop.example"]}
    body |= {"telegram_bot_token": BOT_TOKEN, "ai_model": "gpt-canary"}
    assistant = people["owner"].post("/api/assistants", body, expect=201)
    headers = {"X-Site-Token": assistant["site_token"], "Origin": "https://shop.example"}
    session = people["anonymous"].post("/api/widget/sessions", {}, expect=201, headers=headers)
    town.secrets[_VISITORS] = session["visitor_token"]
    town.secrets[_PROGRAMS] = people["owner"].post("/api/api-keys", {"name": "program"}, expect=201)["key"]
    town.secrets["a ticket"] = people["owner"].post("/api/ws-ticket", expect=201)["ticket"]
    return {"id": assistant["id"], "key": session["dialog_key"], "dialog": session["dialog_id"]}


def _ask(town: Town, owner: Api, ids: dict[str, Any]) -> None:
    """A question that every key fails at, through a socket whose address has the token in it."""
    path = f"/ws/dialogs/{ids['key']}?token={town.secrets[_VISITORS]}"
    with owner.socket(path, Origin="https://shop.example") as socket:
        socket.send({"type": "send_message", "text": "Сколько стоит доставка?"})
        socket.wait_for(lambda frame: frame["type"] == "new_message", 60)
    messages = f"/api/dialogs/{ids['dialog']}/messages"
    wait_until(lambda: len(owner.get(messages)["messages"]) > 1, 60, "the question was not answered in any way")
    with suppress(Exception), owner.socket(f"/ws/dialogs/{ids['dialog']}?token={WRONG_PASSWORD}") as refused:
        refused.close_code()
    asked = {"model": f"assistant-{ids['id']}", "messages": [{"role": "user", "content": "Сколько стоит доставка?"}]}
    for key in (town.secrets[_PROGRAMS], WRONG_PASSWORD):
        with Api(town.url, key) as program:
            answer = program.client.post("/v1/chat/completions", json=asked)
        town.note("answers to a program", f"{answer.headers} {answer.text}")


def _read_everything(town: Town, people: dict[str, Api], ids: dict[str, Any]) -> None:
    for name, api in people.items():
        for route in ROUTES:
            if route.method == "GET":
                number = ids["dialog"] if "dialogs" in route.path else ids["id"]
                url = re.sub(r"\{id:int\}", str(number), route.path).replace("{key}", ids["key"])
                answer = api.client.get(
                    re.sub(r"\{\w+(:\w+)?\}", "x", url), params={"assistant_id": ids["id"], "q": "a"}
                )
                town.note(f"answers to {name}", f"{answer.headers} {answer.text}")


def _provoke(town: Town, people: dict[str, Api], ids: dict[str, Any]) -> None:
    """Requests that fail: their answers must not repeat what was sent, nor tell what failed."""
    bodies: list[Any] = [
        {"email": "owner@example.com", "password": WRONG_PASSWORD},
        {"email": WRONG_PASSWORD, "password": WRONG_PASSWORD},
        {"email": "x", "password": [WRONG_PASSWORD], "extra": WRONG_PASSWORD},
        {"current_password": WRONG_PASSWORD, "new_password": NEW_PASSWORD},
        {"current_password": OWNER_PASSWORD, "new_password": 1, "token": OTHER_AI_KEY},
        {"name": "three", "token": AI_KEY, "model_access": "none", "base_url": f"http://u:{WRONG_PASSWORD}@x/"},
        {"telegram_bot_token": BOT_TOKEN, "name": ["x"]}, {"telegram_bot_token": BOT_TOKEN, "name": "twice"},
        {"visitor_token": WRONG_PASSWORD}, [WRONG_PASSWORD],
    ]  # fmt: skip
    paths = ("/api/auth/login", "/api/users/change-password", "/api/admin/ai-tokens", "/api/assistants", "/api/nothing")
    for name, api in people.items():
        for path in (*paths, f"/api/widget/dialogs/{ids['key']}/messages"):
            for body in (*map(json.dumps, bodies), f'{{"password": "{WRONG_PASSWORD}'):
                answer = api.client.post(path, content=body)
                # A login that comes true tells the token to whoever logged in.
                if answer.status_code >= 400:
                    town.note(f"errors of {name}", f"{answer.headers} {answer.text}")
        refused = api.client.get("/api/users/me", headers={"Authorization": f"Bearer {WRONG_PASSWORD}"})
        town.note(f"errors of {name}", refused.text)


def _read_processes(town: Town) -> None:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            town.note("command lines", file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    assert "replyx" in town.seen["command lines"]


def _dump(town: Town) -> None:
    connection = psycopg2.connect(town.box.environment["REPLYX_DATABASE__URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            town.note(f"table {table}", "\n".join(row[0] for row in cursor.fetchall()))
    connection.close()
    assert "owner@example.com" in town.seen["table users"]
    with redis.Redis.from_url(town.box.environment["REPLYX_REDIS__URL"]) as client:
        for key in client.scan_iter("*"):
            town.note("Redis", f"{key!r} {client.dump(key)!r}")


def _run_commands(town: Town) -> None:
    closed = f"postgresql://postgres:{DATABASE_PASSWORD}@127.0.0.1:{free_port()}/none"
    for arguments in (
        ("config", "show"), ("config", "check"), ("doctor",), ("status",), ("users", "list"), ("users", "audit"),
        ("tokens", "list"), ("tokens", "test", "one"), ("tokens", "test", "two"), ("assistants", "list"),
        ("api-keys", "list", "owner@example.com"),
    ):  # fmt: skip
        for more in ((), ("--json",)):
            done = town.box.run(*arguments, *more)
            town.note(f"replyx {' '.join(arguments)}", done.out + done.err)
    for arguments in (("server", "--port", "0"), ("users", "list"), ("doctor",)):
        done = town.box.run(*arguments, REPLYX_DATABASE__URL=closed)
        assert done.code != 0
        town.note("without a database", done.out + done.err)
