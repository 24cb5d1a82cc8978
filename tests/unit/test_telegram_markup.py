"""Markdown becomes Telegram's HTML: only tags that Telegram knows, balanced, escaped, links only to the web."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyx.bots.telegram.markup import TAGS, Rich, Span, from_markdown, link, plain, safe_url, utf16_units

#: What models mix in every way: marks, brackets, HTML, code, lists, tables, emoji.
MARKED = st.lists(
    st.sampled_from(
        [
            "слово",
            " ",
            "\n",
            "\n\n",
            "**",
            "*",
            "_",
            "__",
            "~~",
            "`",
            "```\n",
            "> ",
            "- ",
            "1. ",
            "    ",
            "# ",
            "|",
            "|---|\n",
            "[",
            "](https://a.example/?a=1&b=2)",
            "](javascript:alert(1))",
            "![",
            "<b>",
            "</a>",
            "<script>",
            "&amp;",
            "&",
            "😀",
            "é",
            "👨‍👩‍👧",
            "\\",
            "---\n",
            "\t",
        ]
    ),
    max_size=60,
).map("".join)


class Telegram(HTMLParser):
    """Reads HTML as strictly as Telegram does, and keeps the text and the addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.links = "", [], []  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= {"a": {"href"}, "code": {"class"}}.get(tag, set())
        self.links += [value for name, value in attrs if name == "href"]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Telegram:
    """`html` as Telegram would take it; fails where it would refuse it."""
    parser = Telegram()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


@given(MARKED)
def test_whatever_an_engine_writes_telegram_can_parse_and_reads_as_the_plain_text(text: str) -> None:
    rich = from_markdown(text)
    seen = read(rich.as_html())
    assert seen.text == rich.text
    assert all(address.startswith("https://a.example/") for address in seen.links)


@given(MARKED, st.data())
def test_any_part_that_is_cut_out_has_balanced_tags(text: str, data: st.DataObject) -> None:
    rich = from_markdown(text)
    start = data.draw(st.integers(0, len(rich.text)))
    end = data.draw(st.integers(start, len(rich.text)))
    assert read(rich.cut(start, end).as_html()).text == rich.text[start:end]


@given(st.text())
def test_no_word_of_a_text_is_lost(text: str) -> None:
    words = [word for word in text.split() if word.isalnum() and word.isascii() and not word.isdigit()]
    assert all(word in from_markdown(text).text for word in words)


@given(st.text())
def test_plain_text_stays_as_it_is(text: str) -> None:
    shown = plain(text)
    assert shown.text == text.strip()
    assert utf16_units(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**жирный** и *курсив*", "<b>жирный</b> и <i>курсив</i>"),
        ("# Заголовок\nтекст", "<b>Заголовок</b>\n\nтекст"),
        ("- раз\n  - два\n- три", "• раз\n    • два\n• три"),
        ("3. три\n4. четыре", "3. три\n4. четыре"),
        ("> цитата\n> > в цитате", "<blockquote>цитата\n\nв цитате</blockquote>"),
        ("`a < b`", "<code>a &lt; b</code>"),
        ("```python\nif a:\n    b\n```", '<pre><code class="language-python">if a:\n    b</code></pre>'),
        ("    не код", "не код"),
        ("~~нет~~", "<s>нет</s>"),
        ("2*3*4 и a_b_c", "2<i>3</i>4 и a_b_c"),
        ("[сайт](https://a.example/?x=1&y=2)", '<a href="https://a.example/?x=1&amp;y=2">сайт</a>'),
        ("![схема](https://a.example/x.png)", "схема"),
        ("<b>не тег</b> & знак", "&lt;b&gt;не тег&lt;/b&gt; &amp; знак"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<b>a</b> | <b>b</b>\n1 | 2"),
        ("раз  \nдва\nтри", "раз\nдва\nтри"),
        ("первый\n\n\n\nвторой", "первый\n\nвторой"),
        ("# **оба**", "<b>оба</b>"),
        ("не закрыт **жирный", "не закрыт **жирный"),
    ],
)
def test_each_mark_has_its_form(markdown: str, html: str) -> None:
    assert from_markdown(markdown).as_html() == html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "tg://resolve?domain=x",
        "file:///etc/passwd",
        "//a.example",
        "/path",
        "http://",
        "https://user:word@a.example/",
        'https://a.example/"onclick',
        "https://a.example/ b",
        "https://[::1",
        "https://a.example/" + "x" * 2000,
        "",
        None,
    ],
)
def test_links_lead_to_the_web_or_are_no_links(address: str | None) -> None:
    assert safe_url(address) is None
    assert link("текст", address) == Rich("текст")


def test_texts_are_joined_with_their_styles() -> None:
    whole = Rich("раз ", (Span(0, 3, "b"),)) + link("два", "https://a.example/")
    assert whole.as_html() == '<b>раз</b> <a href="https://a.example/">два</a>'
    assert Rich("😀").units == 2
