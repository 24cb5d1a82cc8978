"""ReplyX as an administrator installs it by docs/operations.md, in a machine; and customers who talk to it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.appliance.machine import Machine
from tests.appliance.root import VENV

Json = dict[str, Any]

URL = "http://127.0.0.1:8000"
CONFIG = "/etc/replyx/replyx.toml"

#: The data directory that systemd makes.
DATA_DIR = "/var/lib/replyx"

#: Customers' own script, inside.
_SCRIPT = "/root/customers.py"

#: What the customers ask for is not in it, and is answered so; the first question is.
HANDBOOK = "# Returns\n\nYou can return goods within 14 days of the purchase if you keep the receipt.\n"
QUESTION = "How many days do I have to return goods?"


class Installation:
    """What `replyx init` and `replyx systemd install` have made."""

    #: Whose commands these are lives here.
    home = "/root"

    def __init__(self, machine: Machine, data_dir: str = DATA_DIR) -> None:
        self.machine, self.data_dir = machine, data_dir
        self.site_token = ""

    def install(self, *flags: str, start: bool = True) -> str:
        """pip, init, systemd: the three lines of the documentation; answers what `init` said."""
        machine = self.machine
        machine.run("pip install -q --no-index --no-deps /wheel/replyx-*.whl && mkdir -p /etc/replyx", seconds=300)
        options = f"--config {CONFIG} --data-dir '{self.data_dir}'"
        said = machine.run(f"replyx {options} init --yes --admin-email you@example.com {' '.join(flags)}")
        machine.run(f"printf '\\n[limits]\\nenabled = false\\n' > /tmp/limits && sed -i 's/^\\[limits\\]$//' {CONFIG}")
        machine.run(f"cat /tmp/limits >> {CONFIG}")
        if start:
            machine.run("replyx systemd install --now", seconds=180)
        machine.run(f"cat > {_SCRIPT}", stdin=Path(__file__).with_name("customers.py").read_text(encoding="utf-8"))
        return said

    def teach(self) -> None:
        """A document, and an assistant that a site may embed and that costs nothing."""
        self.machine.run(f"cat > {self.home}/handbook.md", stdin=HANDBOOK)
        self.machine.run(f"cd {self.home} && replyx knowledge add 1 handbook.md --wait")
        shown = self.machine.run("replyx assistants set 1 --domains shop.example --price 0 --json")
        self.site_token = json.loads(shown)["site_token"]

    def first_answer(self) -> str:
        """What a customer's question is answered with, over HTTP."""
        program = (
            "import sys, httpx2, time\n"
            "url, token, text = sys.argv[1:]\n"
            "client = httpx2.Client(base_url=url, headers={'Origin': 'https://shop.example'}, timeout=60)\n"
            "made = client.post('/api/widget/sessions', json={}, headers={'X-Site-Token': token}).json()\n"
            "client.headers['Authorization'] = 'Bearer ' + made['visitor_token']\n"
            "path = '/api/widget/dialogs/' + made['dialog_key'] + '/messages'\n"
            "client.post(path, json={'text': text}).raise_for_status()\n"
            "for _ in range(300):\n"
            "    rows = client.get(path, params={'after_seq': 0}).json()['messages']\n"
            "    found = [row['text'] for row in rows if row['sender'] == 'assistant']\n"
            "    if found: print(found[0]); break\n"
            "    time.sleep(0.1)\n"
        )
        self.machine.run(f"cat > {self.home}/one.py", stdin=program)
        return self.machine.run(f"{VENV}/bin/python {self.home}/one.py {URL} {self.site_token} '{QUESTION}'").strip()

    @contextmanager
    def customers(self, count: int, url: str = URL, certificate: str = "") -> Iterator[Json]:
        """Customers who ask as long as the block lasts; what they saw stands in the result after it."""
        command = [
            f"{VENV}/bin/python",
            _SCRIPT,
            url,
            self.site_token,
            str(count),
            *([certificate] if certificate else []),
        ]
        program = self.machine.start(command)
        seen: Json = {}
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "begun\n", "the customers did not begin"
            yield seen
            out, _ = program.communicate(timeout=600)
            seen.update(json.loads(out.splitlines()[-1]))
        finally:
            _end(program)


def _end(program: subprocess.Popen[str]) -> None:
    if program.poll() is None:
        program.kill()
    program.wait()
