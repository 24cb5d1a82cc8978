"""/telegram: where Telegram posts updates if bots are set to webhooks. Stored here, handled elsewhere."""

from __future__ import annotations

import hashlib

from replyx.errors import BadRequest, NotFound
from replyx.server.bodies import parse_object, read_raw
from replyx.server.endpoint import Call
from replyx.types import Json

#: Largest update, in bytes: Telegram's longest messages are far below.
_LARGEST = 1_048_576


async def take_update(call: Call) -> Json:
    # Whoever does not know the secret is told nothing, and nothing is read of it.
    secret = call.request.headers.get("x-telegram-bot-api-secret-token", "")
    if not secret:
        raise NotFound
    digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
    bot_id = await call.app.call(call.app.bots.by_webhook, call.id, digest)
    update = parse_object(await read_raw(call.request, _LARGEST))
    if type(update.get("update_id")) is not int or not 0 <= update["update_id"] < 2**63:
        raise BadRequest
    await call.app.call(call.app.updates.store, call.id, bot_id, [update])
    return {"received": True}
