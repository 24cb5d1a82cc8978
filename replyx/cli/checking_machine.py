"""Checks of the machine: settings, the data directory and its secrets, disk, processor, port, Redis."""

from __future__ import annotations

import http.client
import os
import platform
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from replyx.cli.findings import Finding, fault, good, refused, warning
from replyx.clock import SystemClock
from replyx.errors import AddressInUse, ReplyXError

if TYPE_CHECKING:
    from replyx.config.settings import Config

#: Free bytes under which it is said, and under which nothing can be stored for long.
_LITTLE, _TOO_LITTLE = 2 << 30, 256 << 20


def machine_findings(config: Config) -> list[Finding]:
    """What is wrong around the program."""
    found = [_settings(config), _data_dir(config.data_dir), _secret_key(config), *_upgrade(config)]
    if config.data_dir.is_dir():
        found += [_disk(config.data_dir), _backup(config)]
    return [*found, _processor(), _port(config), _redis(config)]


def essential_findings(config: Config) -> list[Finding]:
    """Of them, what nothing can be done without."""
    return [_data_dir(config.data_dir), _secret_key(config)]


def _settings(config: Config) -> Finding:
    """They were read; where a secret stands in the file, nobody else may read it."""
    from replyx.config.settings import all_settings

    where = str(config.path or "–")
    secret = [row.name for row in all_settings() if row.secret and config.origin.get(row.name) == where]
    if secret and config.path is not None and _is_open_to_others(config.path):
        names = ", ".join(secret)
        mend = f"chmod 600 {where}"
        return fault("settings", f"{where} читают другие, а в нём {names}", f"others can read {names} in {where}", mend)
    return good("settings", where, where)


def _upgrade(config: Config) -> list[Finding]:
    from replyx.backup.upgrading import unfinished_step

    if not unfinished_step(config):
        return []
    return [fault("upgrade", "прервано на полпути", "it was broken off in the middle", "replyx upgrade")]


def _data_dir(folder: Path) -> Finding:
    if not folder.exists():
        return warning("data directory", f"{folder} ещё нет", f"{folder} does not exist yet", "replyx init")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return fault(
            "data directory", f"в {folder} не записать", f"{folder} cannot be written to", f"chown -R $USER {folder}"
        )
    if _is_open_to_others(folder):
        return warning(
            "data directory",
            f"{folder} открыт другим пользователям",
            f"others can read {folder}",
            f"chmod 700 {folder}",
        )
    return good("data directory", str(folder), str(folder))


def _secret_key(config: Config) -> Finding:
    from replyx.security.master_key import FILE_NAME, load_master_key

    file = config.data_dir / FILE_NAME
    if not config.security.secret_key:
        if not file.exists():
            return warning("master key", "появится при первом запуске", "the first start makes it", "replyx init")
        if _is_open_to_others(file):
            return fault("master key", f"{file} читают другие", f"others can read {file}", f"chmod 600 {file}")
    try:
        load_master_key(config)
    except ReplyXError as error:
        return refused("master key", error)
    return good("master key", "0600" if file.exists() else "security.secret_key", "0600" if file.exists() else "set")


def _is_open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    ru, en = f"свободно {free / (1 << 30):.1f} ГБ", f"{free / (1 << 30):.1f} GB free"
    if free < _TOO_LITTLE:
        return fault("disk", ru, en, f"du -sh {folder}/*")
    return warning("disk", ru, en, f"du -sh {folder}/*") if free < _LITTLE else good("disk", ru, en)


def _backup(config: Config) -> Finding:
    from replyx.backup.stores import store_of

    try:
        newest = next(iter(store_of(config).list()), None)
    except ReplyXError as error:
        return refused("backup", error)
    if newest is None:
        return warning("backup", "копий ещё нет", "there is none yet", "replyx db backup")
    hours = (SystemClock().now() - newest.created_at).total_seconds() / 3600
    ru, en = f"{newest.name}, {hours:.0f} ч назад", f"{newest.name}, {hours:.0f} h ago"
    if hours > 2 * (config.backup.every_hours or 24):
        return warning("backup", ru, en, "replyx db backup")
    return good("backup", ru, en)


def _processor() -> Finding:
    """LanceDB's build for Intel and AMD needs AVX2; without it, the first search ends the process."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return good("processor", platform.machine(), platform.machine())
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return warning("processor", "не узнать, есть ли AVX2", "whether there is AVX2 cannot be told")
    if " avx2" not in flags:
        mend = "qemu -cpu host"
        return fault("processor", "нет AVX2: поиск работать не может", "no AVX2: search cannot work", mend)
    return good("processor", "AVX2 есть", "has AVX2")


def _port(config: Config) -> Finding:
    from replyx.server.serve import bind

    try:
        bind(config).close()
    except AddressInUse as error:
        if _is_ours(config):
            return good("port", f"{config.server.port}: отвечает ReplyX", f"{config.server.port}: ReplyX answers")
        return refused("port", error)
    return good("port", f"{config.server.port} свободен", f"{config.server.port} is free")


def _is_ours(config: Config) -> bool:
    """Whether what listens there speaks as ReplyX does."""
    host = "127.0.0.1" if config.server.host in ("0.0.0.0", "::", "") else config.server.host  # noqa: S104
    connection = http.client.HTTPConnection(host, config.server.port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status == http.HTTPStatus.OK and answer.headers.get("X-Request-ID") is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _redis(config: Config) -> Finding:
    if not config.redis.url:
        return good("redis", "не нужен: всё в одном процессе", "not needed: everything in one process")
    from replyx.events.redis_bus import RedisBus

    try:
        bus = RedisBus(config.redis.url)
    except ReplyXError as error:
        return refused("redis", error)
    try:
        bus.publish("doctor", {})
        is_there = bus.is_connected
    finally:
        bus.close()
    if not is_there:
        return fault("redis", "не отвечает", "does not answer", "systemctl start redis-server")
    return good("redis", "отвечает", "answers")
