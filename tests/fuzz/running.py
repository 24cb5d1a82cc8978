"""Runs of schemathesis: every caller there is, all checks, and what came out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.target import SITE, Target
from tests.support.documents import REPOSITORY
from tests.support.programs import dying_with_us

#: What is excepted, and why.
CONFIG = Path(__file__).with_name("schemathesis.toml")

#: Where `make fuzz` and `make test` put it, in an environment of its own.
SCHEMATHESIS = REPOSITORY / ".cache" / "fuzz" / "bin" / "schemathesis"

#: For every run. What it says of requests that rarely succeed is no failure; `valid_rates` of the report has it.
#: No answer takes 20 seconds, also where two processors are shared with others: a lock is waited for 5 seconds
#: (`database.timeout`), a password is hashed in less than one. How long answers take is measured by `make bench`.
_OPTIONS = (
    "--checks=all", "--max-response-time=20", "--no-color", "--warnings=off", "--report=json",
    "--report-json-path=report.json",
)  # fmt: skip


#: What schemathesis does, one after another.
PHASES = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True)
class Attack:
    """One run: who attacks, and which operations."""

    name: str
    arguments: Sequence[str]
    #: Whether what one operation answers is of use to another.
    has_links: bool = True


@dataclass(frozen=True)
class Result:
    """What a run gave; `text` is all that schemathesis said."""

    name: str
    code: int
    cases: int
    failures: int
    text: str


def attacks(target: Target) -> list[Attack]:
    """Two owners who must not see each other's things, an administrator, a visitor, a program, and one who logs out."""
    site = f"--header=Origin:{SITE}", f"--header=X-Site-Token:{target.site_token}"
    return [
        Attack("owners", ["--exclude-path-regex=^/(api/(admin|widget)|v1/)", "--exclude-operation-id=auth_logout"]),
        Attack("administrator", ["--include-path-regex=^/api/admin", _bearer(target.tokens["admin"])]),
        Attack("widget", ["--include-path-regex=^/api/widget", _bearer(target.visitor_token), *site]),
        Attack("program", ["--include-path-regex=^/v1/", _bearer(target.api_key)], has_links=False),
        # Apart from the others: its own token ends with the first call.
        Attack("leaver", ["--include-operation-id=auth_logout", _bearer(target.tokens["leaver"])], has_links=False),
    ]


def carry_out(attack: Attack, target: Target, folder: Path, phases: Sequence[str], *options: str) -> Result:
    """Do one run in `folder`, where its reports stay."""
    chosen = [phase for phase in phases if attack.has_links or phase != "stateful"]
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG.read_text(encoding="utf-8").replace("DIALOG_KEY", target.dialog_key).replace("MODEL", target.model)
    if attack.name == "owners":
        target.write_identities(folder / "wfc.json", "anna", "boris")
        config += '\n[auth.wfc]\npath = "wfc.json"\npeers = ["anna", "boris"]\n'
    (folder / "schemathesis.toml").write_text(config, encoding="utf-8")
    command = [str(SCHEMATHESIS), "--config-file", "schemathesis.toml", "run", f"{target.url}/openapi.json"]
    done = subprocess.run(
        dying_with_us([*command, *_OPTIONS, f"--phases={','.join(chosen)}", *attack.arguments, *options], "KILL"),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = folder / "report.json"
    cases = json.loads(report.read_text(encoding="utf-8"))["test_cases"] if report.exists() else {}
    said = done.stdout + done.stderr
    return Result(attack.name, done.returncode, cases.get("generated", 0), cases.get("unique_failures", 0), said)


def _bearer(token: str) -> str:
    return f"--header=Authorization:Bearer {token}"
