"""Addresses that tenants type lead to the internet and nowhere else, whatever form they have."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from replyx.errors import AddressRefused, FetchFailed
from replyx.security.fetching import Bounds, Outgoing
from replyx.security.outgoing import OutgoingUrls, is_public, parse_url
from tests.support.traps import reply, site, trap

#: `{p}` is the port of a trap on 127.0.0.1, `{p6}` of one on ::1.
INSIDE = [
    # Plainly inside.
    "http://127.0.0.1:{p}/", "http://localhost:{p}/", "http://localhost.:{p}/", "http://LOCALHOST:{p}/",
    "http://127.0.0.2:{p}/", "http://127.255.255.254:{p}/", "http://0.0.0.0:{p}/", "http://[::1]:{p6}/",
    "http://[::]:{p6}/", "http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://192.0.0.192/", "http://198.18.0.1/",
    "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/", "http://192.0.2.1/", "http://203.0.113.9/",
    # The same address in other numbers.
    "http://2130706433:{p}/", "http://017700000001:{p}/", "http://0x7f000001:{p}/", "http://0x7f.0.0.1:{p}/",
    "http://0177.0.0.1:{p}/", "http://127.1:{p}/", "http://127.0.1:{p}/", "http://0:{p}/", "http://127.0.0.01:{p}/",
    "http://127.0.0.0x1:{p}/", "http://0x7F.1:{p}/", "http://00000177.0.0.1:{p}/", "http://127.0.0.1.:{p}/",
    "http://4294967295/", "http://3232235777/", "http://025177524776/", "http://0xa9fea9fe/", "http://2852039166/",
    # In letters of other scripts.
    "http://①②⑦.⓪.⓪.①:{p}/", "http://１２７.０.０.１:{p}/", "http://127。0。0。1:{p}/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{p}/",
    "http://ｌｏｃａｌｈｏｓｔ:{p}/", "http://localho\u00adst:{p}/", "http://169｡254｡169｡254/",
    # Carried inside IPv6.
    "http://[::ffff:127.0.0.1]:{p}/", "http://[::ffff:7f00:1]:{p}/", "http://[0:0:0:0:0:ffff:7f00:0001]:{p}/",
    "http://[::127.0.0.1]:{p}/", "http://[64:ff9b::7f00:1]:{p}/", "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]:{p}/", "http://[2001:0:7f00:1::]/",
    "http://[fe80::1%25lo]:{p6}/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/",
    "http://[fec0::1]/", "http://[ff02::1]/", "http://[2001:db8::1]/", "http://[::ffff:a9fe:a9fe]/",
    # What two parsers read differently.
    "http://example.com@127.0.0.1:{p}/", "http://127.0.0.1:{p}@example.com/", "http://example.com:80@127.0.0.1:{p}/",
    "http://127.0.0.1:{p}#@example.com/", "http://127.0.0.1:{p}?@example.com/", "http://example.com\\@127.0.0.1:{p}/",
    "http://127.0.0.1:{p}\\@example.com/", "http:\\\\127.0.0.1:{p}/", "http://exam\tple.com/", "http://127.0.0.1\t:{p}/",
    "http://127.0.0.1%2f:{p}/", "http://%31%32%37.0.0.1:{p}/", "http://127.0.0.1%00.example.com:{p}/",
    "http://[127.0.0.1]:{p}/", "http://[::1]x:{p6}/", "http:///127.0.0.1:{p}/", "http:127.0.0.1:{p}/",
    "//127.0.0.1:{p}/", "127.0.0.1:{p}", " http://127.0.0.1:{p}/", "http://127.0.0.1:{p}/\r\nHost: example.com",
    "http://example.com:/", "http://example.com:99999/", "http://example.com:-1/",
    # No web at all.
    "file:///etc/passwd", "gopher://127.0.0.1:{p}/_x", "ftp://127.0.0.1:{p}/", "dict://127.0.0.1:{p}/", "data:,x",
    "ldap://127.0.0.1:{p}/", "unix:///run/redis.sock", "jar:http://127.0.0.1!/", "http://example.com:22/",
    "http://example.com:25/", "", "http://", "https://",
    # A name whose server says what it likes.
    "http://inside.example:{p}/", "http://both.example:{p}/", "http://mapped.example:{p}/", "http://scoped.example:{p6}/",
    "http://metadata.example/", "http://a..example/", "http://-a.example/", "http://" + "a" * 64 + ".example/",
]  # fmt: skip

_NAMES = {
    "inside.example": ["127.0.0.1"],
    "both.example": ["93.184.216.34", "127.0.0.1"],
    "second.example": ["127.0.0.2"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "scoped.example": ["fe80::1%lo"],
    "metadata.example": ["169.254.169.254"],
    "localhost": ["127.0.0.1", "::1"],
    "site.example": ["93.184.216.34"],
}


def _resolve(host: str, port: int) -> Sequence[str]:
    if host.rstrip(".") in _NAMES:
        return _NAMES[host.rstrip(".")]
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_no_form_of_an_inner_address_is_called() -> None:
    outgoing = Outgoing(OutgoingUrls(resolve=_resolve))
    let_through = []
    with trap() as four, trap("::1") as six:
        for form in INSIDE:
            try:
                outgoing.request("GET", form.format(p=four.port, p6=six.port), bounds=Bounds(seconds=2, redirects=3))
            except (AddressRefused, FetchFailed):
                continue
            let_through.append(form)

        assert (four.hits, six.hits, let_through) == (0, 0, [])
    assert len(INSIDE) >= 80


def test_a_redirect_is_judged_like_a_first_address() -> None:
    with trap("127.0.0.2") as inner:
        places = [
            f"http://127.0.0.2:{inner.port}/", f"//127.0.0.2:{inner.port}/", f"http://2130706434:{inner.port}/",
            f"http://second.example:{inner.port}/", "file:///etc/passwd", f"http://[::ffff:127.0.0.2]:{inner.port}/",
        ]  # fmt: skip

        def lead(handler: BaseHTTPRequestHandler) -> None:
            number = int(handler.path[1:])
            status = (301, 302, 303, 307, 308)[number % 5]
            reply(handler, status=status, headers={"Location": places[number]})

        with site(lead) as outer:
            outgoing = Outgoing(OutgoingUrls(["127.0.0.1/32"], _resolve))
            for number in range(len(places)):
                with pytest.raises(AddressRefused):
                    outgoing.request("GET", f"{outer.url}/{number}", bounds=Bounds(redirects=5))
            followed = outgoing.request("GET", f"{outer.url}/0")

        assert (len(outer.seen), inner.hits) == (len(places) + 1, 0)
        assert followed.status == 301, "without leave to follow, the redirect is the answer"


def test_redirects_that_never_end_are_given_up() -> None:
    with site(lambda h: reply(h, status=302, headers={"Location": h.path + "x"})) as endless:
        with pytest.raises(FetchFailed, match="redirects"):
            Outgoing(OutgoingUrls(["127.0.0.0/8"])).request("GET", f"{endless.url}/", bounds=Bounds(redirects=4))

        assert len(endless.seen) == 5


def test_a_name_that_changes_its_mind_is_called_at_the_address_that_was_checked() -> None:
    asked: list[str] = []

    def rebind(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with trap("127.0.0.2") as inner, site(lambda h: reply(h, h.headers["Host"].encode())) as outer:
        port = outer.url.rpartition(":")[2]
        outgoing = Outgoing(OutgoingUrls(["127.0.0.1/32"], rebind))
        answer = outgoing.request("GET", f"http://rebinding.example:{port}/")

        assert (answer.body.decode(), asked) == (f"rebinding.example:{port}", ["rebinding.example"])
        with pytest.raises(AddressRefused):
            outgoing.request("GET", f"http://rebinding.example:{port}/")
        assert inner.hits == 0


def test_what_the_environment_calls_a_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with trap() as proxy, site(lambda h: reply(h, b"direct")) as outer:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")

        answer = Outgoing(OutgoingUrls(["127.0.0.0/8"])).request("GET", outer.url)

        assert (answer.body, proxy.hits) == (b"direct", 0)


@pytest.mark.parametrize("how", ["large", "endless", "silent", "trickle", "cut", "garbage", "head"])
def test_an_answer_has_bounds(how: str) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        send, end = handler.wfile.write, time.monotonic() + 60
        if how == "large":
            reply(handler, b"x" * 100_000)
        elif how == "endless":
            send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while time.monotonic() < end:
                send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        elif how == "silent":
            handler.connection.recv(1)
        elif how == "cut":
            send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            handler.close_connection = True
        elif how == "garbage":
            send(b"\x00\xff not http at all\r\n\r\n")
            handler.close_connection = True
        else:
            send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" if how == "trickle" else b"HTTP/1.1 200 OK\r\nX: ")
            while time.monotonic() < end:
                send(b"x")
                handler.wfile.flush()
                time.sleep(0.02)

    with site(answer) as odd:
        start = time.monotonic()
        with pytest.raises(FetchFailed) as failed:
            Outgoing(OutgoingUrls(["127.0.0.0/8"])).request(
                "GET", odd.url, bounds=Bounds(seconds=0.5, max_bytes=50_000)
            )

    assert time.monotonic() - start < 30
    assert odd.url in failed.value.message_ru


def test_a_certificate_is_checked_against_the_name_not_the_address(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=site.example", "-addext", "subjectAltName=DNS:site.example",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    trusting = ssl.create_default_context(cafile=str(certificate))
    with site(lambda h: reply(h, b"hello")) as served:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        served.wrap(context)
        port = served.url.rpartition(":")[2]
        urls = OutgoingUrls(["127.0.0.0/8"], lambda host, port: ["127.0.0.1"])

        assert Outgoing(urls, trusting).request("GET", f"https://site.example:{port}/").body == b"hello"
        for client, host in ((Outgoing(urls, trusting), "other.example"), (Outgoing(urls), "site.example")):
            with pytest.raises(FetchFailed, match="certificate"):
                client.request("GET", f"https://{host}:{port}/")


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("https://site.example", ("https", "site.example", 443, "/")),
        ("HTTPS://Site.Example/A?b=c#d", ("https", "site.example", 443, "/A?b=c")),
        ("http://site.example:8080/ф%20", ("http", "site.example", 8080, "/%D1%84%20")),
        ("https://пример.рф/путь", ("https", "xn--e1afmkfd.xn--p1ai", 443, "/%D0%BF%D1%83%D1%82%D1%8C")),
        ("http://8.8.8.8/", ("http", "8.8.8.8", 80, "/")),
        ("http://[2606:4700:4700::1111]/", ("http", "2606:4700:4700::1111", 80, "/")),
        ("https://site.example.?q=1", ("https", "site.example", 443, "/?q=1")),
    ],
)
def test_a_plain_address_is_understood(url: str, parsed: tuple[str, str, int, str]) -> None:
    assert parse_url(url) == parsed


def test_public_addresses_are_let_through_with_all_that_the_name_has() -> None:
    assert OutgoingUrls(resolve=_resolve).check("https://site.example/a").addresses == ("93.184.216.34",)
    assert all(is_public(ipaddress.ip_address(a)) for a in ("1.1.1.1", "2606:4700::1", "64:ff9b::101:101"))


def test_a_name_that_nobody_has_is_told_apart_from_a_refused_one() -> None:
    with pytest.raises(FetchFailed, match=r"nobody\.example"):
        OutgoingUrls(resolve=_resolve).check("https://nobody.example/")
