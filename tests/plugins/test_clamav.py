"""Uploads through Debian's own clamd, with a signature of ours for EICAR."""

from __future__ import annotations

import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replyx.errors import ConfigError
from replyx.plugins.host import Host
from replyx.plugins.uploads import ScannerUnavailable
from replyx.storage.database import Database
from replyx.storage.knowledge import Document
from tests.conftest import Configure
from tests.edges.conftest import Build
from tests.support.clamd import EICAR, VIRUS, Clamd
from tests.support.cli import Cli
from tests.support.http import Json
from tests.support.plugins import load
from tests.support.programs import free_port, wait_until

_TEXT = "# Возврат\n\nТовар можно вернуть в течение 14 дней после покупки.\n".encode()


@pytest.fixture
def clamd() -> Iterator[Clamd]:
    daemon = Clamd()
    yield daemon
    daemon.stop()


def _host(configure: Configure, address: str, timeout: str = "60") -> Host:
    return load(configure(REPLYX_PLUGIN_CLAMAV__ADDRESS=address, REPLYX_PLUGIN_CLAMAV__TIMEOUT=timeout))


def test_every_form_of_the_virus_is_found_and_clean_files_pass(
    clamd: Clamd, configure: Configure, tmp_path: Path
) -> None:
    infected = {
        "bare": EICAR,
        "in text": _TEXT * 100 + EICAR + _TEXT,
        "at the end": b"x" * 1_000_000 + EICAR,
        "across pieces": b"x" * (65_536 - 10) + EICAR,
    }
    clean = {"text": _TEXT, "nearly": EICAR[:-1], "empty": b"", "large": bytes(range(256)) * 80_000}
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", EICAR)
    infected["zip"] = (tmp_path / "archive.zip").read_bytes()
    file = tmp_path / "upload"

    for address in (clamd.path, clamd.tcp):
        host = _host(configure, address)
        for name, content in infected.items():
            file.write_bytes(content)
            assert host.scan(file) == VIRUS, name
        for name, content in clean.items():
            file.write_bytes(content)
            assert host.scan(file) is None, name


def test_a_virus_is_refused_at_the_upload_and_leaves_nothing(clamd: Clamd, build: Build, tmp_path: Path) -> None:
    house = build(with_worker=True, REPLYX_PLUGIN_CLAMAV__ADDRESS=clamd.path)
    api, assistant = house.api(house.anna), house.assistant()
    bad, good = tmp_path / "bad.txt", tmp_path / "good.md"
    bad.write_bytes(EICAR)
    good.write_bytes(_TEXT)

    refused = api.upload(assistant["id"], bad, expect=422)
    sent = api.upload(assistant["id"], good)
    wait_until(lambda: api.get(f"/api/documents/{sent['id']}")["status"] == "completed", 60, "it was not read")

    assert refused["error"]["code"] == "VIRUS_DETECTED"
    assert refused["error"]["details"] == {"found": VIRUS}
    assert [row["filename"] for row in api.get("/api/documents")] == ["good.md"]
    assert len(list((house.app.config.data_dir / "uploads").iterdir())) == 1


def test_without_clamd_uploads_wait_and_are_scanned_when_it_is_back(clamd: Clamd, build: Build, tmp_path: Path) -> None:
    house = build(with_worker=True, REPLYX_PLUGIN_CLAMAV__ADDRESS=clamd.path)
    api, assistant = house.api(house.anna), house.assistant()
    bad, good = tmp_path / "bad.txt", tmp_path / "good.md"
    bad.write_bytes(_TEXT + EICAR)
    good.write_bytes(_TEXT)
    clamd.halt()

    sent = [api.upload(assistant["id"], file) for file in (bad, good)]
    waiting = [row["id"] for row in sent]
    # More tries than a document has: waiting for a scanner is none of them.
    for _ in range(8):
        assert [house.app.knowledge.ingest(number) for number in waiting].count(None) <= 2
        _let_go(house.app.db, waiting)

    def of(number: int) -> Json:
        found: Json = api.get(f"/api/documents/{number}")
        return found

    assert [of(number)["status"] for number in waiting] == ["processing", "processing"]
    search = f"/api/knowledge/search?assistant_id={assistant['id']}&q=вернуть товар"
    assert api.get(search)["results"] == []
    clamd.start_again()
    wait_until(lambda: "processing" not in [of(number)["status"] for number in waiting], 60, "they still wait")

    assert (of(waiting[0])["status"], of(waiting[0])["error"]["code"]) == ("failed", "virus")
    assert (of(waiting[1])["status"], of(waiting[1])["error"]) == ("completed", None)
    assert len(list((house.app.config.data_dir / "uploads").iterdir())) == 1
    assert api.get(search)["results"][0]["document_id"] == waiting[1]


def test_a_file_that_clamd_will_not_take_is_not_let_through(configure: Configure, tmp_path: Path) -> None:
    daemon = Clamd(most_bytes=100_000)
    try:
        host = _host(configure, daemon.path)
        (tmp_path / "large").write_bytes(b"x" * 5_000_000)
        (tmp_path / "small").write_bytes(b"x" * 50_000)

        with pytest.raises(ScannerUnavailable):
            host.scan(tmp_path / "large")
        assert host.scan(tmp_path / "small") is None
    finally:
        daemon.stop()


@contextmanager
def _impostor(answer: bytes, *, silent: bool = False) -> Iterator[str]:
    """Something that listens where clamd should, takes a stream and answers what it likes."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while not connection.recv(65_536).endswith(bytes(4)):
                    continue
                if silent:
                    ended.wait(20)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0", b"stream: OK but not\0", b"UNKNOWN COMMAND\0", b"x" * 10_000, b"stream: lstat() failed. ERROR\0"],
)
def test_answers_that_are_no_yes_let_nothing_through(configure: Configure, tmp_path: Path, answer: bytes) -> None:
    (tmp_path / "file").write_bytes(_TEXT)

    with _impostor(answer) as address, pytest.raises(ScannerUnavailable):
        _host(configure, address).scan(tmp_path / "file")


def test_a_silent_clamd_is_given_up(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(_TEXT)

    with _impostor(b"stream: OK\0", silent=True) as address, pytest.raises(ScannerUnavailable, match="timed out"):
        _host(configure, address, timeout="0.3").scan(tmp_path / "file")


def test_without_an_address_nothing_is_scanned_and_a_wrong_one_is_refused(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(EICAR)

    assert load(configure()).scan(tmp_path / "file") is None
    for address in ("localhost", "localhost:", ":3310", "relative/path", "localhost:port"):
        with pytest.raises(ConfigError, match=r"plugin\.clamav\.address"):
            _host(configure, address)
    with pytest.raises(ScannerUnavailable):
        _host(configure, f"127.0.0.1:{free_port()}").scan(tmp_path / "file")


def test_an_installation_that_needs_its_scanner_does_not_start_without_it(tmp_path: Path) -> None:
    cli = Cli(tmp_path, REPLYX_PLUGINS__REQUIRED="clamav", REPLYX_PLUGINS__DISABLED="clamav")

    code, error = cli.error("users", "list")

    assert (code, error["code"]) == (3, "CONFIG_ERROR")
    assert "clamav" in error["message"]


def _let_go(db: Database, documents: list[int]) -> None:
    """Let the pause until the next scan be over."""
    with db.transaction():
        Document.update(lease_until=0).where(Document.id.in_(documents)).execute()
