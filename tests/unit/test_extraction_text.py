"""Text, HTML and Markdown: encodings, headings, and what is left out."""

from __future__ import annotations

import pytest

from replyx.knowledge.extract import clean
from replyx.knowledge.markup import read_html, read_markdown
from replyx.knowledge.plain import decode, read_text

_RUSSIAN = "Возврат товара возможен в течение 14 дней. Ёлка — «ёж» №5, цена 1 500 руб."


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1251", "koi8-r", "cp866", "iso8859-5"]
)
@pytest.mark.parametrize(
    "text", ["Как вернуть товар?", "Доставка бесплатна. ЦЕНЫ НИЗКИЕ", 'ООО "Ромашка"', "да, Windows 11"]
)
def test_russian_is_read_in_every_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_long_russian_text_is_read_with_its_punctuation() -> None:
    assert decode(_RUSSIAN.encode("cp1251")) == _RUSSIAN


@pytest.mark.parametrize("text", ["Größe und Straße über café", "naïve café résumé", "El niño comió piña mañana"])
def test_western_text_is_not_taken_for_russian(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


def test_a_text_cut_in_its_last_character_is_still_utf_8() -> None:
    assert decode("Текст и ещё".encode()[:-1]) == "Текст и ещ"


def test_what_databases_refuse_is_left_out() -> None:
    assert clean("a\x00b\x07 \ud800c\r\nd\u00ade\u200bf  g") == "ab c\ndef g"


def test_accents_without_letters_are_left_out() -> None:
    assert clean("the \u0300testing’ é") == "the testing’ é"


def test_wrapped_lines_are_joined_and_lists_are_not() -> None:
    text = (
        "Первая строка абзаца, которая была\nразбита на несколько строк одной\nпримерно ширины.\n\n"
        "хлеб\nмолоко, два литра и ещё немного\nсыр\n"
    )

    (block,) = read_text(text.encode()).blocks

    assert block.text.split("\n") == [
        "Первая строка абзаца, которая была разбита на несколько строк одной примерно ширины.",
        "хлеб", "молоко, два литра и ещё немного", "сыр",
    ]  # fmt: skip


def test_html_keeps_headings_lists_and_tables_and_leaves_out_the_frame() -> None:
    page = """<html><head><title>Магазин</title><style>p{}</style></head><body>
      <nav><a href=/>Главная</a></nav><header>Шапка</header>
      <p>Вступление.</p>
      <h1>Доставка <i>и оплата</i></h1><p>Везём <b>бес</b>платно<br>по городу.</p>
      <ul><li>утром<li>вечером <p>до 22:00</p></ul>
      <h2>Цены</h2><table><tr><th>Город<th>Цена<tr><td>Казань<td><p>300</p><p>руб</p></table>
      <script>alert(1)</script><footer>Подвал</footer></body></html>"""

    blocks = read_html(page.encode()).blocks

    assert [(b.heading, b.text.split("\n")) for b in blocks] == [
        ("Магазин", ["Вступление."]),
        ("Доставка и оплата", ["Везём бесплатно", "по городу.", "• утром", "• вечером", "до 22:00"]),
        ("Цены", ["Город: Казань | Цена: 300 руб"]),
    ]


def test_the_encoding_that_html_declares_is_believed() -> None:
    page = '<meta charset="windows-1251"><p>Привет</p>'.encode("cp1251")

    assert read_html(page).blocks[0].text == "Привет"


def test_a_page_that_is_all_frame_keeps_its_text() -> None:
    assert read_html(b"<body><form><p>Everything stands in a form.</p></form></body>").blocks


def test_markdown_keeps_headings_code_and_tables() -> None:
    text = (
        "---\ntitle: x\n---\n# Установка\nТекст *курсивом*, [ссылка](https://a.example/b).\n\n- раз\n- два\n\n"
        "## Код\n```\npip install x\n# не заголовок\n```\n\n|A|B|\n|-|-|\n|1|2|\n"
    )

    blocks = read_markdown(text.encode()).blocks

    assert [(b.heading, b.text.split("\n")) for b in blocks] == [
        ("Установка", ["Текст курсивом, ссылка (https://a.example/b).", "• раз", "• два"]),
        ("Код", ["pip install x", "# не заголовок", "A: 1 | B: 2"]),
    ]
