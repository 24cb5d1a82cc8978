"""Importing aiogram without building its types: that takes four seconds, and few of them are ever used.

aiogram defers the building of its pydantic models, and then builds all of them on import, since their names can only
be told there. Here those names are left with each model instead, and pydantic builds it when it is first used. A bot
manager that was killed is at work again that much sooner.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, get_args

from pydantic import BaseModel

_LOCK = threading.Lock()

#: Where pydantic looks for names that a model's own module does not have.
_NAMES = "__pydantic_parent_namespace__"


def import_aiogram() -> None:
    """Import it, once; where somebody else has done so already there is nothing left to be saved."""
    with _LOCK:
        if "aiogram" in sys.modules:
            return
        names: dict[str, Any] = {}
        building = BaseModel.__dict__["model_rebuild"]

        def put_off(cls: type[BaseModel], /, **options: Any) -> bool | None:
            known = options.get("_types_namespace")
            if known is None:
                depth = options.pop("_parent_namespace_depth", 2) + 1
                done: bool | None = building.__func__(cls, _parent_namespace_depth=depth, **options)
                return done
            names.update(known)
            setattr(cls, _NAMES, names)
            return None

        BaseModel.model_rebuild = classmethod(put_off)  # type: ignore[assignment, method-assign]
        try:
            import aiogram.methods
        finally:
            BaseModel.model_rebuild = building  # type: ignore[method-assign]
        for model in vars(aiogram.methods).values():
            if isinstance(model, type) and issubclass(model, BaseModel) and not model.__pydantic_complete__:
                setattr(model, _NAMES, names)


def build(kind: Any) -> None:
    """Build what a method answers with. aiogram reads an answer as part of a type of its own, which knows no names."""
    for part in get_args(kind):
        build(part)
    if isinstance(kind, type) and issubclass(kind, BaseModel) and not kind.__pydantic_complete__:
        kind.model_rebuild()
