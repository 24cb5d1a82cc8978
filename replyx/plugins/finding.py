"""Finding and loading plugins: those that come with ReplyX, those of the data directory, those that pip installed."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from replyx.clock import Clock
from replyx.config.loading import read_plugin_settings
from replyx.config.plugin_sections import PLUGIN_NAME
from replyx.config.settings import Config
from replyx.errors import ConfigError
from replyx.plugins.hooks import Plugin
from replyx.plugins.host import Host, Known, Offers
from replyx.plugins.modules import bundled_folder, find_files, load_file

logger = logging.getLogger(__name__)

#: The group of entry points under which an installed package names its plugins.
ENTRY_POINTS = "replyx.plugins"

#: Loads a plugin's class.
Load = Callable[[], Any]


def load_plugins(config: Config, clock: Clock) -> Host:
    """Load every plugin that is not disabled; one that fails is logged and left out.

    Raises:
        ConfigError: a plugin's settings cannot be used, there are settings of a plugin that does not exist, or one of
            `plugins.required` is not there.
    """
    known: dict[str, Known] = {}
    refused: list[Known] = []
    for found, load in _found(config.data_dir):
        if not PLUGIN_NAME.fullmatch(found.name):
            refused.append(found.failed(ValueError("a plugin's name is small letters, digits and single _")))
        elif found.name in known:
            refused.append(found.failed(ValueError(f"the name is taken by {known[found.name].where}")))
        else:
            known[found.name] = _loaded(found, load, config, clock)
    for one in refused:
        logger.error("a plugin is not loaded", extra={"plugin": one.name, "where": one.where, "why": one.fault})
    _check(known, config)
    return Host([*known.values(), *refused], clock, config)


def _found(data_dir: Path) -> Iterator[tuple[Known, Load]]:
    for source, folder in (("bundled", bundled_folder()), ("data", data_dir / "plugins")):
        for name, file in find_files(folder):
            yield Known(name, source, str(file)), _from_file(name, file)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        yield Known(point.name, "installed", point.value), point.load


def _from_file(name: str, file: Path) -> Load:
    return lambda: _class_in(load_file(name, file))


def _class_in(module: ModuleType) -> Any:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"one class that derives from Plugin is needed, there are {len(found)}")
    return found[0]


def _loaded(found: Known, load: Load, config: Config, clock: Clock) -> Known:
    if found.name in config.plugins.disabled:
        return replace(found, is_disabled=True)
    try:
        made = _checked(load())
        found = replace(found, settings_type=made.settings_type)
        instance = made(read_plugin_settings(config, found.name, made.settings_type), clock)
        return replace(found, instance=instance, offers=Offers.of(instance))
    except ConfigError:
        # A mistake of the administrator's, who is told of it as of any other setting.
        raise
    except Exception as error:
        logger.exception("a plugin cannot be loaded", extra={"plugin": found.name, "where": found.where})
        return found.failed(error)


def _checked(made: Any) -> type[Plugin]:
    if not (isinstance(made, type) and issubclass(made, Plugin)):
        raise TypeError("it is no class that derives from Plugin")
    return made


def _check(known: dict[str, Known], config: Config) -> None:
    for section in config.plugin_values:
        if section not in known:
            close = difflib.get_close_matches(section, known, n=1)
            hint = (f" Возможно, [plugin.{close[0]}]?", f" Did you mean [plugin.{close[0]}]?") if close else ("", "")
            raise ConfigError(
                f"Настройки [plugin.{section}]: такого плагина нет.{hint[0]}",
                f"Settings [plugin.{section}]: there is no such plugin.{hint[1]}",
            )
    for name in config.plugins.required:
        if name not in known or known[name].instance is None:
            fault = known[name].fault or known[name].state if name in known else "not found"
            raise ConfigError(
                f"plugins.required: плагин {name} не загружен ({fault}). Проверьте: replyx plugins check",
                f"plugins.required: the plugin {name} is not loaded ({fault}). See: replyx plugins check",
            )
