"""Lists of dialogs: newest word first, by every filter, page by page."""

from __future__ import annotations

from itertools import product

from replyx.clock import SystemClock
from replyx.dialogs.dialogs import DialogFilter
from replyx.storage.assistants import Assistant
from replyx.storage.dialogs import Dialog
from replyx.types import SYSTEM
from tests.support.desk import Desk

_STATUSES, _HANDOFFS = ("active", "archived"), ("none", "requested", "active", "released")
_PLATFORMS = ("website", "telegram", "api")


def _fill(desk: Desk) -> list[Dialog]:
    """One dialog of each kind, of two assistants, in an order of their own; some in which nobody has spoken."""
    now = SystemClock().now()
    with desk.app.db.transaction():
        made = Assistant.get_by_id(desk.assistant.id).created_at
        other = Assistant.create(
            user=desk.user.id, name="Other", ai_model="extractive", allowed_domains=[], created_at=made
        )
        for n, (status, handoff, platform) in enumerate(product(_STATUSES, _HANDOFFS, _PLATFORMS)):
            Dialog.create(
                assistant=other.id if n % 5 == 0 else desk.assistant.id,
                user=desk.user.id,
                platform=platform,
                dialog_key=f"{n:032x}",
                status=status,
                handoff_status=handoff,
                last_message_time=None if n % 6 == 0 else now.replace(microsecond=n * 7919 % 24 * 1000),
                created_at=now,
            )
    with desk.app.db.connection():
        rows = list(Dialog.select())
    # Nobody's words are the oldest; of the same moment the newest dialog comes first.
    heard = sorted((row for row in rows if row.last_message_time), key=lambda r: (r.last_message_time, r.id))
    silent = sorted((row for row in rows if not row.last_message_time), key=lambda r: r.id)
    return [*reversed(heard), *reversed(silent)]


def test_every_filter_finds_what_it_says_in_the_order_of_the_newest_word(desk: Desk) -> None:
    rows = _fill(desk)
    assistants = (None, *sorted({row.assistant_id for row in rows}))
    for actor in (desk.owner, SYSTEM):
        for status, handoff, platform, assistant in product(
            (None, *_STATUSES), (None, *_HANDOFFS), (None, *_PLATFORMS), assistants
        ):
            which = DialogFilter(status, handoff, platform, assistant, limit=200)
            wanted = [
                row.id
                for row in rows
                if status in (None, row.status)
                and handoff in (None, row.handoff_status)
                and platform in (None, row.platform)
                and assistant in (None, row.assistant_id)
            ]
            found, total = desk.app.dialogs.list_for(actor, which)
            assert ([view.id for view in found], total) == (wanted, len(wanted)), which


def test_pages_follow_one_another_without_a_gap(desk: Desk) -> None:
    rows = _fill(desk)

    pages = [desk.app.dialogs.list_for(desk.owner, DialogFilter(limit=5, offset=start)) for start in range(0, 30, 5)]

    assert [view.id for page, _ in pages for view in page] == [row.id for row in rows]
    assert {total for _, total in pages} == {len(rows)}
