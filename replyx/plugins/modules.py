"""Loading a plugin's module from its file."""

from __future__ import annotations

import importlib.util
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import replyx

#: What a plugin that is a folder has in it.
_INIT = "__init__.py"


def bundled_folder() -> Path:
    """Where the plugins are that come with ReplyX: in the package that pip installed, or in the checkout."""
    package = Path(replyx.__file__).parent
    installed = package / "bundled_plugins"
    return installed if installed.is_dir() else package.parent / "plugins"


def find_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of every plugin in `folder`, in alphabetical order: `NAME.py` or `NAME/__init__.py`."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py" and path.is_file():
            yield path.stem, path
        elif (path / _INIT).is_file():
            yield path.name, path / _INIT


def load_file(name: str, file: Path) -> ModuleType:
    """Run the module at `file`. What it raises is not caught.

    Raises:
        PermissionError: anybody on this machine may write to it.
    """
    for path in (file, file.parent):
        if path.stat().st_mode & stat.S_IWOTH:
            raise PermissionError(f"{path} may be written to by everybody: chmod o-w")
    module_name = f"replyx_plugin_{name}"
    inside = [str(file.parent)] if file.name == _INIT else None
    spec = importlib.util.spec_from_file_location(module_name, file, submodule_search_locations=inside)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
