"""Settings: where they come from, which one wins, and errors that say where and what to write."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from replyx.config.document import render_toml, shown
from replyx.config.loading import load_config
from replyx.config.settings import Config, all_settings
from replyx.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "replyx.toml"


def _load(file: Path, text: str, **environment: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return load_config(file, environment)


def _refused(file: Path, text: str, **environment: str) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        _load(file, text, **environment)
    return refused.value


def test_without_anything_the_defaults_hold(file: Path) -> None:
    config = _load(file, "")

    assert (config.server.host, config.server.port) == ("127.0.0.1", 8000)
    assert config.is_embedded
    assert config == Config()


def test_later_sources_win(file: Path) -> None:
    file.write_text("[server]\nport = 1\nhost = 'file'\ndocs = false\n")

    config = load_config(file, {"REPLYX_SERVER__PORT": "2", "REPLYX_SERVER__HOST": "environment"}, {"server.port": 3})

    assert (config.server.port, config.server.host, config.server.docs) == (3, "environment", False)
    assert config.origin["server.port"] == "command line"
    assert config.origin["server.host"] == "REPLYX_SERVER__HOST"
    assert config.origin["server.docs"] == str(file)
    assert config.path == file


def test_the_data_directory_holds_the_database_and_the_knowledge(tmp_path: Path, file: Path) -> None:
    config = _load(file, "", REPLYX_DATA_DIR=str(tmp_path / "data"))

    assert config.database_url == f"sqlite:///{tmp_path / 'data' / 'replyx.db'}"
    assert config.knowledge_uri == str(tmp_path / "data" / "knowledge")


def test_the_path_of_the_file_may_stand_in_the_environment(file: Path) -> None:
    file.write_text("[server]\nport = 7\n")

    assert load_config(None, {"REPLYX_CONFIG": str(file)}).server.port == 7


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(file))):
        load_config(file, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nport = '80'", "server.port: expected int, got '80'"),
        ("[server]\nport = true", "server.port: expected int, got True"),
        ("[server]\nport = 8000.0", "server.port: expected int, got 8000.0"),
        ("[server]\nport = 70000", "server.port = 70000: outside 0…65535"),
        ("[server]\nprot = 80", "unknown setting server.prot. Did you mean server.port?"),
        ("[sevrer]\nport = 80", "unknown setting sevrer.port. Did you mean server.port?"),
        ("port = 80", "'port' stands outside a section. Sections look like [server]"),
        ("[server]\ntrusted_proxies = '10.0.0.1'", "server.trusted_proxies: expected list of strings"),
        ("[server]\ntrusted_proxies = [1]", "server.trusted_proxies: expected list of strings"),
        ("[log]\nlevel = 'loud'", "log.level = 'loud': allowed are debug, info, warning, error"),
        ("[database]\ntimeout = nan", "database.timeout = nan: outside ≥ 0.1"),
        ("[database]\ntimeout = inf", "database.timeout = inf: outside ≥ 0.1"),
        ("[database]\ntimeout = 0", "database.timeout = 0.0: outside ≥ 0.1"),
        ("[server.more]\nport = 1", "unknown setting server.more"),
        ("[server\nport = 80", "is not valid TOML"),
        ("[server]\nport_file = '/etc/port'", "unknown setting server.port_file"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(file: Path, text: str, says: str) -> None:
    error = _refused(file, text)

    assert says in error.message_en
    assert str(file) in error.message_en
    assert str(file) in error.message_ru


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("REPLYX_SERVER__PORT", "eighty", "REPLYX_SERVER__PORT: expected int, got 'eighty'"),
        ("REPLYX_SERVER__DOCS", "maybe", "REPLYX_SERVER__DOCS: expected bool, got 'maybe'"),
        ("REPLYX_DATABASE__TIMEOUT", "nan", "outside ≥ 0.1"),
        ("REPLYX_SERVER__TRUSTED_PROXIES", "[10.0.0.1]", "expected list of strings, got '[10.0.0.1]'"),
        ("REPLYX_SERVER__TRUSTED_PROXIES", "[1]", "expected list of strings, got '[1]'"),
        ("REPLYX_DATABASE__POOL", "1", "database.pool = 1: outside 2…500"),
        ("REPLYX_SERVER__PROT", "80", "variable REPLYX_SERVER__PROT. Did you mean REPLYX_SERVER__PORT?"),
        ("REPLYX_DATABASE__URL_FILE", "/no/such/file", "/no/such/file cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_environment_is_named(file: Path, name: str, value: str, says: str) -> None:
    assert says in _refused(file, "", **{name: value}).message_en


def test_the_environment_s_words_become_values(file: Path) -> None:
    config = _load(
        file,
        "",
        REPLYX_SERVER__DOCS="no",
        REPLYX_LIMITS__ENABLED="False",
        REPLYX_SERVER__TRUSTED_PROXIES="10.0.0.1, 10.0.0.2,",
        REPLYX_DATABASE__TIMEOUT="2",
        REPLYX_BILLING__RETURN_URLS='["https://a.example", "https://b.example"]',
        REPLYX_HANDOFF__KEYWORDS="[]",
    )

    assert (config.server.docs, config.limits.enabled, config.database.timeout) == (False, False, 2.0)
    assert config.server.trusted_proxies == ["10.0.0.1", "10.0.0.2"]
    assert config.billing.return_urls == ["https://a.example", "https://b.example"]
    assert config.handoff.keywords == []


def test_other_variables_of_ours_are_left_alone(file: Path) -> None:
    assert _load(file, "", REPLYX_SOMETHING="else", PATH="/bin") == Config()


def test_whole_numbers_do_where_fractions_are_meant(file: Path) -> None:
    assert _load(file, "[billing]\nmessage_price = 3").billing.message_price == 3.0


def test_secrets_come_from_files_of_their_own(tmp_path: Path, file: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text("postgresql://replyx:hush@127.0.0.1/replyx\n")

    by_file = _load(file, f"[database]\nurl_file = '{secret}'\n")
    by_environment = _load(file, "", REPLYX_DATABASE__URL_FILE=str(secret))

    assert by_file.database.url == by_environment.database.url == "postgresql://replyx:hush@127.0.0.1/replyx"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path, file: Path, content: bytes | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)

    error = _refused(file, f"[security]\nsecret_key_file = '{secret}'\n")

    assert str(secret) in error.message_en
    assert "security.secret_key_file" in error.message_en


def test_secrets_are_shown_neither_by_the_configuration_nor_by_its_errors(file: Path) -> None:
    config = _load(file, "[redis]\nurl = 'redis://:hush@127.0.0.1'\n")
    redis_url = next(row for row in all_settings() if row.name == "redis.url")
    database_url = next(row for row in all_settings() if row.name == "database.url")

    assert shown(config, redis_url) == "[secret]"
    assert shown(config, database_url) == ""
    assert "12345" not in _refused(file, "[security]\nsecret_key = 12345\n").message_en


def test_the_written_file_says_what_holds_without_it(file: Path) -> None:
    every_line = re.sub(r"^#(?! )", "", render_toml(), flags=re.MULTILINE)

    written = tomllib.loads(every_line)

    assert len([key for section in written.values() for key in section]) == len(list(all_settings()))
    assert _load(file, every_line) == Config()
    assert _load(file, render_toml()).origin == {}


def test_every_setting_can_be_set_from_the_environment(file: Path) -> None:
    for row in all_settings():
        default = row.default
        text = ",".join(default) if isinstance(default, list) else str(default)
        assert _load(file, "", **{row.environment: text}).origin == {row.name: row.environment}
