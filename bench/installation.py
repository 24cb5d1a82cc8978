"""A running `replyx up` for measurements: started, taught, spoken to."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.http import Api, Socket, log_in
from tests.support.processes import Box, Program, open_box


@dataclass
class Installation:
    """One `replyx up` with its administrator, and how long it took to start."""

    box: Box
    program: Program
    base_url: str
    api: Api
    start_seconds: float
    assistant_id: int = 0
    site_token: str = ""

    @contextmanager
    def engine(self, *arguments: str) -> Iterator[str]:
        """An engine in a process of its own, which answers at once where `arguments` say nothing else; its base URL."""
        server = self.box.start_python("-m", "replyx.testing.llm_server", "--port", "0", *arguments)
        yield server.wait_for_line(r"^ready (http://\S+)$").group(1)
        server.kill()

    def speak_through(self, base_url: str, model: str) -> None:
        """Let the assistant answer through the engine at `base_url`; it is made the first time."""
        key = "sk-bench-" + secrets.token_hex(8)
        done = self.box.run(
            *("tokens", "add", "--name", model, "--base-url", base_url, "--models", model, "--token-stdin", "--json"),
            stdin=key,
        )
        if done.code:
            raise RuntimeError(done.err)
        if self.assistant_id:
            self.api.put(f"/api/assistants/{self.assistant_id}", {"ai_model": model})
            return
        body = {"name": "Bench", "ai_model": model, "website_integration": True}
        made = self.api.post("/api/assistants", body, expect=201)
        self.assistant_id, self.site_token = made["id"], made["site_token"]
        user = self.api.get("/api/users/me")
        done = self.box.run("users", "credit", user["email"], "1000000", "--json")
        if done.code:
            raise RuntimeError(done.err)

    def teach(self, *files: Path) -> None:
        """Upload `files` and wait until they are known."""
        for file in files:
            self.api.upload(self.assistant_id, file)
        while any(row["status"] == "processing" for row in self.api.get("/api/documents")):
            time.sleep(0.2)

    @contextmanager
    def visitor(self) -> Iterator[Socket]:
        """A visitor's socket in a dialog of its own."""
        with Api(self.base_url, Origin=self.base_url) as anyone:
            session = anyone.post("/api/widget/sessions", {}, expect=201, headers={"X-Site-Token": self.site_token})
            path = f"/ws/dialogs/{session['dialog_key']}?token={session['visitor_token']}"
            with anyone.socket(path, Origin=self.base_url) as socket:
                yield socket

    def resident_mib(self) -> float:
        """Memory of the process that is its own or shared, as `top` shows it."""
        status = Path(f"/proc/{self.program.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found.group(1)) / 1024 if found else 0.0


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """`replyx up` in `folder`, without rate limits, until the block ends."""
    with open_box(folder, REPLYX_LIMITS__ENABLED="false", PYTHONPATH=str(Path.cwd())) as box:
        start = time.monotonic()
        program = box.start("up", "--port", "0")
        base_url = program.wait_for_line(r"^ready (http://\S+)$", 60).group(1)
        seconds = time.monotonic() - start
        email = program.wait_for_line(r"(\S+@\S+)").group(1)
        password = program.wait_for_line(r"(?:[Пп]ароль|[Pp]assword)\W+(\S+)").group(1)
        api = log_in(base_url, email, password)
        try:
            yield Installation(box, program, base_url, api, seconds)
        finally:
            api.client.close()
