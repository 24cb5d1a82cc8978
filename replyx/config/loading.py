"""Where settings come from, later ones winning: defaults, replyx.toml, secret files, the environment, flags."""

from __future__ import annotations

import difflib
import json
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from replyx.config.plugin_sections import PLUGIN_ENVIRONMENT, found_in_environment, rows_of_plugin
from replyx.config.rows import Given, Setting
from replyx.config.settings import Config, MailSettings, all_settings, sections, zone_of
from replyx.errors import ConfigError

#: Where a configuration is looked for when no path is given.
SEARCH_PATHS = (Path("replyx.toml"), Path("/etc/replyx/replyx.toml"))


def load_config(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Read the configuration.

    `path` is `--config`; without it `REPLYX_CONFIG`, `./replyx.toml` and `/etc/replyx/replyx.toml` are tried.
    `overrides` maps `section.key` to a value from a flag.

    Raises:
        ConfigError: a file is missing or broken, a name is unknown, a value has the wrong type or is out of range.
    """
    env = os.environ if environ is None else environ
    file = _find(path, env)
    table = {s.name: s for s in all_settings()}
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}

    def put(name: str, value: Any, where: str) -> None:
        values[name], origin[name] = value, where

    plugins: dict[str, dict[str, Given]] = {}
    if file is not None:
        data = _read_toml(file)
        plugins = _plugin_sections(data.pop("plugin", {}), file)
        for name, value in _flatten(data, file):
            row, real = _known(name, table, file)
            put(row.name, _from_file(row, value, file, secret_file=real != row.name), str(file))
    if env.get("REPLYX_DATA_DIR"):
        put("paths.data_dir", env["REPLYX_DATA_DIR"], "REPLYX_DATA_DIR")
    for row in table.values():
        if row.environment in env:
            put(row.name, _from_text(row, env[row.environment], row.environment), row.environment)
        elif row.secret and f"{row.environment}_FILE" in env:
            put(
                row.name,
                _read_secret(env[f"{row.environment}_FILE"], f"{row.environment}_FILE"),
                f"{row.environment}_FILE",
            )
    _refuse_unknown_environment(env, table)
    for plugin, given in found_in_environment(env).items():
        plugins.setdefault(plugin, {}).update(given)
    for name, value in (overrides or {}).items():
        put(name, value, "command line")
    for name, value in values.items():
        _check(table[name], value, origin[name])
    built = {
        section: cls(**{key.split(".", 1)[1]: v for key, v in values.items() if key.startswith(section + ".")})
        for section, cls in sections().items()
    }
    _check_mail(built["mail"])
    return Config(**built, origin=origin, path=file, plugin_values=plugins)


def read_plugin_settings(config: Config, plugin: str, settings_type: type[Any] | None) -> Any:
    """The settings of `plugin` as an instance of the dataclass that it declares; None where it declares none.

    Raises:
        ConfigError: a key is unknown, a value has the wrong type or is out of range, a secret's file is missing.
    """
    rows = {row.name: row for row in rows_of_plugin(plugin, settings_type)}
    values: dict[str, Any] = {}
    found = config.plugin_values.get(plugin, {}).items()
    # Later ones win: a value over a secret's file, the environment over both.
    for key, given in sorted(found, key=lambda item: (item[1].is_text, not item[0].endswith("_file"))):
        row, real = _known(f"plugin.{plugin}.{key}", rows, given.where)
        if real != row.name:
            value = _read_secret(str(given.value), given.where)
        elif given.is_text:
            value = _from_text(row, given.value, given.where)
        else:
            value = _from_file(row, given.value, given.where, secret_file=False)
        _check(row, value, given.where)
        values[row.key] = value
    return settings_type(**values) if settings_type is not None else None


def _find(path: str | os.PathLike[str] | None, env: Mapping[str, str]) -> Path | None:
    asked = path or env.get("REPLYX_CONFIG")
    if asked:
        file = Path(asked)
        if not file.is_file():
            raise ConfigError(f"Файл настроек {file} не найден.", f"No configuration file at {file}.")
        return file
    return next((p for p in SEARCH_PATHS if p.is_file()), None)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} не разобрать как TOML: {error}", f"{file} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(
            f"{file} не прочитать: {error.strerror}", f"{file} cannot be read: {error.strerror}"
        ) from error


def _plugin_sections(data: Any, file: Path) -> dict[str, dict[str, Given]]:
    if not isinstance(data, dict) or not all(isinstance(section, dict) for section in data.values()):
        raise ConfigError(
            f"{file}: настройки плагинов пишутся так: [plugin.ИМЯ]",
            f"{file}: settings of plugins look like [plugin.NAME]",
        )
    return {
        plugin: {key: Given(value, str(file), is_text=False) for key, value in section.items()}
        for plugin, section in data.items()
    }


def _flatten(data: dict[str, Any], file: Path) -> list[tuple[str, Any]]:
    rows = []
    for section, content in data.items():
        if not isinstance(content, dict):
            raise ConfigError(
                f"{file}: «{section}» стоит вне раздела. Разделы пишутся так: [server]",
                f"{file}: '{section}' stands outside a section. Sections look like [server]",
            )
        rows += [(f"{section}.{key}", value) for key, value in content.items()]
    return rows


def _known(name: str, table: Mapping[str, Setting], file: Path | str) -> tuple[Setting, str]:
    if name in table:
        return table[name], name
    base = name.removesuffix("_file")
    if name.endswith("_file") and base in table and table[base].secret:
        return table[base], name
    close = difflib.get_close_matches(name, table, n=1)
    hint = (f" Возможно, {close[0]}?", f" Did you mean {close[0]}?") if close else ("", "")
    raise ConfigError(f"{file}: неизвестная настройка {name}.{hint[0]}", f"{file}: unknown setting {name}.{hint[1]}")


def _from_file(row: Setting, value: Any, file: Path | str, *, secret_file: bool) -> Any:
    if secret_file:
        return _read_secret(str(value), f"{file}: {row.name}_file")
    if row.type is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = list if row.type == list[str] else row.type
    if type(value) is not expected or (expected is list and not all(isinstance(v, str) for v in value)):
        raise _wrong(row, value, f"{file}: {row.name}")
    return value


def _from_text(row: Setting, text: str, where: str) -> Any:
    try:
        if row.type is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.strip().lower()]
        if row.type == list[str]:
            return _list_of(text)
        return row.type(text)
    except (ValueError, KeyError) as error:
        raise _wrong(row, text, where) from error


def _list_of(text: str) -> list[str]:
    """`a, b` or, as `replyx.toml` and the documentation write it, `["a", "b"]`. Raises ValueError."""
    if not text.strip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    found = json.loads(text)
    if not all(isinstance(part, str) for part in found):
        raise ValueError(text)
    return list(found)


def _read_secret(path: str, where: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "UTF-8?"
        raise ConfigError(
            f"{where}: файл {path} не прочитать: {reason}", f"{where}: {path} cannot be read: {reason}"
        ) from error


def _check(row: Setting, value: Any, where: str) -> None:
    label = row.name if where in (row.environment, "command line") else f"{where}: {row.name}"
    if row.choices and value not in row.choices:
        allowed = ", ".join(row.choices)
        raise ConfigError(f"{label} = {value!r}: допустимо: {allowed}.", f"{label} = {value!r}: allowed are {allowed}.")
    if row.name == "billing.time_zone":
        _check_zone(value, label)
    # "Not inside" rather than "outside": nan is neither below nor above anything.
    low, high = row.low, row.high
    if low is not None and not (low <= value <= (sys.float_info.max if high is None else high)):
        span = f"{row.low:g}…{row.high:g}" if row.high is not None else f"≥ {row.low:g}"
        raise ConfigError(f"{label} = {value}: вне диапазона {span}.", f"{label} = {value}: outside {span}.")


def _check_mail(mail: MailSettings) -> None:
    if not mail.host:
        return
    # Only here: few have mail, and everybody reads settings.
    from email.utils import parseaddr

    address = parseaddr(mail.sender)[1]
    if not address.isascii() or address.count("@") != 1:
        raise ConfigError(
            f"mail.host задан, а mail.sender = {mail.sender!r} — не адрес. Пример: Shop <help@example.com>",
            f"mail.host is set, and mail.sender = {mail.sender!r} is no address. As in Shop <help@example.com>",
        )


def _check_zone(name: str, label: str) -> None:
    try:
        zone_of(name)
    except ValueError as error:
        raise ConfigError(
            f"{label} = {name!r}: такого часового пояса нет. Пример: Europe/Moscow. Если пояса не установлены: "
            "apt-get install tzdata",
            f"{label} = {name!r}: there is no such time zone. As in Europe/Moscow. Where none are installed: "
            "apt-get install tzdata",
        ) from error


def _wrong(row: Setting, value: Any, where: str) -> ConfigError:
    kind = "list of strings" if row.type == list[str] else row.type.__name__
    shown = "[secret]" if row.secret else repr(value)
    return ConfigError(f"{where}: ожидается {kind}, получено {shown}.", f"{where}: expected {kind}, got {shown}.")


def _refuse_unknown_environment(env: Mapping[str, str], table: Mapping[str, Setting]) -> None:
    known = {row.environment for row in table.values()} | {f"{r.environment}_FILE" for r in table.values() if r.secret}
    for name in env:
        if name.startswith("REPLYX_") and "__" in name and name not in known and not PLUGIN_ENVIRONMENT.fullmatch(name):
            close = difflib.get_close_matches(name, known, n=1)
            hint = (f" Возможно, {close[0]}?", f" Did you mean {close[0]}?") if close else ("", "")
            raise ConfigError(
                f"Неизвестная переменная окружения {name}.{hint[0]}", f"Unknown environment variable {name}.{hint[1]}"
            )
