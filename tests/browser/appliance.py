"""`replyx up` as browsers meet it: a process, its administrator, assistants with something to know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pypdf import PdfReader, PdfWriter

from tests.support.documents import faq_pdf
from tests.support.http import Api, Json, log_in
from tests.support.processes import Box, Program
from tests.support.programs import wait_until

#: What the short document knows, and nothing else does.
OPENING_HOURS = "Склад в Твери открыт по будням с девяти утра до шести вечера, в субботу до трёх часов дня."


#: Pages of the book that are enough to ask about; the whole of it takes a while to read.
_PAGES = 20


class Appliance:
    """A running ReplyX; it may be killed and started again on the same port."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._program, self.url = self._started("0")
        self.email = self._program.wait_for_line(r"^administrator (\S+)").group(1)
        self.password = self._program.wait_for_line(r"^password (\S+)").group(1)

    def start(self) -> None:
        """Start it again, where it was."""
        self._program, self.url = self._started(self.url.rsplit(":", 1)[-1])

    def add_operator(self, email: str, password: str) -> None:
        """A new operator of the administrator's."""
        options = ("--operator-of", self.email, "--password-stdin")
        made = self._box.run("users", "create", email, *options, stdin=f"{password}\n")
        assert made.code == 0, made.err

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._program.kill()

    def _started(self, port: str) -> tuple[Program, str]:
        program = self._box.start("up", "--port", port, REPLYX_LIMITS__ENABLED="false")
        return program, program.wait_for_line(r"^ready (http://\S+)$", 60).group(1)

    def api(self) -> Api:
        return log_in(self.url, self.email, self.password)

    def make_assistant(self, name: str = "Поддержка", **fields: Any) -> Json:
        """An assistant on the website, which knows nothing yet."""
        with self.api() as api:
            made: Json = api.post("/api/assistants", {"name": name, "website_integration": True, **fields}, expect=201)
            return made

    def teach(self, assistant: Json, file: Path, name: str | None = None) -> Json:
        """Upload a file and wait until it is known."""
        with self.api() as api:
            sent = api.upload(assistant["id"], file, name)["id"]
            wait_until(lambda: _state(api, sent) != "processing", 90, f"{file.name} is read")
            document: Json = api.get(f"/api/documents/{sent}")
            assert document["status"] == "completed", document
            return document

    def teach_hours(self, assistant: Json, folder: Path) -> Json:
        """Teach it `OPENING_HOURS`, which takes a moment only."""
        file = folder / "hours.md"
        file.write_text(f"# Часы работы\n\n{OPENING_HOURS}\n", encoding="utf-8")
        return self.teach(assistant, file)

    def teach_faq(self, assistant: Json, folder: Path) -> Json:
        """Teach it the first pages of a real book."""
        file = folder / "debian-faq.ru.pdf"
        with PdfReader(faq_pdf("ru")) as book, PdfWriter() as part:
            part.append(book, pages=(0, _PAGES))
            part.write(file)
        return self.teach(assistant, file)

    def demo(self, assistant: Json) -> str:
        """The demo page with this assistant."""
        return f"{self.url}/demo?site_token={assistant['site_token']}"


def _state(api: Api, document_id: int) -> str:
    return str(api.get(f"/api/documents/{document_id}")["status"])
