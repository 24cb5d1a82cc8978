"""Two hundred hostile files, made by code: bombs, loops, polyglots, traversal, truncation, encryption, size, depth."""

from __future__ import annotations

import base64
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

from tests.support.office import docx, eml, epub, odt, packed, paragraph, pptx, relations, sheet_rows, word_table, xlsx
from tests.support.pdfs import pdf, scanned_pdf

#: Name and content.
File = tuple[str, bytes]

_BIG = 8 * 1024 * 1024


def corpus() -> Iterator[File]:
    """All files; the same ones each time, made as they are asked for."""
    for make in (_cut, _pdf_bombs, _pdf_loops, _archives, _xml, _sheets, _markup, _separated, _letters, _books, _text):
        yield from make()
    yield from _polyglots()
    yield from _damaged()


def small_corpus() -> Iterator[File]:
    """A few of each kind that are made at once."""
    for every, make in ((17, _cut), (18, _damaged), (6, _pdf_loops), (5, _polyglots), (3, _sheets)):
        for number, file in enumerate(make()):
            if number % every == 1:
                yield file
    yield "bomb.docx", packed({"word/document.xml": bytes(30 * 1024 * 1024)})
    yield "bomb.pdf", _page(_stream(zlib.compress(zlib.compress(bytes(_BIG))), b"/Filter [/FlateDecode /FlateDecode]"))
    yield "laughs.odt", odt("", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
    yield "deep.html", b"<div>" * 20_000


def _good() -> dict[str, bytes]:
    rows: list[list[str | float | None]] = [["Город", "Дни", "Цена"], ["Казань", 2, 300], ["Пермь", 3, 400]]
    return {
        "pdf": pdf([["Delivery is free.", "Returns take a week."]] * 3, [("Delivery", 1)]),
        "docx": docx(paragraph("Доставка", "1") + paragraph("Бесплатно.") * 50 + word_table([["а", "б"]] * 5)),
        "xlsx": xlsx({"Цены": sheet_rows(rows)}),
        "pptx": pptx([("О нас", ["Работаем."], "Улыбнуться."), ("Цены", ["От 300 ₽."], "")]),
        "odt": odt("<text:p>Доставка бесплатна.</text:p>" * 20),
        "epub": epub({"1.xhtml": "<h1>Глава</h1><p>Текст.</p>", "2.xhtml": "<p>Дальше.</p>"}),
        "eml": eml("Тема", "Слова.", "<p>Слова.</p>", "a.bin"),
    }


def _cut() -> Iterator[File]:
    for kind, content in _good().items():
        for share in (3, 25, 50, 75, 97):
            yield f"cut-at-{share}.{kind}", content[: len(content) * share // 100]


def _damaged() -> Iterator[File]:
    dice = random.Random(7)
    for kind, content in _good().items():
        for number in range(5):
            data = bytearray(content)
            for _ in range(max(4, len(data) // 200)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            yield f"damaged-{number}.{kind}", bytes(data)


def _objects(*bodies: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of the bodies as they are, with a table of objects that finds them."""
    out, places = io.BytesIO(b"%PDF-1.7\n"), []
    out.seek(0, io.SEEK_END)
    for number, body in enumerate(bodies, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, trailer, start))
    return out.getvalue()


def _stream(content: bytes, rest: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), rest, content)


def _page(contents: bytes, *more: bytes, media: bytes = b"[0 0 595 842]") -> bytes:
    resources = b"/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox %s %s >>" % (media, resources)
    catalog, pages = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return _objects(catalog, pages, page, contents, *more)


def _pdf_bombs() -> Iterator[File]:
    zeros = zlib.compress(bytes(100 * 1024 * 1024), 9)
    yield "flate-bomb.pdf", _page(_stream(zeros, b"/Filter /FlateDecode"))
    for depth in (2, 3, 5):
        packed_again = zeros
        for _ in range(depth - 1):
            packed_again = zlib.compress(packed_again, 9)
        yield (
            f"chained-{depth}.pdf",
            _page(_stream(packed_again, b"/Filter [%s]" % (b"/FlateDecode " * depth))),
        )
    runs = b"\x81a" * 1_000_000
    yield "run-length.pdf", _page(_stream(runs + b"\x80", b"/Filter /RunLengthDecode"))
    yield "ascii-hex.pdf", _page(_stream(b"41" * 4_000_000 + b">", b"/Filter /ASCIIHexDecode"))
    yield "ascii85.pdf", _page(_stream(b"z" * 5_000_000 + b"~>", b"/Filter /ASCII85Decode"))
    yield "lzw-loop.pdf", _page(_stream(b"\x80\x0b\x60\x50\x22" * 200_000, b"/Filter /LZWDecode"))
    yield "predictor.pdf", _page(_stream(zeros, b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 1 >>"))
    shown = b"BT /F 1 Tf " + b"(x) Tj " * 2_000_000 + b"ET"
    yield "millions-of-words.pdf", _page(_stream(zlib.compress(shown), b"/Filter /FlateDecode"))
    yield "states.pdf", _page(_stream(zlib.compress(b"q " * 3_000_000), b"/Filter /FlateDecode"))
    yield "huge-page.pdf", _page(_stream(b"BT /F 9 Tf (x) Tj ET"), media=b"[0 0 1e30 1e30]")
    many = b" ".join([b"3 0 R"] * 200_000)
    catalog, page = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Page /Parent 2 0 R >>"
    yield "pages.pdf", _objects(catalog, b"<< /Type /Pages /Kids [%s] /Count 200000 >>" % many, page)
    yield "count.pdf", _objects(catalog, b"<< /Type /Pages /Kids [3 0 R] /Count 2147483647 >>", page)
    yield "scan.pdf", scanned_pdf()
    yield "locked.pdf", pdf([["secret"]], password="x")
    yield "owner.pdf", pdf([["open to readers"]], password="x")[:-200]
    image = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /ColorSpace /DeviceRGB /BitsPerComponent 8"
    yield "picture.pdf", _page(_stream(b"/I Do"), _stream(zeros, image + b" /Filter /FlateDecode"))


def _pdf_loops() -> Iterator[File]:
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    yield "kids.pdf", _objects(catalog, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>")
    yield "parents.pdf", _objects(catalog, b"<< /Type /Pages /Kids [3 0 R] >>", b"<< /Type /Pages /Kids [2 0 R] >>")
    yield "contents.pdf", _page(b"[4 0 R 4 0 R]")
    yield "length.pdf", _page(b"<< /Length 4 0 R >>\nstream\nx\nendstream")
    yield "itself.pdf", _objects(b"1 0 R")
    yield "prev.pdf", _objects(catalog, b"<< /Type /Pages /Kids [] /Count 0 >>", trailer=b"/Prev 9")
    outline = b"<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>"
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /MediaBox [0 0 9 9] >>"
    pages, words = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", _stream(b"BT (x) Tj ET")
    item = b"<< /Title (a) /Parent 5 0 R /Next 6 0 R /First 6 0 R /Last 6 0 R /Dest [3 0 R /Fit] >>"
    yield "outline.pdf", _objects(outline, pages, page, words, b"<< /First 6 0 R /Last 6 0 R /Count 9 >>", item)
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"
    drawn = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>"
    yield "forms.pdf", _objects(catalog, pages, drawn, _stream(b"/X Do"), _stream(b"/X Do /X Do", form))
    inside = _stream(b"5 0 << >>", b"/Type /ObjStm /N 1 /First 4 /Extends 5 0 R")
    yield "object-stream.pdf", _page(_stream(b"x"), inside)
    for name, piece in (("arrays", b"["), ("dictionaries", b"<</A "), ("strings", b"("), ("quotes", b"'")):
        yield f"deep-{name}.pdf", _objects(piece * 300_000)
    tree = [b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (n + 3) for n in range(20_000)]
    yield "deep-tree.pdf", _objects(catalog, *tree)


def _archives() -> Iterator[File]:
    for kind, entry in (("docx", "word/document.xml"), ("xlsx", "xl/workbook.xml"), ("pptx", "ppt/presentation.xml")):
        yield f"zeros.{kind}", packed({entry: bytes(99 * 1024 * 1024)})
        yield f"spaces.{kind}", packed({entry: b"<a>" + b" " * _BIG + b"</a>"})
        yield f"too-large.{kind}", packed({entry: "<a/>", "a": bytes(60 * 1024 * 1024), "b": bytes(60 * 1024 * 1024)})
        yield f"entries.{kind}", packed({entry: "<a/>", **{f"word/{n}": "" for n in range(20_000)}})
    inner = packed({"x": bytes(_BIG)})
    for _ in range(5):
        inner = packed({f"{n}.zip": inner for n in range(4)})
    yield "nested.docx", packed({"word/document.xml": "<a/>", "word/inner.zip": inner})
    for number, name in enumerate(
        ("../../../etc/cron.d/x", "/etc/passwd", "..\\..\\x", "C:\\x", "word/../../x", "~/.ssh/x", "a\x00b", "x" * 300)
    ):
        yield f"traversal-{number}.docx", packed({"word/document.xml": "<a/>", name: "hostile"})
    for number, target in enumerate(("../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://[::1]/")):
        yield (
            f"target-{number}.docx",
            packed({"word/x": "", "_rels/.rels": relations({"a": ("officeDocument", target)})}),
        )
    whole = _good()["docx"]
    yield "lies-about-size.docx", whole.replace(struct.pack("<I", len(whole)), b"\xff\xff\xff\x7f")
    yield "overlapping.docx", _overlapping()
    for name, method in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.writestr("word/document.xml", bytes(_BIG))
        yield f"{name}.docx", out.getvalue()
    yield "locked.odt", odt("", '<m xmlns="urn:m"><encryption-data/></m>')
    flagged = bytearray(whole)
    flagged[whole.rindex(b"PK\x01\x02") + 8] |= 1
    yield "encrypted-entry.docx", bytes(flagged)
    yield "empty.docx", b"PK\x05\x06" + bytes(18)


def _overlapping() -> bytes:
    """Every entry of the directory is the same megabytes."""
    out = io.BytesIO(packed({"word/document.xml": bytes(_BIG)}))
    data = out.getvalue()
    start = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    row = data[start:end]
    rows = row * 900
    return data[:start] + rows + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 900, 900, len(rows), start, 0)


def _xml() -> Iterator[File]:
    laughs = '<!DOCTYPE a [<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bodies = {
        "laughs": f"{laughs}]><a>&l9;</a>",
        "quadratic": f'<!DOCTYPE a [<!ENTITY l "{"x" * 100_000}">]><a>{"&l;" * 10_000}</a>',
        "file": '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>',
        "network": '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a>words</a>',
        "parameter": '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
        "deep": "<a>" * 100_000,
        "attributes": "<a " + " ".join(f'a{n}="x"' for n in range(200_000)) + "/>",
        "long-name": f"<{'a' * 4_000_000}/>",
        "unclosed-comment": "<a><!--" + "-" * 4_000_000,
        "wrong-encoding": '<?xml version="1.0" encoding="utf-7"?><a/>',
        "paragraphs": "<a>" + "<p><t>x</t></p>" * 300_000 + "</a>",
    }
    for name, body in bodies.items():
        yield f"{name}.docx", packed({"word/document.xml": body, "pad": random.Random(1).randbytes(500_000)})
        yield f"{name}.odt", packed({"content.xml": body}, ("mimetype", "application/vnd.oasis.opendocument.text"))
    table = "<tbl><tr><tc>" * 80 + "<p><t>x</t></p>" + "</tc></tr></tbl>" * 80
    yield "tables-in-tables.docx", packed({"word/document.xml": f"<a>{table}</a>"})
    yield "spans.docx", packed({"word/document.xml": "<a><tbl>" + "<tr><tc><gridSpan val='999'/></tc></tr>" * 9000})


def _sheets() -> Iterator[File]:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    yield "far-corner.xlsx", xlsx({"a": '<row r="1"><c r="A1"><v>1</v></c></row>' + far})
    yield "beyond.xlsx", xlsx({"a": '<row r="99999999999"><c r="ZZZZZZ99999999999"><v>1</v></c></row>'})
    yield "no-such-string.xlsx", xlsx({"a": '<row r="1"><c r="A1" t="s"><v>999999999</v></c></row>'})
    yield "a-million-cells.xlsx", xlsx({"a": sheet_rows([["слово", 1, 2, 3, 4, 5, 6, 7, 8, 9]] * 100_000)})
    yield "sheets.xlsx", xlsx({f"s{n}": "" for n in range(900)})
    yield "date.xlsx", xlsx({"a": '<row r="1"><c r="A1" s="1"><v>1e300</v></c></row>'})
    yield "nan.xlsx", xlsx({"a": '<row r="1"><c r="A1"><v>nan</v></c><c r="B1"><v>-1e999</v></c></row>'})


def _markup() -> Iterator[File]:
    yield "deeper.html", b"<div>" * 1_000_000
    yield "tags.html", b"<p>x<b>y" * 1_000_000
    yield "attributes.html", b"<html><p " + b" ".join(b"a%d=x" % n for n in range(300_000)) + b">text"
    yield "comment.html", b"<html><!--" + b"-" * _BIG
    yield "table.html", b"<html><table>" + b"<tr><th>a<td>b" * 300_000
    yield "tables.html", b"<html>" + b"<table><tr><td>" * 50_000
    yield "nul.html", b"<html><p>a" + b"\xef\xbf\xbd" * 100_000 + b"</p>"
    yield "meta.html", b"<html>" + b'<meta charset="utf-7">' * 50_000 + b"<p>text"
    yield "select.html", b"<html>" + b"<select><option>" * 200_000 + b"<p>text"
    yield "script.html", b"<html><script>" + b"x" * _BIG
    for name, piece in (
        ("quotes", b"> "), ("brackets", b"["), ("stars", b"*a_"), ("ticks", b"`a``"), ("links", b"![a]("),
        ("lists", b"- "), ("pipes", b"|a"), ("html", b"<a "), ("escapes", b"\\"), ("entities", b"&#x10ffff;"),
    ):  # fmt: skip
        yield f"{name}.md", b"# Title\n\n" + piece * 100_000


def _separated() -> Iterator[File]:
    yield "one-line.csv", b"a," * 2_000_000
    yield "one-cell.csv", b'"' + b"x" * _BIG
    yield "quotes.csv", b'"' * 2_000_000
    yield "rows.csv", b"a,b,c\n" * 1_000_000
    yield "nul.csv", b"a,b\n" + b"c\t" * 50_000 + b"\nd,e"
    yield "wide.csv", b"\n".join([b";".join([b"x"] * 5000)] * 300)


def _letters() -> Iterator[File]:
    head = b"From: a@example.com\nTo: b@example.com\nSubject: x\nMIME-Version: 1.0\n"
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000))
    yield "deep.eml", head + deep + b"Content-Type: text/plain\n\nwords"
    parts = b"--b\nContent-Type: text/plain\n\nwords\n" * 20_000
    yield "parts.eml", head + b"Content-Type: multipart/mixed; boundary=b\n\n" + parts
    yield "header.eml", b"Subject: " + b"=?utf-8?b?" * 200_000 + b"\n" + head + b"\nwords"
    yield "headers.eml", b"X-A: b\n" * 300_000 + head + b"\nwords"
    yield "charset.eml", head + b"Content-Type: text/plain; charset=no-such\n\nwords \xff\xfe"
    yield "base64.eml", head + b"Content-Transfer-Encoding: base64\n\n" + b"!" * 3_000_000
    bomb = base64.encodebytes(b"<div>" * 500_000)
    yield "html-inside.eml", head + b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n" + bomb
    yield "addresses.eml", b"To: " + b"<" * 100_000 + b"\n" + head + b"\nwords"
    yield "no-boundary.eml", head + b"Content-Type: multipart/mixed\n\nwords"


def _books() -> Iterator[File]:
    yield "deep.epub", epub({"1.xhtml": "<div>" * 500_000})
    yield "missing.epub", packed({"META-INF/container.xml": "<a/>"}, ("mimetype", "application/epub+zip"))
    container = '<container><rootfile full-path="../../etc/passwd"/></container>'
    yield "outside.epub", packed({"META-INF/container.xml": container}, ("mimetype", "application/epub+zip"))
    yield "chapters.epub", epub({f"{n}.xhtml": "<p>x</p>" for n in range(990)})
    yield "entities.epub", epub({"1.xhtml": '<!DOCTYPE html [<!ENTITY a "b">]><p>&a;&lt;</p>' + "&amp;" * 900_000})


def _text() -> Iterator[File]:
    dice = random.Random(5)
    yield "line.txt", b"x" * 3_000_000
    yield "lines.txt", b"a\n" * 500_000
    yield "marks.txt", ("a" + "\u0301" * 1_000_000).encode()
    yield "arabic.txt", ("\u202eabc\ufdfa" * 200_000).encode()
    yield "utf-16.txt", b"\xff\xfe" + b"\x00\xd8" * 1_000_000
    yield "utf-32.txt", b"\xff\xfe\x00\x00" + b"\xff" * 400_000
    yield "noise.txt", bytes(dice.choice(b"abcdefgh \n\xe0\xf0\xc1\xd5") for _ in range(1_000_000))
    yield "escapes.txt", b"\x1b[31m" * 30_000 + b"words" * 300_000
    yield "words.txt", b"word " * 300_000


def _polyglots() -> Iterator[File]:
    good = _good()
    yield "pdf-and-zip.pdf", good["pdf"] + good["docx"]
    yield "zip-and-pdf.docx", good["docx"] + good["pdf"]
    yield "html-and-pdf.html", b"<html><script>/*" + good["pdf"] + b"*/</script><p>words"
    yield "html-first.html", b"<html>" + b"x" * 2000 + good["pdf"]
    yield "picture-and-zip.gif", b"GIF89a" + good["docx"]
    yield "program-and-zip.exe", b"MZ" + bytes(60) + good["docx"]
    yield "letter-and-zip.eml", b"From: a\nTo: b\nSubject: c\n\n" + good["docx"]
    yield "book-and-sheet.epub", packed({"xl/workbook.xml": "<a/>"}, ("mimetype", "application/epub+zip"))
    yield "sheet-as-document.docx", good["xlsx"]
    yield "text-as-pdf.pdf", b"just words"
    yield "handlers.html", b"<html><body onload=alert(1)><img src=x onerror=alert(2)><p>words"
