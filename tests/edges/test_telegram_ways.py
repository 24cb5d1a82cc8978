"""A bot's own way to Telegram: an own Bot API server, a proxy; who may set which, who sees what, and when it counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.app import open_app
from replyx.errors import ValidationFailed
from replyx.testing.proxy_server import FakeProxy
from replyx.testing.telegram_server import FakeTelegram
from replyx.types import SYSTEM, Actor, Role
from tests.conftest import Configure
from tests.edges.conftest import Build
from tests.support.cli import Cli
from tests.support.house import House
from tests.support.managers import live
from tests.support.programs import wait_until

PASSWORD = "se%40cret-word"
PROXY = f"socks5://me:{PASSWORD}@93.184.216.34:1080"
MASKED = "socks5://me:…@93.184.216.34:1080"
BOT = "1234567890:" + "A" * 35


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        yield server


def test_a_tenant_sets_a_way_whose_password_nobody_sees_and_writes_its_mask_back(house: House) -> None:
    api, path = house.api(house.anna), f"/api/assistants/{house.assistant()['id']}"
    base = {"telegram_api_base": "https://93.184.216.34/bots/", "telegram_proxy": PROXY}

    changed = api.put(path, base)

    assert (changed["telegram_api_base"], changed["telegram_proxy"]) == ("https://93.184.216.34/bots", MASKED)
    again = api.put(path, {"telegram_proxy": MASKED, "telegram_bot_token": BOT})
    assert PASSWORD not in str(again)
    (spec,) = house.app.bots.turn("a", 1, lambda _holder: False)
    assert (spec.api_base, spec.proxy, spec.is_guarded) == ("https://93.184.216.34/bots", PROXY, True)
    assert PASSWORD not in repr(spec)
    error = api.request("PUT", path, expect=422, json={"telegram_proxy": MASKED.replace("1080", "1081")}).json()
    assert error["error"]["details"]["field"] == "telegram_proxy"
    cleared = api.put(path, {"telegram_api_base": None, "telegram_proxy": ""})
    assert (cleared["telegram_api_base"], cleared["telegram_proxy"]) == (None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("telegram_api_base", "http://127.0.0.1:8081"),
        ("telegram_api_base", "http://169.254.169.254/latest"),
        ("telegram_api_base", "http://[::1]/"),
        ("telegram_api_base", "ftp://93.184.216.34/"),
        ("telegram_api_base", "https://93.184.216.34/{token}"),
        ("telegram_api_base", "https://93.184.216.34/?a=b"),
        ("telegram_proxy", "socks5://me:word@10.0.0.1:1080"),
        ("telegram_proxy", "http://localhost:3128"),
        ("telegram_proxy", "socks4://93.184.216.34:1080"),
        ("telegram_proxy", "socks5://93.184.216.34"),
        ("telegram_proxy", "socks5://93.184.216.34:25"),
        ("telegram_proxy", "socks5://a@b@93.184.216.34:1080"),
        ("telegram_proxy", "x" * 400),
    ],
)
def test_a_tenants_way_that_leads_inside_or_is_none_is_refused_with_its_field(
    house: House, field: str, value: str
) -> None:
    path = f"/api/assistants/{house.assistant()['id']}"

    error = house.api(house.anna).request("PUT", path, expect=422, json={field: value}).json()["error"]

    assert error["details"]["field"] == field
    assert "word" not in str(error)
    house.api(house.anna).request("POST", "/api/assistants", expect=422, json={"name": "x", field: value})


def test_outgoing_allow_opens_a_network_for_tenants(build: Build) -> None:
    house = build(REPLYX_OUTGOING__ALLOW="127.0.0.0/8")
    path = f"/api/assistants/{house.assistant()['id']}"

    changed = house.api(house.anna).put(path, {"telegram_api_base": "http://127.0.0.1:8081"})

    assert changed["telegram_api_base"] == "http://127.0.0.1:8081"


def test_the_command_line_sets_any_way_and_a_password_comes_by_standard_input_alone(
    tmp_path: Path, configure: Configure
) -> None:
    cli = Cli(tmp_path)
    cli.json("users", "create", "boss@example.com", "--admin", "--password-stdin", stdin="a long password 1\n")
    cli.json("assistants", "create", "Help")

    inside = cli.json("assistants", "set", "1", "--telegram-api-base", "http://10.0.0.5:8081")
    assert inside["telegram_api_base"] == "http://10.0.0.5:8081"
    proxy = "socks5://me:hidden-word@10.0.0.6:1080"
    told = cli.run("assistants", "set", "1", "--telegram-proxy", proxy)
    assert (told.code, "--telegram-proxy-stdin" in told.err, "hidden-word" in told.err) == (2, True, False)
    stdin = f"{BOT}\n{proxy}\n"
    changed = cli.run("assistants", "set", "1", "--telegram-token-stdin", "--telegram-proxy-stdin", stdin=stdin)
    assert "socks5://me:…@10.0.0.6:1080" in changed.out
    assert "hidden-word" not in changed.out + cli.run("assistants", "show", "1", "--json").out

    app = open_app(configure(REPLYX_DATA_DIR=str(cli.data_dir)))
    (spec,) = app.bots.turn("a", 1, lambda _holder: False)
    assert (spec.api_base, spec.proxy, spec.is_guarded) == ("http://10.0.0.5:8081", proxy, False)
    # What the administrator's proxy can reach is not for a tenant's address.
    owner = Actor(Role.ADMIN, user_id=app.assistants.get(SYSTEM, 1).user_id)
    with pytest.raises(ValidationFailed) as refused:
        app.assistants.update(owner, 1, {"telegram_api_base": "https://93.184.216.34"})
    assert refused.value.issues[0].field == "telegram_api_base"
    app.assistants.update(owner, 1, {"telegram_proxy": None})
    (direct,) = app.bots.turn("a", 1, lambda _holder: False)
    assert (direct.api_base, direct.proxy, direct.is_guarded) == ("http://10.0.0.5:8081", "", False)
    app.close()
    assert cli.json("assistants", "set", "1", "--telegram-api-base", "default")["telegram_api_base"] is None


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_a_new_way_counts_at_once_and_the_bot_speaks_through_its_proxy(
    configure: Configure, sqlite_url: str, telegram: FakeTelegram, scheme: str
) -> None:
    blocked = {"REPLYX_DATABASE__URL": sqlite_url, "REPLYX_BOTS__API_BASE": "http://127.0.0.1:9"}
    with (
        FakeProxy("me", "secret") as proxy,
        live(configure(**blocked, REPLYX_OUTGOING__ALLOW="127.0.0.0/8"), telegram, answers=False) as running,
    ):
        bot = telegram.add_bot()
        assistant = running.connect(bot)
        bot.message(42, "до прокси")
        changes = {
            "telegram_api_base": telegram.base_url,
            "telegram_proxy": f"{scheme}://me:secret@127.0.0.1:{proxy.port}",
        }

        running.app.assistants.update(running.desk.owner, assistant.id, changes)

        wait_until(lambda: running.said(assistant) == ["до прокси"], 120, "the message did not come")
        assert set(proxy.targets) == {f"127.0.0.1:{telegram.port}"}
        assert proxy.refused == 0
