"""What is attacked: a `replyx up` of its own with two tenants, an administrator and a visitor, and their tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support.http import Api, Json, log_in
from tests.support.processes import Box

_PASSWORD = "long-enough-7x"

#: Seconds that loading the embedder may take.
_LOADING = 180

#: The site of the assistant whose widget is attacked.
SITE = "https://shop.example"


@dataclass(frozen=True)
class Target:
    """A running server and who may attack it."""

    url: str
    #: Access tokens by name: two owners, an administrator, and one who logs out all the time.
    tokens: dict[str, str]
    visitor_token: str
    dialog_key: str
    site_token: str
    #: A program's key, and the name under which it knows the assistant.
    api_key: str
    model: str

    def write_identities(self, file: Path, *names: str) -> None:
        """A Web Fuzzing Commons file of these users."""
        rows = [
            {
                "name": name,
                "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {self.tokens[name]}"}],
            }
            for name in names
        ]
        file.write_text(json.dumps({"auth": rows}), encoding="utf-8")


def start_target(box: Box) -> Target:
    """Start the server in the box; limits are off, or nearly everything would be 429."""
    box.environment["REPLYX_LIMITS__ENABLED"] = "false"
    server = box.start("up", "--port", "0")
    url = server.wait_for_line(r"^ready (http\S+)", 60)[1]
    names = {"anna": (), "boris": (), "admin": ("--admin",), "leaver": ()}
    tokens = {name: _user(box, url, name, *flags) for name, flags in names.items()}
    with Api(url, tokens["anna"]) as anna:
        body = {"name": "Shop", "website_integration": True, "allowed_domains": ["shop.example"]}
        assistant = anna.post("/api/assistants", body, expect=201)
        key = anna.post("/api/api-keys", {"name": "Program"}, expect=201)["key"]
        # Whoever needs the embedder first loads it, which takes seconds on a busy machine: not one of the attacks.
        question = {"assistant_id": assistant["id"], "question": "Do you ship abroad?", "answer": "Yes."}
        anna.post("/api/qa-knowledge", question, expect=201, timeout=_LOADING)
        anna.get(f"/api/knowledge/search?assistant_id={assistant['id']}&q=shipping", timeout=_LOADING)
    session = _session(url, assistant["site_token"])
    with Api(url, key) as program:
        model = program.get("/v1/models")["data"][0]["id"]
    return Target(url, tokens, session["visitor_token"], session["dialog_key"], assistant["site_token"], key, model)


def _user(box: Box, url: str, name: str, *flags: str) -> str:
    email = f"{name}@example.com"
    made = box.run("users", "create", email, "--password-stdin", "--balance", "1000", *flags, stdin=f"{_PASSWORD}\n")
    assert made.code == 0, made.err
    with log_in(url, email, _PASSWORD) as api:
        return api.client.headers["Authorization"].removeprefix("Bearer ")


def _session(url: str, site_token: str) -> Json:
    with Api(url, Origin=SITE) as api:
        opened: Json = api.post("/api/widget/sessions", {}, expect=201, headers={"X-Site-Token": site_token})
    return opened
