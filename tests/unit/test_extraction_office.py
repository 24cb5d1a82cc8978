"""Office files, books, letters and tables: headings, rows with the names of their columns, slides as pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from replyx.config.settings import KnowledgeSettings
from replyx.knowledge.cage import read_document
from replyx.knowledge.extract import Extract
from replyx.knowledge.failures import Unreadable
from replyx.knowledge.formats import Format, sniff
from replyx.knowledge.messages import read_eml, read_epub
from replyx.knowledge.office import read_docx, read_odt, read_pptx
from replyx.knowledge.records import read_csv, read_sheets
from tests.support.documents import REPOSITORY
from tests.support.office import (
    docx,
    eml,
    epub,
    odt,
    packed,
    paragraph,
    pptx,
    relations,
    sheet_rows,
    word_table,
    xlsx,
)
from tests.support.pdfs import pdf

_PRICES = [["Тариф", "Цена", "Срок"], ["Базовый", "300 ₽", "3 дня"], ["Быстрый", "", "1 день"]]
_ODT = """<text:h text:outline-level="1">Доставка</text:h><text:p>Везём<text:s/>бесплатно<text:tab/>всюду.</text:p>
<text:tracked-changes><text:p>старое</text:p></text:tracked-changes>
<text:list><text:list-item><text:p>утром</text:p></text:list-item></text:list>
<table:table><table:table-row><table:table-cell><text:p>Город</text:p></table:table-cell><table:table-cell>
<text:p>Дни</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>Казань</text:p>
</table:table-cell><table:table-cell><text:p>2</text:p></table:table-cell></table:table-row></table:table>"""
_CHAPTER = "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>Глава {0}</h1><p>Текст {0}.</p></body></html>"

GOOD: dict[str, bytes] = {
    "a.pdf": pdf([["Delivery is free."], ["Returns take a week."]], [("Delivery", 1)]),
    "a.docx": docx(paragraph("Доставка", "1") + paragraph("Бесплатно.") + word_table(_PRICES)),
    "a.xlsx": xlsx({"Цены": sheet_rows(_PRICES)}),
    "a.pptx": pptx([("О нас", ["Работаем с 2010 года."], "Улыбнуться."), ("Цены", ["От 300 ₽."], "")]),
    "a.odt": odt(_ODT),
    "a.epub": epub({"1.xhtml": _CHAPTER.format(1), "2%20b.xhtml".replace("%20", "_"): _CHAPTER.format(2)}),
    "a.eml": eml("Вопрос о доставке", "Когда привезут?", attachment="чек.bin"),
    "a.csv": "Город;Дни;Цена\nКазань;2;300\nПермь;3;400\n".encode("cp1251"),
    "a.html": "<meta charset=koi8-r><h1>Доставка</h1><p>Бесплатно.</p>".encode("koi8-r"),
    "a.md": "# Доставка\n\nБесплатно.\n".encode(),
    "a.txt": "Доставка бесплатно, но не всюду.".encode("utf-16"),
}


def _lines(found: Extract) -> list[tuple[int | None, str | None, list[str]]]:
    return [(block.page, block.heading, block.text.split("\n")) for block in found.blocks]


@pytest.mark.parametrize("name", GOOD)
def test_every_format_is_recognised_and_read_in_the_cage(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(GOOD[name])
    kind = sniff(GOOD[name], name)

    found = read_document(path, kind, KnowledgeSettings(), lambda done, of: None)

    assert kind in (Format.HTML, Format.MARKDOWN) or kind.name.lower() in (name[2:], "text")
    text = " ".join(block.text for block in found.blocks)
    assert any(word in text.lower() for word in ("бесплатно", "free", "300", "когда привезут", "текст 2"))
    assert "\ufffd" not in text


def test_nothing_is_imported_once_the_cage_has_closed(tmp_path: Path) -> None:
    for name, content in GOOD.items():
        (tmp_path / name).write_bytes(content)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _IMPORTS, *(str(tmp_path / name) for name in GOOD)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == {name: [] for name in GOOD}


#: Each file in a process of its own, as in the cage but with an open door: what is imported while it is read.
_IMPORTS = """
import importlib, json, os, sys
from pathlib import Path
from replyx.knowledge.formats import sniff
from replyx.knowledge.reader import _READERS, load_encodings
late = {}
for path in map(Path, sys.argv[1:]):
    out, into = os.pipe()
    if not os.fork():
        data = path.read_bytes()
        module, function, imports = _READERS[sniff(data, path.name)]
        read = getattr(importlib.import_module(module), function)
        for name in imports:
            importlib.import_module(name)
        load_encodings(data)
        before = set(sys.modules)
        read(*((data, 100, lambda done, of: None) if path.suffix == ".pdf" else (data,)))
        os.write(into, json.dumps(sorted(set(sys.modules) - before)).encode())
        os._exit(0)
    os.close(into)
    late[path.name] = json.loads(os.read(out, 65536) or "[\\"died\\"]")
print(json.dumps(late))
"""


def test_a_word_document_has_headings_items_tables_and_no_struck_out_words() -> None:
    body = (
        paragraph("Доставка", "1")
        + paragraph("Везём бесплатно.")
        + paragraph("утром", extra="<w:numPr/>")
        + "<w:p><w:r><w:t>А</w:t><w:tab/><w:t>Б</w:t><w:br/><w:t>В</w:t></w:r><w:del><w:r><w:delText>нет</w:delText>"
        "<w:t>нет</w:t></w:r></w:del></w:p>" + paragraph("Цены", "own") + word_table(_PRICES)
    )

    assert _lines(read_docx(docx(body))) == [
        (None, "Доставка", ["Везём бесплатно.", "• утром", "А Б", "В"]),
        (None, "Цены", ["Тариф: Базовый | Цена: 300 ₽ | Срок: 3 дня", "Тариф: Быстрый | Срок: 1 день"]),
    ]


def test_a_word_table_keeps_its_columns_where_cells_are_joined() -> None:
    def cell(text: str, kind: str) -> str:
        return f"<w:tc><w:tcPr>{kind}</w:tcPr>{paragraph(text)}</w:tc>"

    rows = [
        cell("Город", "") + cell("Лето", "") + cell("Зима", ""),
        cell("Казань", '<w:vMerge w:val="restart"/>') + cell("весь год", '<w:gridSpan w:val="2"/>'),
        cell("", "<w:vMerge/>") + cell("2 дня", "") + cell("3 дня", ""),
    ]
    body = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"

    (block,) = read_docx(docx(body)).blocks

    assert block.text.split("\n") == [
        "Город: Казань | Лето: весь год",
        "Город: Казань | Лето: 2 дня | Зима: 3 дня",
    ]


def test_text_boxes_and_footnotes_are_read_once() -> None:
    box = (
        "<w:p><w:r><w:t>До</w:t></w:r><w:r><mc:AlternateContent xmlns:mc='urn:mc'><mc:Choice><w:txbxContent>"
        + paragraph("В рамке")
        + "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>"
        + paragraph("В рамке")
        + "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r><w:r><w:t> и после</w:t></w:r></w:p>"
    )
    notes = f'<w:footnotes xmlns:w="urn:w"><w:footnote>{paragraph("Сноска.")}</w:footnote></w:footnotes>'

    (block,) = read_docx(docx(box, **{"word__footnotes.xml": notes})).blocks

    assert block.text.split("\n") == ["В рамке", "До и после", "Сноска."]


def test_sheets_have_names_dates_and_whole_numbers() -> None:
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'
        '<row r="3"><c r="A3" t="s"><v>1</v></c><c r="B3" t="s"><v>2</v></c><c r="C3" t="s"><v>3</v></c></row>'
        '<row r="4"><c r="A4" t="s"><v>4</v></c><c r="B4"><v>300</v></c><c r="C4" s="1"><v>45901</v></c></row>'
        '<row r="5"><c r="A5" t="b"><v>1</v></c><c r="B5"><v>0.5</v></c></row>'
    )
    book = xlsx({"Прайс": rows, "Пусто": ""}, ["Прайс-лист", "Товар", "Цена", "С какого дня", "Чайник"])

    assert _lines(read_sheets(book)) == [
        (None, "Прайс", ["Прайс-лист", "Товар: Чайник | Цена: 300 | С какого дня: 01.09.2025", "Товар: да | Цена: 0.5"])
    ]


def test_slides_are_pages_in_their_order_with_titles_and_notes() -> None:
    found = read_pptx(GOOD["a.pptx"])

    assert found.pages == 2
    assert _lines(found) == [
        (1, "О нас", ["Работаем с 2010 года.", "Улыбнуться."]),
        (2, "Цены", ["От 300 ₽."]),
    ]


def test_an_open_document_has_headings_items_and_tables() -> None:
    assert _lines(read_odt(odt(_ODT))) == [
        (None, "Доставка", ["Везём бесплатно всюду.", "• утром", "Город: Казань | Дни: 2"])
    ]


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    assert _lines(read_epub(GOOD["a.epub"])) == [
        (None, "Глава 1", ["Текст 1."]),
        (None, "Глава 2", ["Текст 2."]),
    ]


def test_a_letter_has_its_subject_its_people_and_its_best_body() -> None:
    ((_, subject, around), (_, heading, body)) = _lines(read_eml(GOOD["a.eml"]))

    assert (subject, heading, body) == ("Вопрос о доставке", "Вопрос о доставке", ["Когда привезут?"])
    assert around[0] == "From: Ира <ira@example.com>"
    assert around[-1] == "Attachment: чек.bin"


def test_a_letter_of_html_alone_is_read_as_html() -> None:
    blocks = _lines(read_eml(eml("Тема", "", "<h2>Раздел</h2><p>Слова.</p>")))

    assert blocks[1:] == [(None, "Раздел", ["Слова."])]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Город,Дни,Цена\nКазань,2,300\n", ["Город: Казань | Дни: 2 | Цена: 300"]),
        ("Город;Цена\nКазань;1,5\n", ["Город: Казань | Цена: 1,5"]),
        ("a\tb\tc\n1\t2\t3\n", ["a: 1 | b: 2 | c: 3"]),
        ('q,a,x\n"a, b","строка\nдве",z\n', ["q: a, b | a: строка две | x: z"]),
        ("Телефон,Москва\nПочта,Казань\n", ["Телефон | Москва", "Почта | Казань"]),
        ("1,2,3\n4,5,6\n", ["1 | 2 | 3", "4 | 5 | 6"]),
    ],
)
def test_separated_values_become_rows_with_the_names_of_their_columns(text: str, lines: list[str]) -> None:
    assert [block.text.split("\n") for block in read_csv(text.encode()).blocks] == [lines]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (packed({"word/document.xml": "<a>" * 300}), "corrupt"),
        (packed({"word/document.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}), "corrupt"),
        (packed({"word/document.xml": "<a>unfinished"}), "corrupt"),
        (packed({"word/other.xml": "<a/>"}), "corrupt"),
        (b"PK\x03\x04 cut", "corrupt"),
        (packed({"word/document.xml": "<a>" + " " * 3_000_000 + "</a>"}), "unpacks_too_large"),
        (packed({f"{n}": "" for n in range(1001)}), "unpacks_too_large"),
        (packed({"_rels/.rels": relations({"a": ("officeDocument", "../../etc/passwd")})}), "corrupt"),
    ],
)
def test_an_archive_that_is_no_document_is_refused_with_its_reason(content: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as failed:
        read_docx(content)

    assert failed.value.code == code


def test_an_encrypted_open_document_is_told() -> None:
    manifest = '<m:manifest xmlns:m="urn:m"><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>'

    with pytest.raises(Unreadable) as failed:
        read_odt(odt("", manifest))

    assert failed.value.code == "encrypted"
