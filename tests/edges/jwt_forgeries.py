"""Sixty tokens that are none of ours: what attackers make of a real one, each with a name."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]


def pack(value: Any) -> str:
    """`value` as one part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unpack(part: str) -> Json:
    """A part of a token as an object."""
    found: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def sign(key: bytes, head: Any, body: Any, algorithm: str = "sha256") -> str:
    """A token with a true HMAC of `key`."""
    signed = f"{pack(head)}.{pack(body)}"
    return f"{signed}.{pack(hmac.new(key, signed.encode(), getattr(hashlib, algorithm)).digest())}"


def forgeries(real: str, key: bytes, public_key: bytes) -> Iterator[tuple[str, str]]:
    """Name and token. `real` is a user's access token, `key` what ours are signed with, `public_key` another's PEM.

    Those under the true key show that even a signature is not enough; no attacker could make them.
    """
    head, body, signature = real.split(".")
    yield from _without_a_signature(head, body, signature)
    yield from _under_other_keys(unpack(head), unpack(body), public_key)
    yield from _with_other_heads(unpack(head), unpack(body), key)
    yield from _with_other_claims(unpack(head), unpack(body), key)
    yield from _in_other_forms(real, head, body, signature, key)


def _without_a_signature(head: str, body: str, signature: str) -> Iterator[tuple[str, str]]:
    for name in ("none", "None", "NONE", "nOnE", "", "null"):
        yield f"alg {name!r}, nothing signed", f"{pack({'alg': name, 'typ': 'JWT'})}.{body}."
    yield "alg none, the old signature", f"{pack({'alg': 'none', 'typ': 'JWT'})}.{body}.{signature}"
    yield "alg null", f"{pack({'alg': None, 'typ': 'JWT'})}.{body}."
    yield "alg a list", f"{pack({'alg': ['HS256'], 'typ': 'JWT'})}.{body}.{signature}"
    yield "no alg", f"{pack({'typ': 'JWT'})}.{body}.{signature}"
    yield "empty signature", f"{head}.{body}."
    yield "no signature", f"{head}.{body}"
    yield "signature of zeros", f"{head}.{body}.{pack(bytes(32))}"
    yield "signature of one byte", f"{head}.{body}.{pack(bytes(1))}"
    yield "signature cut", f"{head}.{body}.{signature[:-4]}"
    yield "signature with more", f"{head}.{body}.{signature}AAAA"
    yield "another user", f"{head}.{pack({**unpack(body), 'sub': '2'})}.{signature}"
    yield "longer life", f"{head}.{pack({**unpack(body), 'exp': 2**31})}.{signature}"
    yield "an administrator", f"{head}.{pack({**unpack(body), 'is_admin': True, 'role': 'admin'})}.{signature}"


def _under_other_keys(head: Json, body: Json, public_key: bytes) -> Iterator[tuple[str, str]]:
    keys = {
        "empty": b"", "a zero": b"\x00", "zeros": bytes(32), "secret": b"secret", "changeme": b"changeme",
        "replyx": b"replyx", "a public key": public_key, "another key": hashlib.sha256(b"other").digest(),
    }  # fmt: skip
    for name, key in keys.items():
        yield f"key: {name}", sign(key, head, body)
    yield "RS256 with an HMAC of the public key", sign(public_key, {**head, "alg": "RS256"}, body)
    yield "HS512 under another key", sign(b"x" * 64, {**head, "alg": "HS512"}, body, "sha512")
    jwk = {"kty": "oct", "k": pack(b"mine" * 8)}
    yield "the key in the head", sign(b"mine" * 8, {**head, "jwk": jwk}, body)
    for name, kid in (
        ("a path", "../../../../dev/null"), ("an empty file", "/dev/null"), ("SQL", "x' UNION SELECT ''--"),
        ("a command", "|cat /etc/passwd"), ("an address", "http://127.0.0.1/key"), ("a zero", "\x00"),
    ):  # fmt: skip
        yield f"kid: {name}", sign(b"", {**head, "kid": kid}, body)
    yield "jku", sign(b"", {**head, "jku": "http://127.0.0.1/jwks.json"}, body)
    yield "x5u", sign(b"", {**head, "x5u": "http://127.0.0.1/cert.pem"}, body)


def _with_other_heads(head: Json, body: Json, key: bytes) -> Iterator[tuple[str, str]]:
    yield "true key, HS512", sign(key, {**head, "alg": "HS512"}, body, "sha512")
    yield "true key, HS384", sign(key, {**head, "alg": "HS384"}, body, "sha384")
    yield "true key, named RS256", sign(key, {**head, "alg": "RS256"}, body)
    yield "true key, alg in small letters", sign(key, {**head, "alg": "hs256"}, body)
    yield "true key, crit unknown", sign(key, {**head, "crit": ["exp2"], "exp2": 1}, body)
    yield "true key, crit empty", sign(key, {**head, "crit": []}, body)
    yield "true key, b64 false", sign(key, {**head, "b64": False, "crit": ["b64"]}, body)


def _with_other_claims(head: Json, body: Json, key: bytes) -> Iterator[tuple[str, str]]:
    now = int(time.time())
    changes: dict[str, Json] = {
        "exp in milliseconds": {"exp": (now + 3600) * 1000}, "exp of text": {"exp": str(now + 3600)},
        "exp endless": {"exp": 1e400}, "exp null": {"exp": None}, "exp true": {"exp": True},
        "exp past": {"exp": now - 1},
        "nbf to come": {"nbf": now + 3600}, "another audience": {"aud": "other"}, "no audience": {"aud": None},
        "a kind of none": {"typ": "refresh"}, "no kind": {"typ": None},
        "an empty subject": {"sub": ""}, "a subject of another form": {"sub": "1 OR 1=1"}, "a number": {"sub": 1},
        "nobody": {"sub": "999999"}, "another epoch": {"ep": "x"}, "no epoch": {"ep": None}, "jti a list": {"jti": []},
    }  # fmt: skip
    for name, change in changes.items():
        yield f"true key, {name}", sign(key, head, {**body, **change})
    for missing in ("exp", "sub", "jti", "aud", "typ", "iat", "ep"):
        yield f"true key, without {missing}", sign(key, head, {k: v for k, v in body.items() if k != missing})


def _in_other_forms(real: str, head: str, body: str, signature: str, key: bytes) -> Iterator[tuple[str, str]]:
    twice = b'{"alg":"none","alg":"HS256","typ":"JWT","typ":"JWT"}'
    yield (
        "a head with a key twice, none last",
        sign(key, twice.replace(b'"none","alg":"HS256"', b'"HS256","alg":"none"'), unpack(body)),
    )
    yield "five parts", f"{real}.{body}.{signature}"
    yield "the parts in another order", f"{body}.{head}.{signature}"
    yield "a body that is a list", sign(key, unpack(head), [unpack(body)])
    yield "a body that is text", sign(key, unpack(head), "x")
    yield "a body of broken UTF-8", sign(key, unpack(head), b"\xff\xfe")
    yield "JSON in place of a token", json.dumps({"protected": head, "payload": body, "signature": signature})
    yield "nothing", "null"


def named(make: Callable[[], Iterator[tuple[str, str]]]) -> dict[str, str]:
    """The forgeries by name; fails where two have one name."""
    rows = list(make())
    assert len(dict(rows)) == len(rows)
    return dict(rows)
