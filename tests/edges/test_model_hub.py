"""Models of the Hugging Face hub, as the command pulls them from a hub that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from replyx.testing.hub import FakeHub
from tests.support.processes import Box, Finished

BODY = b"GGUF" + bytes(range(256)) * 20_000
SOURCE = "hf:acme/tiny-GGUF/tiny.Q4_K_M.gguf"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.files["acme/tiny-GGUF/tiny.Q4_K_M.gguf"] = BODY
        yield hub


def pull(box: Box, hub: FakeHub, source: str, token: str = "") -> Finished:
    return box.run("models", "pull", source, HF_ENDPOINT=hub.url, HF_HOME=str(box.folder / "hf"), HF_TOKEN=token)


def model(box: Box) -> Path:
    return box.folder / "replyx-data" / "models" / "tiny.q4_k_m.gguf"


def test_a_model_of_the_hub_is_pulled_checked_and_listed(box: Box, hub: FakeHub) -> None:
    done = pull(box, hub, SOURCE)
    assert done.code == 0, done.err
    assert model(box).read_bytes() == BODY
    assert "local/tiny.q4_k_m" in box.run("models", "list").out
    # Nothing of it is kept twice.
    assert [file.name for file in model(box).parent.iterdir()] == [model(box).name]


def test_a_later_command_goes_on_where_an_earlier_one_broke_off(box: Box, hub: FakeHub) -> None:
    hub.breaks = [2_000_000, 0]
    broken = pull(box, hub, SOURCE)
    assert broken.code != 0
    assert not model(box).exists()
    done = pull(box, hub, SOURCE)
    assert done.code == 0, done.err
    assert hub.ranges[0] is None
    assert hub.ranges[-1] is not None
    assert model(box).read_bytes() == BODY


def test_what_is_not_what_the_hub_says_never_becomes_a_model(box: Box, hub: FakeHub) -> None:
    hub.false_tag = hashlib.sha256(b"another").hexdigest()
    done = pull(box, hub, SOURCE)
    assert done.code != 0
    assert "sum" in done.err
    assert not model(box).exists()


def test_a_model_for_some_is_pulled_with_their_token_which_goes_to_the_hub_alone(box: Box, hub: FakeHub) -> None:
    hub.gated["acme/tiny-GGUF"] = "hf_secret"
    refused = pull(box, hub, SOURCE)
    assert refused.code != 0
    assert "HF_TOKEN" in refused.err
    done = pull(box, hub, SOURCE, "hf_secret")
    assert done.code == 0, done.err
    assert not hub.has_leaked
    assert "hf_secret" not in done.out + done.err


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("hf:acme/tiny-GGUF/other.gguf", "acme/tiny-GGUF/other.gguf"),
        ("hf:acme/nothing/tiny.gguf", "acme/nothing"),
        ("hf:acme", "hf:"),
        ("hf:ac me/x--y/tiny.gguf", "ac me"),
    ],
)
def test_what_the_hub_does_not_have_is_named(box: Box, hub: FakeHub, source: str, says: str) -> None:
    done = pull(box, hub, source)
    assert done.code != 0
    assert says in done.err
    assert "Traceback" not in done.err
