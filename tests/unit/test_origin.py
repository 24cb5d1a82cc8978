"""Origins: which pages may use a widget. Only what is listed, exactly as browsers write it."""

from __future__ import annotations

import pytest

from replyx.assistants.origins import normalize_domains, origin_is_allowed
from replyx.errors import ValidationFailed

OWN = {"http://127.0.0.1:8000", "https://help.example.org"}
ALLOWED = normalize_domains(
    ["example.com", "*.shop.example.com", "пример.рф", "intranet.example:80", "dev.example:8443", "localhost:3000"]
)


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com", "https://a.shop.example.com", "https://a.b.shop.example.com",
        "https://xn--e1afmkfd.xn--p1ai", "http://intranet.example", "https://dev.example:8443",
        "http://dev.example:8443", "http://localhost:3000", "http://127.0.0.1:8000", "https://help.example.org",
    ],
)  # fmt: skip
def test_a_listed_page_may_use_the_widget(origin: str) -> None:
    assert origin_is_allowed(origin, ALLOWED, OWN)


@pytest.mark.parametrize(
    "origin",
    [
        None, "", "null", "*", "https://", "https://evil.example", "https://example.com.evil.io",
        "https://evil-example.com", "https://notexample.com", "https://www.example.com", "http://example.com",
        "http://example.com:80", "https://example.com:443", "https://example.com:8443", "https://example.com:",
        "https://example.com:0", "https://example.com:99999", "https://user@example.com", "https://user:pw@example.com",
        "https://example.com@evil.io", "https://example.com/", "https://example.com/path", "https://example.com?x",
        "https://example.com#x", "https://example.com\\@evil.io", "https://EXAMPLE.com", "HTTPS://example.com",
        "https://example.com.", "https://example..com", "https://.example.com", " https://example.com",
        "https://example.com ", "https://example.com\n", "https://example.com\x00", "https://example.com, https://a.io",
        "//example.com", "example.com", "ftp://example.com", "ws://example.com", "wss://example.com",
        "file://", "chrome-extension://abcdef", "https://shop.example.com", "https://evilshop.example.com",
        "https://a.shop.example.com.evil.io", "https://пример.рф", "https://xn--e1afmkfd.xn--p1ai.evil.io",
        "https://exаmple.com", "http://intranet.example:8080", "https://intranet.example", "https://dev.example",
        "http://localhost", "http://localhost:3001", "http://127.0.0.1:8001", "https://127.0.0.1:8000",
        "http://help.example.org", "http://[::1]", "https://0x7f.1", "https://example.com:0443", "https://example.com:４４３",
    ],
)  # fmt: skip
def test_every_other_origin_is_refused(origin: str | None) -> None:
    assert not origin_is_allowed(origin, ALLOWED, OWN)


def test_an_empty_list_allows_the_appliances_own_pages_only() -> None:
    assert origin_is_allowed("http://127.0.0.1:8000", [], OWN)
    for origin in ("https://example.com", "http://127.0.0.1", "null", None):
        assert not origin_is_allowed(origin, [], OWN)
        assert not origin_is_allowed(origin, [], set())


def test_this_machine_may_be_listed_without_a_port() -> None:
    allowed = normalize_domains(["localhost", "127.0.0.1", "[::1]"])
    for origin in ("http://localhost", "https://localhost", "http://127.0.0.1", "http://[::1]"):
        assert origin_is_allowed(origin, allowed, set())
    assert not origin_is_allowed("http://localhost:8080", allowed, set())
    assert not origin_is_allowed("http://127.0.0.2", allowed, set())


def test_an_entry_that_was_not_normalized_allows_nobody() -> None:
    for entry in ("*", "*.", "", "https://example.com", "EXAMPLE.com", ".*", "example.com/"):
        assert not origin_is_allowed("https://example.com", [entry], set())


def test_domains_are_kept_in_one_form_and_once() -> None:
    given = [
        " Example.COM ",
        "example.com",
        "*.Example.com",
        "example.com:08443",
        "Пример.РФ",
        "bücher.example",
        "[::1]:80",
    ]
    assert normalize_domains(given) == [
        "example.com",
        "*.example.com",
        "example.com:8443",
        "xn--e1afmkfd.xn--p1ai",
        "xn--bcher-kva.example",
        "[::1]:80",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "", "*", "*.", "*.com", "**.example.com", "a.*.com", "*example.com", "https://example.com", "example.com/",
        "example.com/path", "user@example.com", "example.com:", "example.com:0", "example.com:65536", "example.com:x",
        "exa mple.com", "example..com", ".example.com", "example.com.", "-example.com", "example.com\x00",
        "a" * 64 + ".com", "a." * 130 + "com", "999.1.1.1", "1.2.3", "*.127.0.0.1",
        "*.[::1]", "[::1", "[zz]", "[0:0:0:0:0:0:0:1]", "\u2024.com",
        "☃️..com", 5, None, ["example.com"], {"host": "example.com"},
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused_by_its_place(entry: object) -> None:
    with pytest.raises(ValidationFailed) as refused:
        normalize_domains(["example.com", entry])
    assert refused.value.details["field"] == "allowed_domains.1"


@pytest.mark.parametrize("values", ["example.com", {"example.com": 1}, 5, [f"{n}.example" for n in range(51)]])
def test_what_is_no_list_or_too_long_is_refused(values: object) -> None:
    with pytest.raises(ValidationFailed):
        normalize_domains(values)  # type: ignore[arg-type]
