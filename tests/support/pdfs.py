"""Small PDF files made here: pages of lines, outlines, passwords, pictures, and damage."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pypdf


def pdf(pages: Sequence[Sequence[str]], outline: Sequence[tuple[str, int]] = (), password: str = "") -> bytes:
    """A PDF of ASCII lines; `outline` is (title, page counted from 1)."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for n, lines in enumerate(pages):
        rest = f"/Contents {5 + 2 * n} 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {rest} >>".encode())
        objects.append(_stream(_drawn(lines)))
    return _finished(_assembled(objects), outline, password)


def scanned_pdf() -> bytes:
    """A page that is a picture: it has no text."""
    picture = b"<< /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 4 >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox [0 0 595 842] /Resources 6 0 R >>",
        _stream(b"q 595 0 0 842 0 0 cm /P Do Q"),
        picture + b"\nstream\n\x00\xff\xff\x00\nendstream",
        b"<< /XObject << /P 5 0 R >> >>",
    ]
    return _assembled(objects)


def _drawn(lines: Sequence[str]) -> bytes:
    drawn = ["BT /F 11 Tf 14 TL 60 780 Td"]
    for line in lines:
        escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        drawn.append(f"({escaped}) Tj T*")
    return "\n".join([*drawn, "ET"]).encode("cp1252")


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _assembled(objects: Sequence[bytes]) -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def _finished(content: bytes, outline: Sequence[tuple[str, int]], password: str) -> bytes:
    if not outline and not password:
        return content
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    for title, page in outline:
        writer.add_outline_item(title=title, page_number=page - 1)
    if password:
        writer.encrypt(password, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def drawn_pdf(lines: Sequence[str], width: int, height: int, shades: bytes) -> bytes:
    """A page of ASCII lines, and a page that is a picture of `shades` of grey, a byte a pixel, packed by zlib."""
    size = b"/Width %d /Height %d /Length %d" % (width, height, len(shades))
    picture = b"<< /Subtype /Image %s /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /FlateDecode >>" % size
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox [0 0 595 842] /Resources 6 0 R >>",
        _stream(b"q 595 0 0 842 0 0 cm /P Do Q"),
        picture + b"\nstream\n" + shades + b"\nendstream",
        b"<< /XObject << /P 5 0 R >> >>",
    ]
    return _joined(pdf([lines]), _assembled(objects))


def mixed_pdf(lines: Sequence[str]) -> bytes:
    """A page of ASCII lines, and a page that is a picture."""
    return _joined(pdf([lines]), scanned_pdf())


def _joined(*contents: bytes) -> bytes:
    writer = pypdf.PdfWriter()
    for content in contents:
        writer.append(io.BytesIO(content))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
