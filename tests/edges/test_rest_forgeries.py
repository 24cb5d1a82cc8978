"""Forged tokens open nothing, over HTTP and through the socket."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.exceptions import ConnectionClosed

from replyx.security.master_key import derive_key, load_master_key
from tests.edges.jwt_forgeries import forgeries, named, pack, sign, unpack
from tests.support.house import House


def _made(house: House) -> tuple[str, bytes, dict[str, str]]:
    real = house.token(house.anna)
    key = derive_key(load_master_key(house.app.config), "jwt")
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return real, key, named(lambda: forgeries(real, key, pem))


def test_the_forger_knows_how_a_true_token_is_made(house: House) -> None:
    real, key, _ = _made(house)
    head, body, _ = real.split(".")

    again = sign(key, unpack(head), unpack(body))

    assert house.api(Authorization=f"Bearer {again}").get("/api/users/me")["id"] == house.anna.id
    assert pack(unpack(body)) == body


def test_no_forged_token_is_accepted_by_any_kind_of_route(house: House) -> None:
    _, _, tokens = _made(house)
    session = house.session(house.assistant())
    assert len(tokens) >= 60
    accepted = []

    for name, token in tokens.items():
        for path in ("/api/users/me", "/api/admin/users", f"/api/widget/dialogs/{session['dialog_key']}/messages"):
            answer = house.api().client.get(path, headers={b"Authorization": b"Bearer " + token.encode()})
            if answer.status_code != 401:
                accepted.append((name, path, answer.status_code))
    assert accepted == []


def test_no_forged_token_opens_a_socket(house: House) -> None:
    _, _, tokens = _made(house)
    session = house.session(house.assistant())
    accepted = []

    for name, token in tokens.items():
        for dialog in (session["dialog_id"], session["dialog_key"]):
            socket = house.api().socket(f"/ws/dialogs/{dialog}")
            with socket:
                socket.send({"type": "auth", "token": token})
                try:
                    socket.send({"type": "resume", "last_seq": 999})
                    accepted.append((name, socket.next()))
                except ConnectionClosed:
                    if socket.connection.close_code != 4401:
                        accepted.append((name, {"closed": socket.connection.close_code}))
    assert accepted == []
