"""Models that want their conversation otherwise, or were trained on less: a real GGUF file with another head."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import llama_cpp
import pytest

from replyx.llm.engine import EngineRequest, Turn
from replyx.llm.llama import LoadedModel
from replyx.llm.shelf import ModelShelf
from tests.conftest import Configure

_TEMPLATE, _TRAINED = b"tokenizer.chat_template", b"llama.context_length"

#: GGUF's numbers for the types of values: of 32 bits without a sign, and text.
_NUMBER, _TEXT = 4, 8

#: As some models' templates do.
_NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }} {% endfor %}"
)

Change = Callable[[bytearray], None]


def _template(words: str) -> Change:
    """Another chat template in the place of the file's own, filled up by a remark."""

    def change(model: bytearray) -> None:
        at = _value(model, _TEMPLATE, _TEXT)
        (length,) = struct.unpack_from("<Q", model, at)
        room = length - len(words) - len("{##}")
        model[at + 8 : at + 8 + length] = (words + "{#" + "x" * room + "#}").encode("ascii")

    return change


def _trained_on(tokens: int) -> Change:
    def change(model: bytearray) -> None:
        struct.pack_into("<I", model, _value(model, _TRAINED, _NUMBER), tokens)

    return change


def _value(model: bytearray, key: bytes, kind: int) -> int:
    """Where a value of the file's head stands."""
    at = model.index(struct.pack("<Q", len(key)) + key + struct.pack("<I", kind))
    return at + 8 + len(key) + 4


@pytest.fixture
def changed(configure: Configure, tmp_path: Path) -> Callable[[Change], Path]:
    def make(change: Change) -> Path:
        model = bytearray(ModelShelf(configure()).path("local/smollm2-135m").read_bytes())
        change(model)
        file = tmp_path / "changed.gguf"
        file.write_bytes(model)
        return file

    return make


def test_a_template_without_a_system_message_is_given_its_words_before_the_first_question(
    changed: Callable[[Change], Path], configure: Configure
) -> None:
    file = str(changed(_template(_NO_SYSTEM)))
    model = LoadedModel(file, configure(REPLYX_MODELS__CONTEXT_TOKENS="1024"))
    history = (Turn("user", "Hello there"), Turn("assistant", "Good day"))
    try:
        fitted = model.fit(EngineRequest("local/changed", "You are Acme.", "How long?", (), history, "en", 8))
    finally:
        model.close()
    with closing(llama_cpp.Llama(file, vocab_only=True, verbose=False)) as vocabulary:
        words = vocabulary.detokenize(fitted.prompt).decode()

    assert "[system]" not in words
    assert words.index("You are Acme.") < words.index("Hello there") < words.index("[assistant] Good day")
    assert words.count("[user]") == 2
    assert words.rstrip().endswith("How long?")


def test_the_context_is_no_longer_than_what_the_model_was_trained_on_unless_asked_for(
    changed: Callable[[Change], Path], configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "replyx.llm.llama")
    file = str(changed(_trained_on(512)))

    for asked in ("0", "768"):
        LoadedModel(file, configure(REPLYX_MODELS__CONTEXT_TOKENS=asked)).close()

    assert [row.__dict__["context"] for row in caplog.records if row.msg == "local model loaded"] == [512, 768]
