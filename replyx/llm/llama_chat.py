"""How a GGUF model wants its conversation written: its own chat template, as tokens."""

from __future__ import annotations

from typing import Any

from replyx.llm.engine import EngineRequest
from replyx.llm.prompt import build_messages


class ChatTemplate:
    """The template of one loaded model, compiled once."""

    def __init__(self, llama: Any) -> None:
        import llama_cpp
        from llama_cpp import llama_chat_format

        self._llama = llama
        template = llama.metadata.get("tokenizer.chat_template")
        vocab = llama_cpp.llama_model_get_vocab(llama.model)

        def text_of(token: int) -> str:
            return llama_cpp.llama_vocab_get_text(vocab, token).decode("utf-8", "ignore") if token >= 0 else ""

        # Files from before templates were kept in them are in the form that the library takes for its default.
        self._format: Any = (
            llama_chat_format.Jinja2ChatFormatter(template, text_of(llama.token_eos()), text_of(llama.token_bos()))
            if template
            else llama_chat_format.format_llama2
        )

    def tokens(self, request: EngineRequest) -> list[int]:
        """The prompt of `request`, up to where the model's answer begins."""
        import jinja2

        messages = build_messages(request)
        try:
            done = self._format(messages=messages)
        except (jinja2.TemplateError, ValueError):
            # Some templates know no system message: its words then stand before the first question.
            first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
            done = self._format(messages=[first, *messages[2:]])
        prompt = done.prompt.encode("utf-8", "ignore")
        tokens: list[int] = self._llama.tokenize(prompt, add_bos=not done.added_special, special=True)
        return tokens
