"""A queue for one thing that many tenants want: tenants take turns, however many of one tenant's customers wait."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable

#: Seconds between two looks at whether a waiting answer is still wanted.
_POLL = 0.05


class FairQueue:
    """One holder at a time. Who waits is served tenant by tenant, and within a tenant in the order of coming."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        #: Tenant → its waiting answers; the tenant that is first is served next, and goes to the end.
        self._waiting: OrderedDict[int, deque[object]] = OrderedDict()

    def acquire(self, tenant_id: int, keep_waiting: Callable[[], bool]) -> bool:
        """Wait for the turn; False once `keep_waiting()` is false. What it raises ends the waiting as well."""
        mine, is_served = object(), False
        with self._changed:
            self._waiting.setdefault(tenant_id, deque()).append(mine)
            try:
                while not self._is_next(tenant_id, mine):
                    if not keep_waiting():
                        return False
                    self._changed.wait(_POLL)
                self._busy = is_served = True
                return True
            finally:
                self._leave(tenant_id, mine, is_served=is_served)

    def release(self) -> None:
        """Let the next one have its turn."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def _is_next(self, tenant_id: int, mine: object) -> bool:
        first = next(iter(self._waiting))
        return not self._busy and first == tenant_id and self._waiting[first][0] is mine

    def _leave(self, tenant_id: int, mine: object, *, is_served: bool) -> None:
        """Out of the queue; a tenant that was served stands behind the others, one that gave up waiting does not."""
        queue = self._waiting[tenant_id]
        queue.remove(mine)
        if not queue:
            del self._waiting[tenant_id]
        elif is_served:
            self._waiting.move_to_end(tenant_id)
        self._changed.notify_all()
