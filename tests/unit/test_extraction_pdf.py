"""PDF: the better of two texts, pages and headings, what is left out, and files that cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pypdf
import pytest

from replyx.config.settings import KnowledgeSettings
from replyx.knowledge.cage import read_document
from replyx.knowledge.extract import Extract
from replyx.knowledge.failures import SENTENCES, Unreadable
from replyx.knowledge.formats import Format
from replyx.knowledge.pages import join_hyphens, without_furniture
from replyx.knowledge.pdf import quality
from tests.support.documents import faq_pdf
from tests.support.pdfs import pdf, scanned_pdf

_WORDS = "These words make the line long enough to look like a paragraph"


def _read(path: Path, limits: KnowledgeSettings | None = None) -> Extract:
    return read_document(path, Format.PDF, limits or KnowledgeSettings(), lambda done, of: None)


def _read_bytes(tmp_path: Path, content: bytes, limits: KnowledgeSettings | None = None) -> Extract:
    path = tmp_path / "file"
    path.write_bytes(content)
    return _read(path, limits)


def _code(tmp_path: Path, content: bytes, limits: KnowledgeSettings | None = None) -> str:
    with pytest.raises(Unreadable) as failed:
        _read_bytes(tmp_path, content, limits)
    return failed.value.code


@pytest.fixture(scope="module")
def russian() -> Extract:
    return _read(faq_pdf("ru"))


def test_the_russian_faq_has_its_words(russian: Extract) -> None:
    text = " ".join(block.text for block in russian.blocks)

    assert "В настоящее время существует три версии" in text
    assert "Внастоящеевремя" not in text
    assert quality(text) > 0.95


def test_pypdf_alone_would_have_lost_the_spaces_and_the_measure_tells() -> None:
    page = pypdf.PdfReader(faq_pdf("ru")).pages[12]

    assert quality(page.extract_text()) < 0.6


@pytest.mark.parametrize(
    ("language", "page", "heading", "words"),
    [
        ("ru", 13, "Какая версия Debian является последней?", "bullseye"),
        ("ru", 57, "Как убедиться, что все программы используют одинаковый формат бумаги?", "libpaper1"),
        ("en", 11, "How does one pronounce Debian and what does this word mean?", "Deb'-ee-en"),
        ("en", 55, "How can I ensure that all programs use the same paper size?", "libpaper1"),
    ],
)
def test_text_stands_under_its_heading_on_its_page(
    language: Literal["ru", "en"], page: int, heading: str, words: str
) -> None:
    blocks = [b for b in _read(faq_pdf(language)).blocks if b.heading == heading]

    assert page in {b.page for b in blocks}
    assert words in " ".join(b.text for b in blocks).replace("’", "'")


def test_headers_footers_contents_and_index_are_left_out(russian: Extract) -> None:
    lines = [line for block in russian.blocks for line in block.text.split("\n")]

    assert russian.pages == 75
    assert not [line for line in lines if line.startswith("ГЛАВА ") or ". . . ." in line]
    assert not [line for line in lines if line.isdigit()]
    assert not [block for block in russian.blocks if block.page == 75], "the subject index"


def test_words_broken_at_a_line_end_are_whole(russian: Extract) -> None:
    text = " ".join(block.text for block in russian.blocks)

    assert "распространении и разработке" in text
    assert "\ufffe" not in text


def test_a_hyphen_stays_where_the_document_writes_one() -> None:
    joined = join_hyphens(["use apt-\nget now", "apt-get is a tool", "an exam-\nple", "Unix-\n2000"])

    assert joined == ["use apt-get\nnow", "apt-get is a tool", "an example\n", "Unix-2000\n"]


def test_lines_repeated_at_the_edges_are_furniture_and_others_are_not() -> None:
    texts = ["Delivery is free", "Returns take a week", "Cards are taken", "Call us at night", "Nothing more"]
    pages = [["ACME manual", text, "The end repeats", f"Page {n} of 5"] for n, text in enumerate(texts, 1)]

    assert without_furniture(pages) == [[text] for text in texts]
    assert without_furniture([["A title", "text"], ["Another", "more"]]) == [["A title", "text"], ["Another", "more"]]


def test_the_measure_of_text_knows_good_from_bad() -> None:
    assert quality("В настоящее время существует три версии Debian.") > 0.95
    assert quality("Currently there are three versions of Debian.") > 0.95
    assert quality("ВнастоящеевремясуществуеттриверсииDebianGNULinux") < 0.1
    assert quality("В н а с т о я щ е е в р е м я") < 0.5
    assert quality("\ufffd\ufffd\ue001\ue002 text \ufffd\ufffd\ufffd") < 0.2
    assert quality(" 12 345 ") == 0


def test_pages_and_outline_are_kept(tmp_path: Path) -> None:
    content = pdf(
        [["Delivery", _WORDS, "free in town."], ["Returns", "Within two weeks."]], [("Delivery", 1), ("Returns", 2)]
    )

    extract = _read_bytes(tmp_path, content)

    assert [(b.page, b.heading, b.text) for b in extract.blocks] == [
        (1, "Delivery", f"{_WORDS} free in town."),
        (2, "Returns", "Within two weeks."),
    ]


def test_a_heading_that_is_not_found_in_the_text_begins_at_its_page(tmp_path: Path) -> None:
    extract = _read_bytes(tmp_path, pdf([["One."], ["Two."]], [("Second part", 2)]))

    assert [(b.page, b.heading) for b in extract.blocks] == [(1, None), (2, "Second part")]


def test_a_file_that_opens_without_a_password_is_read(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    path = tmp_path / "plain"
    path.write_bytes(pdf([["Anyone may read this."]]))
    writer.append(path)
    writer.encrypt("", owner_password="owner", algorithm="AES-256")
    writer.write(tmp_path / "owned")

    assert _read(tmp_path / "owned").blocks[0].text == "Anyone may read this."


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    good = pdf([["Text."]])

    assert _code(tmp_path, pdf([["Text."]], password="secret")) == "encrypted"
    assert _code(tmp_path, scanned_pdf()) == "no_text"
    assert _code(tmp_path, good[:60]) == "corrupt"
    assert _code(tmp_path, b"%PDF-1.7\n" + bytes(range(256)) * 40) == "corrupt"
    assert _code(tmp_path, pdf([["a"]] * 4), replace(KnowledgeSettings(), max_pages=3)) == "too_many_pages"


def test_a_damaged_table_of_objects_does_not_matter(tmp_path: Path) -> None:
    content = pdf([["Still readable."]]).replace(b"startxref\n", b"startxref\n9")

    assert _read_bytes(tmp_path, content).blocks[0].text == "Still readable."


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    limits = replace(KnowledgeSettings(), parse_seconds=0.05)

    assert _code(tmp_path, faq_pdf("ru").read_bytes(), limits) == "too_heavy"


def test_a_reader_that_takes_too_much_memory_ends_alone(tmp_path: Path) -> None:
    limits = replace(KnowledgeSettings(), parse_memory_mb=128)
    bomb = b"<p>" + b"<b>deep " * 1_500_000

    path = tmp_path / "bomb"
    path.write_bytes(bomb)
    with pytest.raises(Unreadable) as failed:
        read_document(path, Format.HTML, limits, lambda done, of: None)

    assert failed.value.code in ("too_heavy", "corrupt")


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as failed:
        _read(tmp_path / "nowhere")

    assert failed.value.code == "lost"


def test_pages_are_told_while_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pdf([["One."], ["Two."], ["Three."]]))
    told: list[tuple[int, int]] = []

    read_document(path, Format.PDF, KnowledgeSettings(), lambda done, of: told.append((done, of)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_every_failure_has_a_sentence_in_both_languages() -> None:
    assert all(ru and en and ru != en for ru, en in SENTENCES.values())
