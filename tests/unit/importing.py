"""Run as a program: imports the modules it is given and prints what that did beyond reading code, as JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

#: Audit events that are a deed whatever their arguments.
_DEEDS = {
    "socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.posix_spawn",
    "sqlite3.connect", "_thread.start_new_thread", "os.mkdir", "os.remove", "os.rename", "shutil.rmtree",
}  # fmt: skip


class Watch:
    """Notes deeds together with the module whose import was under way."""

    def __init__(self) -> None:
        self.deeds: list[str] = []
        self.module = ""
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.module:
            return
        if event in _DEEDS or (event == "open" and _writes(arguments)):
            self.deeds.append(f"{self.module}: {event} {arguments[:2]!r}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def main(modules: list[str]) -> None:
    watch = Watch()
    for module in modules:
        watch.module = module
        importlib.import_module(module)
    watch.module = ""
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    sys.stdout.write(json.dumps({"deeds": watch.deeds, "loaded": loaded}))


if __name__ == "__main__":
    main(sys.argv[1:])
