"""Finding plugins, their settings, and what becomes of those that fail."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from replyx.errors import ConfigError
from replyx.plugins.hooks import MessageNews
from replyx.plugins.host import Host, PluginCrashed
from replyx.plugins.news import Listener
from replyx.plugins.uploads import ScannerUnavailable
from tests.conftest import Configure
from tests.support.cli import Cli
from tests.support.clock import MovableClock
from tests.support.plugins import found, load, write_example, write_plugin
from tests.support.programs import wait_until

_SETTINGS = """
@dataclass(frozen=True)
class S:
    word: str = setting("hello", "A word.")
    times: int = setting(1, "A number.", low=1)
    key: str = setting("", "A key.", secret=True)
class P(Plugin):
    settings_type = S
"""


def test_bundled_plugins_are_found_and_offer_nothing_until_they_are_set_up(configure: Configure) -> None:
    host = load(configure())

    assert {one.name for one in host.known} >= {"clamav", "manual", "stripe", "yookassa"}
    assert {(one.source, one.state) for one in host.known} == {("bundled", "loaded")}
    assert set(host.payment_providers) == {"manual"}
    assert host.text_extractors == ()


def test_a_disabled_plugin_is_not_even_imported(configure: Configure, tmp_path: Path) -> None:
    write_plugin(tmp_path, "loud", "raise SystemExit")

    one = found(load(configure(REPLYX_PLUGINS__DISABLED="loud")), "loud")

    assert (one.state, one.instance) == ("disabled", None)


@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('boom')",
        "import no_such_module",
        "this is no Python",
        "class A: ...",
        "class A(Plugin): ...\nclass B(Plugin): ...",
        "class A(Plugin):\n  def __init__(self, settings, clock): raise ValueError('boom')",
        "class A(Plugin):\n  def payment_providers(self): return 1 / 0",
        "class A(Plugin):\n  def routes(self): return [PluginRoute('GET', '../x', 'anyone', print, '')]",
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_logged_by_name_and_left_out(
    configure: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    write_plugin(tmp_path, "broken", source)
    write_plugin(tmp_path, "sound", "class P(Plugin): ...")

    host = load(configure())

    assert found(host, "broken").state == "failed"
    assert found(host, "sound").state == "loaded"
    assert [getattr(record, "plugin", "") for record in caplog.records] == ["broken"]


def test_names_are_checked_and_taken_once(configure: Configure, tmp_path: Path) -> None:
    write_plugin(tmp_path, "manual", "class P(Plugin): ...")
    write_plugin(tmp_path, "Bad-Name", "class P(Plugin): ...")

    host = load(configure())

    assert [(one.source, one.state) for one in host.known if one.name == "manual"] == [
        ("bundled", "loaded"),
        ("data", "failed"),
    ]
    assert found(host, "Bad-Name").state == "failed"


def test_what_everybody_may_write_to_is_refused(configure: Configure, tmp_path: Path) -> None:
    write_plugin(tmp_path, "open", "class P(Plugin): ...").chmod(0o666)

    assert "may be written to by everybody" in found(load(configure()), "open").fault


def test_a_plugin_may_be_a_folder(configure: Configure, tmp_path: Path) -> None:
    file = write_plugin(tmp_path, "folder", "class P(Plugin): ...")
    (file.parent / "folder").mkdir()
    file.rename(file.parent / "folder" / "__init__.py")

    assert found(load(configure()), "folder").state == "loaded"


def test_settings_come_from_the_file_and_the_environment_with_their_types(configure: Configure, tmp_path: Path) -> None:
    write_plugin(tmp_path, "own", _SETTINGS)
    secret = tmp_path / "key"
    secret.write_text("hush\n")
    (tmp_path / "replyx.toml").write_text("[plugin.own]\nword = 'file'\ntimes = 2\nkey = 'file'\n")

    host = load(configure(REPLYX_PLUGIN_OWN__TIMES="3", REPLYX_PLUGIN_OWN__KEY_FILE=str(secret)))

    instance = found(host, "own").instance
    assert instance is not None
    settings = instance.settings
    assert (settings.word, settings.times, settings.key) == ("file", 3, "hush")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"REPLYX_PLUGIN_OWN__TIMES": "many"}, "REPLYX_PLUGIN_OWN__TIMES: expected int"),
        ({"REPLYX_PLUGIN_OWN__TIMES": "0"}, "outside"),
        ({"REPLYX_PLUGIN_OWN__WORDS": "x"}, "unknown setting plugin.own.words. Did you mean plugin.own.word?"),
        ({"REPLYX_PLUGIN_OWM__WORD": "x"}, "[plugin.owm]: there is no such plugin. Did you mean [plugin.own]?"),
        ({"REPLYX_PLUGINS__REQUIRED": "absent"}, "the plugin absent is not loaded (not found)"),
        ({"REPLYX_PLUGINS__REQUIRED": "own", "REPLYX_PLUGINS__DISABLED": "own"}, "own is not loaded (disabled)"),
    ],
)
def test_mistakes_in_settings_stop_the_start(
    configure: Configure, tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    write_plugin(tmp_path, "own", _SETTINGS)

    with pytest.raises(ConfigError) as refused:
        load(configure(**environment))

    assert says in refused.value.message_en


def test_secrets_of_plugins_are_not_shown(tmp_path: Path) -> None:
    cli = Cli(tmp_path, REPLYX_PLUGIN_OWN__WORD="plain", REPLYX_PLUGIN_OWN__KEY="hush")
    write_plugin(cli.data_dir, "own", _SETTINGS)

    rows = cli.json("config", "show")

    assert rows["plugin.own.word"] == {"value": "plain", "origin": "REPLYX_PLUGIN_OWN__WORD"}
    assert rows["plugin.own.key"]["value"] == "[secret]"


def test_a_crash_of_a_plugin_is_a_failure_of_the_call_alone(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PluginCrashed):
        Host().call("own", lambda: 1 // 0)

    assert [(record.message, record.__dict__["plugin"]) for record in caplog.records] == [("a plugin failed", "own")]


def test_a_scanner_that_crashes_lets_nothing_through(configure: Configure, tmp_path: Path) -> None:
    scanner = "class X:\n  name = 'x'\n  def scan(self, file): {}\n"
    plugin = "class P(Plugin):\n  def upload_scanners(self): return [X()]"
    write_plugin(tmp_path, "broken", scanner.format("return 1 // 0") + plugin)
    write_plugin(tmp_path, "sound", scanner.format("return 'Bad' if b'bad' in file.read_bytes() else None") + plugin)
    host = load(configure())
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_text("bad")

    assert host.scan(tmp_path / "bad.txt") == "Bad"
    with pytest.raises(ScannerUnavailable):
        host.scan(tmp_path / "good.txt")


def test_news_come_in_order_on_the_plugins_own_thread_whatever_single_ones_do(
    configure: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(
        tmp_path,
        "listening",
        "class P(Plugin):\n  heard = []\n  def message_received(self, news):\n"
        "    if news.dialog_id == 2: raise ValueError\n"
        "    self.heard.append((news.dialog_id, threading.current_thread().name))",
    )
    host = load(configure())
    plugin = found(host, "listening").instance

    for number in (1, 2, 3):
        host.message_received(MessageNews(number, 1, {}))
        host.answer_ready(MessageNews(9, 1, {}))
    wait_until(lambda: len(plugin.heard) == 2, 5, "the news did not come")  # type: ignore[union-attr]
    host.close()

    assert plugin.heard == [(1, "plugin-listening"), (3, "plugin-listening")]  # type: ignore[union-attr]
    assert [record.__dict__["plugin"] for record in caplog.records] == ["listening"]


def test_a_plugin_that_hangs_delays_nobody_and_is_given_up_after_three_times(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    listener, release, began, heard = Listener("slow", clock, 10.0), threading.Event(), [], []

    def hang() -> None:
        began.append(1)
        release.wait(20)

    for number in range(1, 4):
        listener.tell(hang)
        wait_until(lambda number=number: len(began) == number, 5, "the call did not begin")  # type: ignore[misc]
        clock.advance(11)
    listener.tell(lambda: heard.append(1))
    release.set()
    listener.close()

    assert heard == []
    assert [record.__dict__["times"] for record in caplog.records] == [1, 2, 3]


def test_news_for_a_slow_plugin_are_dropped_not_hoarded(clock: MovableClock, caplog: pytest.LogCaptureFixture) -> None:
    listener, release = Listener("slow", clock), threading.Event()

    for _ in range(1500):
        listener.tell(lambda: release.wait(20))
    listener.close()
    release.set()

    assert [record.message for record in caplog.records] == ["a plugin is too slow, news for it are dropped"]


def test_the_plugin_of_the_documentation_is_loaded_and_its_command_runs(tmp_path: Path) -> None:
    cli = Cli(tmp_path, REPLYX_PLUGIN_TICKETS__GREETING="Hi")
    write_example(cli.data_dir)

    assert cli.json("plugins", "check") == {"ok": True, "failed": []}
    (row,) = [row for row in cli.json("plugins", "list") if row["name"] == "tickets"]
    assert (row["state"], row["source"], row["commands"]) == ("loaded", "data", ["greet"])
    assert row["offers"] == ["text_extractors", "routes", "cli_commands", "message_received"]
    assert cli.run("plugins", "run", "tickets", "greet", "Anna").out == "Hi, Anna!\n"
    assert cli.run("plugins", "run", "tickets", "other").code == 5


def test_the_check_fails_where_a_plugin_is_broken(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    write_plugin(cli.data_dir, "broken", "raise RuntimeError('boom')")

    report = cli.json("plugins", "check", expect=1)

    assert [(row["name"], row["fault"]) for row in report["failed"]] == [("broken", "RuntimeError: boom")]
    assert "broken" in cli.run("plugins", "list").out


def test_every_plugin_that_is_bundled_is_documented_with_its_settings(configure: Configure) -> None:
    from dataclasses import fields

    from tests.support.documents import REPOSITORY

    page = (REPOSITORY / "plugins" / "README.md").read_text(encoding="utf-8")
    for one in load(configure()).known:
        assert f"## {one.name}" in page
        if one.settings_type is not None:
            assert [f.name for f in fields(one.settings_type) if f"| `{f.name}` |" not in page] == []


def test_the_doctor_names_plugins_that_failed_and_scanners_that_do_not_answer(tmp_path: Path) -> None:
    def finding(**environment: str) -> tuple[str, str]:
        cli = Cli(tmp_path, **environment)
        cli.run("users", "list")
        rows = json.loads(cli.run("doctor", "--json").out)["checks"]
        return next((row["state"], row["text"]) for row in rows if row["name"] == "plugins")

    sound = finding()
    silent = finding(REPLYX_PLUGIN_CLAMAV__ADDRESS=str(tmp_path / "no.sock"))
    write_plugin(tmp_path / "replyx-data", "broken", "raise RuntimeError('boom')")
    broken = finding()
    mistaken = Cli(tmp_path, REPLYX_PLUGIN_CLAMAV__ADRESS="x").run("doctor", "--json")

    assert sound == ("ok", "loaded: 5")
    assert silent[0] == "fail"
    assert "uploads wait" in silent[1]
    assert broken == ("fail", "not loaded: broken")
    assert (mistaken.code, "plugin.clamav.adress" in mistaken.out) == (1, True)
