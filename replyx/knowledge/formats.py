"""Which format an uploaded file has, by what is in it; the name only helps where text could be several things."""

from __future__ import annotations

import re
from enum import StrEnum

from replyx.errors import UnsupportedFormat, ValidationFailed

#: Bytes from the start of a file that `sniff` wants to see.
HEAD = 65_536

#: How files of other formats begin, and what to call them.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "ZIP"), (b"PK\x05\x06", "ZIP"), (b"\xd0\xcf\x11\xe0", "DOC, XLS"), (b"{\\rtf", "RTF"),
    (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"BM", "BMP"),
    (b"II*\x00", "TIFF"), (b"MM\x00*", "TIFF"), (b"SQLite format", "SQLite"), (b"%!PS", "PostScript"),
    (b"RIFF", "WEBP, WAV, AVI"), (b"\x1f\x8b", "GZIP"), (b"7z\xbc\xaf", "7Z"), (b"Rar!", "RAR"), (b"BZh", "BZIP2"),
    (b"\x7fELF", "ELF"), (b"MZ", "EXE"), (b"ID3", "MP3"), (b"OggS", "OGG"), (b"AT&TFORM", "DJVU"),
)  # fmt: skip
#: Text formats that would be read badly as running text.
_OTHER_TEXT = ("json", "jsonl", "xml", "svg", "rtf", "ics", "vcf", "tex", "yaml", "yml", "sql")
#: The folder that gives an office file away, by the names of its first entries.
_OFFICE = re.compile(rb"PK\x03\x04.{26}(word|xl|ppt)/", re.DOTALL)
_LETTER_LINE = re.compile(
    r"^(?:Received|Return-Path|Delivered-To|From|To|Subject|Date|Message-ID|MIME-Version|DKIM-Signature): ?\S",
    re.MULTILINE | re.IGNORECASE,
)
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_OTHER_MARKUP = re.compile(r"\s*(?:<\?xml\b|<svg\b|<!doctype\s+svg)", re.IGNORECASE)
_TAG = re.compile(r"<(?:p|div|h[1-6]|table|ul|ol|span|a|br|article|section)\b[^>]*>", re.IGNORECASE)
_MARKDOWN = re.compile(r"^(?:#{1,6} \S|```|\|.+\|\s*$)", re.MULTILINE)


class Format(StrEnum):
    """What ReplyX can read; the value is the content type that is stored."""

    PDF = "application/pdf"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    TEXT = "text/plain"
    CSV = "text/csv"
    EML = "message/rfc822"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    ODT = "application/vnd.oasis.opendocument.text"
    ODS = "application/vnd.oasis.opendocument.spreadsheet"
    EPUB = "application/epub+zip"


_FOLDERS = {b"word": Format.DOCX, b"xl": Format.XLSX, b"ppt": Format.PPTX}
#: Formats that are archives, by how their names end.
_ARCHIVES = {
    "docx": Format.DOCX, "docm": Format.DOCX, "xlsx": Format.XLSX, "xlsm": Format.XLSX, "pptx": Format.PPTX,
    "odt": Format.ODT, "ods": Format.ODS, "epub": Format.EPUB,
}  # fmt: skip
#: What people are told will do.
NAMES = "PDF, DOCX, XLSX, PPTX, ODT, ODS, EPUB, EML, CSV, HTML, Markdown"


def sniff(head: bytes, filename: str, content_type: str | None = None) -> Format:
    """The format of a file that begins with `head` (its first `HEAD` bytes).

    Raises:
        ValidationFailed: the file is empty. UnsupportedFormat: it is of none of the formats; details has `supported`.
    """
    if not head.strip(b"\x00\t\n\r\x0c ") or not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise ValidationFailed.of(
            "file", "Файл пуст. Загрузите файл с текстом.", "The file is empty. Upload one with text."
        )
    if b"%PDF-" in head[:1024]:
        return Format.PDF
    extension = _extension(filename)
    if extension == "pdf":
        raise _refused("это не PDF, хотя имя так говорит", "it is no PDF, though its name says so")
    if head.startswith(b"PK\x03\x04") and (kind := _archive_format(head, extension)):
        return kind
    if head.startswith(b"\xd0\xcf\x11\xe0") and extension in _ARCHIVES:
        raise _refused("он защищён паролем или старого образца", "it is protected by a password, or of an old kind")
    for magic, name in _MAGIC:
        if head.startswith(magic) and not (len(magic) == 2 and _is_text(head)):
            raise _refused(f"это {name}", f"it is {name}")
    if not _is_text(head):
        raise _refused("это двоичный файл", "it is a binary file")
    return _text_format(head, extension, content_type)


def _archive_format(head: bytes, extension: str) -> Format | None:
    """By the `mimetype` that OpenDocument and EPUB begin with, by the folders of the others, else by the name."""
    if head[30:38] == b"mimetype":
        kinds = (Format.EPUB, Format.ODT, Format.ODS)
        found = next((kind for kind in kinds if head[38:].startswith(kind.value.encode() + b"PK")), None)
        if found is not None:
            return found
    if folder := _OFFICE.search(head):
        return _FOLDERS[folder[1]]
    return _ARCHIVES.get(extension)


def _text_format(head: bytes, extension: str, content_type: str | None) -> Format:
    start = _loosely(head)
    if extension in ("csv", "tsv") or (content_type == Format.CSV and extension != "txt"):
        return Format.CSV
    if extension == "eml" or (not extension and _is_letter(start)):
        return Format.EML
    if _HTML.search(start[:4096]) or (extension in ("html", "htm", "xhtml") and _TAG.search(start)):
        return Format.HTML
    if _OTHER_MARKUP.match(start) or extension in _OTHER_TEXT:
        raise _refused(f"это {extension.upper() or 'XML'}", f"it is {extension.upper() or 'XML'}")
    if extension in ("md", "markdown", "mdown") or content_type == Format.MARKDOWN:
        return Format.MARKDOWN
    if not extension and len(_MARKDOWN.findall(start)) >= 2:
        return Format.MARKDOWN
    return Format.TEXT


def _is_letter(start: str) -> bool:
    return len(set(_LETTER_LINE.findall(start[:4096].split("\n\n")[0]))) >= 3


def _extension(filename: str) -> str:
    found = re.search(r"\.([A-Za-z]{2,8})$", filename.strip())
    return found.group(1).lower() if found else ""


def _is_text(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    # Text has tabs, line ends, form feeds and, rarely, an escape; never NUL.
    odd = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in head)
    return b"\x00" not in head and odd * 100 <= len(head)


def _loosely(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", errors="replace")
    return head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _refused(ru: str, en: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"Неподдерживаемый формат файла: {ru}. Подходят {NAMES} и простой текст.",
        f"Unsupported file format: {en}. {NAMES} and plain text will do.",
        details={"supported": [f.value for f in Format]},
    )
