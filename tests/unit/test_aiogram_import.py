"""aiogram's types are built when they are first used, and each of them can be."""

from __future__ import annotations

import subprocess
import sys

_BUILD_ALL = """
from replyx.bots.telegram.importing import build, import_aiogram
import_aiogram()
import aiogram.methods, aiogram.types
from pydantic import BaseModel
models = {m for part in (aiogram.methods, aiogram.types) for m in vars(part).values()
          if isinstance(m, type) and issubclass(m, BaseModel)}
left = sum(not model.__pydantic_complete__ for model in models)
chat = {"id": 1, "type": "private"}
update = aiogram.types.Update.model_validate({"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": chat}})
base = aiogram.methods.TelegramMethod
methods = [m for m in vars(aiogram.methods).values() if isinstance(m, type) and issubclass(m, base) and m is not base]
answers = [method.__returning__ for method in methods]
for answer in answers:
    build(answer)
unread = sum(not aiogram.methods.Response[answer].__pydantic_complete__ for answer in answers)
for model in models:
    model.model_rebuild()
left_at_last = sum(not model.__pydantic_complete__ for model in models)
print(len(answers), unread, len(models), left, left_at_last, type(update.message).__name__)
"""


def test_types_are_built_late_and_every_one_of_them_and_every_answer_can_be() -> None:
    done = subprocess.run([sys.executable, "-c", _BUILD_ALL], capture_output=True, text=True, check=True)

    answers, unread, count, left_at_first, left_at_last, message = done.stdout.split()

    assert int(answers) > 100
    assert unread == "0"
    assert int(count) > 400
    assert int(left_at_first) > 300
    assert (left_at_last, message) == ("0", "Message")
