"""Which files are taken, by what is in them, and what is said of the others."""

from __future__ import annotations

import pytest

from replyx.errors import UnsupportedFormat, ValidationFailed
from replyx.knowledge.formats import Format, sniff
from replyx.knowledge.uploads import as_label
from tests.support.pdfs import pdf


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (pdf([["Hello"]]), "a.pdf", Format.PDF),
        (pdf([["Hello"]]), "a.txt", Format.PDF),
        (b"junk before\n" + pdf([["Hello"]]), "a", Format.PDF),
        (b"<!DOCTYPE html><html><body>x</body></html>", "a.txt", Format.HTML),
        (b"<p>piece of a page</p>", "a.html", Format.HTML),
        (b"# Title\n\ntext", "a.md", Format.MARKDOWN),
        (b"# Title\n\n## Other\n\ntext", "README", Format.MARKDOWN),
        ("просто текст".encode(), "a.txt", Format.TEXT),
        ("просто текст".encode("cp1251"), "Договор v1.2", Format.TEXT),
        ("просто текст".encode("utf-16"), "a.txt", Format.TEXT),
        (b"a < b and <b>", "a.txt", Format.TEXT),
    ],
)
def test_a_format_is_known_by_its_content(content: bytes, name: str, expected: Format) -> None:
    assert sniff(content, name) is expected


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"just text", "a.pdf"),
        (b"PK\x03\x04rest", "a.zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "locked.docx"),
        (b"PK\x03\x04rest", "a.txt"),
        (b"\x89PNG\r\n\x1a\n", "a.png"),
        (b"\xff\xd8\xff\xe0", "a.jpg"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "a.doc"),
        (b"{\\rtf1 text}", "a.txt"),
        (b"MZ\x90\x00\x03\x00", "a.exe"),
        (b"\x00\x01\x02\x03" * 20, "a.txt"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg"),
        (b"<?xml version='1.0'?><feed/>", "a.txt"),
        (b'{"a": 1}', "a.json"),
    ],
)
def test_other_files_are_refused_with_what_will_do(content: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        sniff(content, name)

    assert "PDF, DOCX, XLSX" in refused.value.message_ru
    assert "PDF, DOCX, XLSX" in refused.value.message_en


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\x00" * 100])
def test_an_empty_file_is_refused_as_empty(content: bytes) -> None:
    with pytest.raises(ValidationFailed) as refused:
        sniff(content, "a.txt")

    assert refused.value.details["field"] == "file"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\a.pdf", "a.pdf"),
        ("../..", "document"),
        ("", "document"),
        ("a\x00b\nc.pdf", "abc.pdf"),
        ("evil\u202efdp.exe", "evilfdp.exe"),
        ("Прайс-лист 2025.pdf", "Прайс-лист 2025.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_a_file_name_is_kept_as_a_label_only(name: str, label: str) -> None:
    assert as_label(name) == label
