"""One more customer of a trial, who says what the scenario wants and notes it in the history as the load does."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2

from tests.chaos.scenarios.trial import Trial
from tests.chaos.tenants import SITE

_names = itertools.count(1)


class Guest:
    """A visitor of Anna's, over REST."""

    def __init__(self, made: Trial) -> None:
        self._made, self._name, self._number = made, f"guest-{next(_names)}", 0
        self._tenant = made.people["anna"]
        self._client = httpx2.Client(base_url=made.machine.url, timeout=30, trust_env=False)
        headers = {"X-Site-Token": self._tenant.site_token, "Origin": SITE}
        answer = self._client.post("/api/widget/sessions", json={}, headers=headers)
        answer.raise_for_status()
        self.session: dict[str, Any] = answer.json()
        self.dialog: int = self.session["dialog_id"]

    def say(self, words: str) -> None:
        """Post it, once."""
        self._number += 1
        key, text = f"{self._name}-{self._number}", f"{self._tenant.canary} {words}"
        self._made.machine.history.add("send", who=self._name, dialog=self.dialog, key=key, text=text)
        headers = {"Authorization": f"Bearer {self.session['visitor_token']}", "Origin": SITE}
        path = f"/api/widget/dialogs/{self.session['dialog_key']}/messages"
        answer = self._client.post(path, json={"text": text, "client_msg_id": key}, headers=headers)
        if answer.status_code == 201:
            self._made.machine.history.add("ok", who=self._name, dialog=self.dialog, key=key, seq=answer.json()["seq"])
