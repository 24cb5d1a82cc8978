"""The second factor over HTTP, and the way back in from the command line."""

from __future__ import annotations

import json
import time

from replyx.security.totp import PERIOD, code_of
from tests.support.house import PASSWORD, House
from tests.support.processes import Box


def test_an_administrator_and_an_operator_log_in_with_a_code(both: House) -> None:
    for person in (both.admin, both.operator()):
        api, login = both.api(person), {"email": person.email, "password": PASSWORD}
        made = api.post("/api/users/me/totp", expect=201)
        step = int(time.time()) // PERIOD
        api.request("POST", "/api/users/me/totp/confirm", expect=422, json={"code": "12345"})
        confirmed = api.post("/api/users/me/totp/confirm", {"code": code_of(made["secret"], step - 1)}, expect=200)

        refused = both.api().request("POST", "/api/auth/login", expect=401, json=login).json()["error"]
        wrong = both.api().request("POST", "/api/auth/login", expect=401, json={**login, "password": "x"})
        body = {**login, "totp_code": code_of(made["secret"], step + 1)}
        let_in = both.api().post("/api/auth/login", body, expect=200)
        again = both.api().request("POST", "/api/auth/login", expect=401, json=body).json()["error"]

        assert confirmed == {"totp_enabled": True}
        assert (refused["code"], refused["details"]) == ("INVALID_CREDENTIALS", {"totp_required": True})
        assert (again["code"], again["details"]) == ("INVALID_CREDENTIALS", {"totp_required": True})
        assert wrong.json()["error"]["details"] == {}
        assert let_in["user"]["id"] == person.id
        assert api.get("/api/users/me")["totp_enabled"] is True
        api.request("POST", "/api/users/me/totp", expect=409)
        api.request("DELETE", "/api/users/me/totp", expect=422, json={"password": "x"})
        api.request("DELETE", "/api/users/me/totp", expect=204, json={"password": PASSWORD})
        both.api().post("/api/auth/login", login, expect=200)


def test_the_command_line_helps_who_lost_the_phone(house: House, box: Box) -> None:
    made = house.api(house.admin).post("/api/users/me/totp", expect=201)
    code = code_of(made["secret"], int(time.time()) // PERIOD)
    house.api(house.admin).post("/api/users/me/totp/confirm", {"code": code}, expect=200)
    url = house.app.config.database_url

    done = box.run("users", "set", house.admin.email, "--no-totp", "--json", REPLYX_DATABASE__URL=url)

    assert json.loads(done.out)["totp_enabled"] is False, done.err
    house.api().post("/api/auth/login", {"email": house.admin.email, "password": PASSWORD}, expect=200)
