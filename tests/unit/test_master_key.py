"""The master key: made once, kept from others, refused where it is weak."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replyx.errors import ConfigError
from replyx.security.master_key import derive_key, load_master_key
from tests.conftest import Configure


def test_the_first_start_makes_a_key_that_only_its_owner_reads(configure: Configure, tmp_path: Path) -> None:
    config = configure(REPLYX_DATA_DIR=str(tmp_path / "new" / "data"))
    key = load_master_key(config)

    file = config.data_dir / "secret.key"
    assert len(key) == 32
    assert bytes.fromhex(file.read_text()) == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_master_key(config) == key
    assert [path.name for path in config.data_dir.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_agree_on_one_key(configure: Configure) -> None:
    config = configure()
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_master_key(config), range(32)))
    assert len(keys) == 1


def test_a_setting_goes_before_the_file(configure: Configure) -> None:
    text = "0123456789abcdef" * 2 + "f7e6d5c4b3a29180" * 2
    config = configure(REPLYX_SECURITY__SECRET_KEY=text)

    assert load_master_key(config) == bytes.fromhex(text)
    assert not (config.data_dir / "secret.key").exists()
    phrase = "seven wonders of a quiet city at night"
    assert load_master_key(configure(REPLYX_SECURITY__SECRET_KEY=phrase)) == phrase.encode()


@pytest.mark.parametrize(
    "text",
    [
        "tooshort", "0" * 64, "abcabcabc" * 10, "a1b2c3d4" * 4, "changeme-changeme-changeme-0123456789",
        "my default key 0123456789abcdefghij",
    ],
)  # fmt: skip
def test_a_weak_key_is_refused_and_never_shown(configure: Configure, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_master_key(configure(REPLYX_SECURITY__SECRET_KEY=text))
    assert "openssl rand -hex 32" in refused.value.message_en
    assert text not in refused.value.message_en + refused.value.message_ru


@pytest.mark.parametrize("content", [b"", b"too short\n", b"\xff\xfe\xff"])
def test_a_damaged_key_file_is_refused_and_not_replaced(configure: Configure, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        load_master_key(configure())

    assert str(file) in refused.value.message_en
    assert file.read_bytes() == content


def test_a_key_that_others_can_read_is_told_of(
    configure: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_master_key(configure())
    (tmp_path / "secret.key").chmod(0o644)

    with caplog.at_level(logging.WARNING):
        load_master_key(configure())

    assert "others can read the master key" in caplog.text


def test_a_data_directory_that_is_a_file_is_a_clear_error(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(ConfigError):
        load_master_key(configure(REPLYX_DATA_DIR=str(tmp_path / "data")))


def test_keys_of_different_purposes_differ() -> None:
    key = bytes(range(32))
    assert len({derive_key(key, "jwt"), derive_key(key, "secretbox"), key, derive_key(key[::-1], "jwt")}) == 4
    assert derive_key(key, "jwt") == derive_key(key, "jwt")
