"""aiogram's types are built when they are first used, and each of them can be."""

from __future__ import annotations

import subprocess
import sys

_BUILD_ALL = """
from replyx.bots.telegram.importing import import_aiogram
import_aiogram()
import aiogram.methods, aiogram.types
from pydantic import BaseModel
models = {m for part in (aiogram.methods, aiogram.types) for m in vars(part).values()
          if isinstance(m, type) and issubclass(m, BaseModel)}
left = sum(not model.__pydantic_complete__ for model in models)
chat = {"id": 1, "type": "private"}
update = aiogram.types.Update.model_validate({"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": chat}})
for model in models:
    model.model_rebuild()
print(len(models), left, sum(not model.__pydantic_complete__ for model in models), type(update.message).__name__)
"""


def test_types_are_built_late_and_every_one_of_them_can_be() -> None:
    done = subprocess.run([sys.executable, "-c", _BUILD_ALL], capture_output=True, text=True, check=True)

    count, left_at_first, left_at_last, message = done.stdout.split()

    assert int(count) > 400
    assert int(left_at_first) > 300
    assert (left_at_last, message) == ("0", "Message")
