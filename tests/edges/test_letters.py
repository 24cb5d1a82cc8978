"""Confirming an address from outside: registration, the letter, its page, TLS to the mail server, a sender's death."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.testing import smtp_server
from replyx.testing.smtp_server import SmtpServer
from tests.edges.conftest import Build
from tests.support.certificates import make_certificate
from tests.support.house import PASSWORD, House
from tests.support.http import Api, Json
from tests.support.processes import Box
from tests.support.programs import wait_until

_NEW = {"email": "new@example.com", "password": PASSWORD}


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with smtp_server.serving() as server:
        yield server


def _settings(smtp: SmtpServer, **more: str) -> dict[str, str]:
    return {
        "REPLYX_MAIL__HOST": "127.0.0.1",
        "REPLYX_MAIL__PORT": str(smtp.port),
        "REPLYX_MAIL__SECURITY": "none",
        "REPLYX_MAIL__SENDER": "help@shop.example",
        **more,
    }


def _link(smtp: SmtpServer, url: str) -> str:
    """Path and query of the newest letter's link, which leads to `url`."""
    found = re.search(rf"{re.escape(url)}(/verify-email\?token=\S+)", smtp.taken[-1].text)
    assert found is not None, smtp.taken[-1].text
    return found[1]


def _register(house: House, **headers: str) -> Json:
    answer: Json = house.api(**headers).post("/api/auth/register", _NEW, expect=201)
    return answer


def test_registering_sends_a_letter_whose_page_asks_before_it_confirms(
    database_url: str, build: Build, smtp: SmtpServer
) -> None:
    house = build(with_worker=True, REPLYX_DATABASE__URL=database_url, **_settings(smtp))
    made = _register(house, **{"Accept-Language": "en"})
    assert made["user"]["balance"] == 0
    wait_until(lambda: smtp.taken, 60, "no letter came")
    path, anyone = _link(smtp, house.url), house.api(**{"Accept-Language": "en"})
    mine = Api(house.url, made["access_token"])
    house.stack.enter_context(mine)

    for _ in range(3):
        # As programs that scan letters do.
        page = anyone.request("GET", path, expect=200)
    assert mine.get("/api/users/me")["email_verified"] is False
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    action, name, token = re.search(
        r'<form method="post" action="([^"]+)"><input type="hidden" name="([^"]+)" value="([^"]+)">', page.text
    ).groups()  # type: ignore[union-attr]
    done = anyone.request("POST", action, expect=200, data={name: token})
    again = anyone.request("POST", action, expect=200, data={name: token})

    assert ("is confirmed" in done.text, "already" in again.text) == (True, True)
    me = mine.get("/api/users/me")
    assert (me["email_verified"], me["balance"], me["welcome_bonus"]) == (True, 500.0, 500.0)
    assert mine.request("POST", "/api/users/me/verify-email", expect=409).json()["error"]["code"] == "CONFLICT"
    assert len(smtp.taken) == 1


def test_links_that_are_no_good_get_a_page_that_says_so(build: Build, smtp: SmtpServer) -> None:
    house = build(**_settings(smtp))
    nobody = house.api()
    for token in ("", "x", "%00", '"><script>alert(1)</script>', "a" * 5000):
        for answer in (
            nobody.client.get("/verify-email", params={"token": token} if token else {}),
            nobody.client.post("/verify-email", data={"token": token}),
        ):
            assert answer.status_code in (400, 422), token
            assert "<script>" not in answer.text
    assert nobody.client.post("/verify-email", content=b"a" * 10_000).status_code == 413
    assert nobody.client.post("/verify-email", content=b"\xff\xfe=%ff&token").status_code == 400


def test_another_letter_is_had_some_times_an_hour(build: Build, smtp: SmtpServer) -> None:
    house = build(REPLYX_LIMITS__ENABLED="true", REPLYX_LIMITS__LETTERS_PER_HOUR="2", **_settings(smtp))
    anna = house.api(house.anna)

    for _ in range(2):
        assert anna.post("/api/users/me/verify-email", expect=200) == {"status": "ok"}
        assert house.app.verification.letters.send_due() == 1
    anna.request("POST", "/api/users/me/verify-email", expect=429)
    house.api().request("POST", "/api/users/me/verify-email", expect=401)

    # Registrations of one address are counted, too: each sends a letter to whatever was typed.
    statuses = [
        house.api().client.post("/api/auth/register", json={**_NEW, "email": f"u{n}@example.com"}).status_code
        for n in range(3)
    ]
    assert statuses == [201, 201, 429]
    assert len(smtp.taken) == 2


def test_without_mail_there_is_no_letter_to_ask_for(house: House) -> None:
    refused = house.api(house.anna, **{"Accept-Language": "en"}).request(
        "POST", "/api/users/me/verify-email", expect=409
    )
    assert "replyx users verify" in refused.json()["error"]["message"]
    assert _register(house)["user"]["balance"] == 500.0


def test_a_protected_server_is_believed_only_with_a_good_certificate(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    login = {"REPLYX_MAIL__USER": "robot", "REPLYX_MAIL__PASSWORD": "s3cret", "REPLYX_MAIL__SECURITY": "starttls"}
    with smtp_server.serving(tls=tls, login=("robot", "s3cret")) as smtp:
        house = build(**_settings(smtp, **login))
        _register(house)
        assert house.app.verification.letters.send_due() == 0
        assert "certificate" in (house.app.verification.letters.last_failure() or "").lower()
        assert smtp.taken == []

        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        house.api(house.anna).post("/api/users/me/verify-email", expect=200)
        assert house.app.verification.letters.send_due() == 1
    assert (smtp.taken[0].is_encrypted, smtp.taken[0].login) == (True, "robot")


def test_a_server_without_tls_is_told_neither_the_password_nor_the_letter(build: Build) -> None:
    with smtp_server.serving(login=("robot", "s3cret")) as smtp:
        settings = {"REPLYX_MAIL__USER": "robot", "REPLYX_MAIL__PASSWORD": "s3cret"}
        house = build(**_settings(smtp, **settings, REPLYX_MAIL__SECURITY="starttls"))
        _register(house)
        assert house.app.verification.letters.send_due() == 0
        assert "STARTTLS" in (house.app.verification.letters.last_failure() or "")
    assert smtp.taken == []


def test_a_process_that_dies_while_the_server_thinks_repeats_the_letter_once(box: Box, smtp: SmtpServer) -> None:
    box.environment.update(_settings(smtp))
    smtp.holds = True
    first = box.start("up", "--port", "0")
    with Api(first.wait_for_line(r"^ready (http\S+)", 60)[1]) as api:
        api.post("/api/auth/register", _NEW, expect=201)
    wait_until(lambda: smtp.taken, 60, "no letter came")
    first.kill()
    smtp.holds = False
    smtp.released.set()

    second = box.start("up", "--port", "0")
    url = second.wait_for_line(r"^ready (http\S+)", 60)[1]
    wait_until(lambda: len(smtp.taken) == 2, 60, "the letter did not come again")
    names = {mail.message["Message-ID"] for mail in smtp.taken}
    path = _link(smtp, re.search(r"http://\S+?(?=/verify-email)", smtp.taken[-1].text)[0])  # type: ignore[index]
    with Api(url) as api:
        token = path.partition("token=")[2]
        assert api.request("POST", "/verify-email", expect=200, data={"token": token}).status_code == 200
    second.terminate()

    user = json.loads(box.run("users", "show", _NEW["email"], "--json").out)
    assert (len(names), user["balance"], user["email_verified"]) == (1, 500.0, True)
    # Nothing is left to send.
    third = box.start("up", "--port", "0")
    third.wait_for_line(r"^ready (http\S+)", 60)
    third.terminate()
    assert len(smtp.taken) == 2


def test_the_command_line_vouches_and_the_doctor_looks_at_the_mail(box: Box, smtp: SmtpServer) -> None:
    box.run("init", "--yes")
    box.run("users", "create", _NEW["email"], "--password-stdin", stdin=f"{PASSWORD}\n")
    vouched = json.loads(box.run("users", "verify", _NEW["email"], "--json").out)
    assert (vouched["email_verified"], vouched["balance"]) == (True, 500.0)

    def mail(*flags: str, **environment: str) -> tuple[str, str]:
        checks = json.loads(box.start("doctor", *flags, "--json", **environment).wait(60).out)["checks"]
        (found,) = (check for check in checks if check["name"] == "mail")
        return found["state"], found["text"]

    assert mail() == ("ok", "none: addresses are not confirmed")
    reached = _settings(smtp, REPLYX_SERVER__PUBLIC_URL="https://help.example")
    assert mail(**reached)[0] == "ok"
    assert mail(**_settings(smtp))[0] == "warn"
    secret = {"REPLYX_MAIL__USER": "robot", "REPLYX_MAIL__PASSWORD": "hidden-word"}
    state, text = mail(**reached, **secret)
    assert (state, "hidden-word" in text) == ("fail", False)
    untold = {**reached, "REPLYX_MAIL__SECURITY": "tls"}
    assert mail(**untold)[0] == "fail"
    assert mail("--offline", **untold) == ("ok", f"127.0.0.1:{smtp.port}, 0 letters wait")
    assert smtp.taken == []
