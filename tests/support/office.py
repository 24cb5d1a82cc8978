"""Small office files made here: documents, sheets, slides, books and letters, by the bytes that they consist of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from xml.sax.saxutils import escape

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
_ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)
ODT_KIND = "application/vnd.oasis.opendocument.text"


def packed(entries: Mapping[str, str | bytes], first: tuple[str, str] | None = None) -> bytes:
    """A ZIP of the entries; `first` is stored before them as it is, as OpenDocument's `mimetype` must be."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if first:
            archive.writestr(zipfile.ZipInfo(first[0]), first[1])
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def relations(targets: Mapping[str, tuple[str, str]]) -> str:
    """Id → (kind, target)."""
    rows = "".join(f'<Relationship Id="{i}" Type="{_KIND}/{k}" Target="{t}"/>' for i, (k, t) in targets.items())
    return f"<Relationships {_RELATIONS}>{rows}</Relationships>"


def paragraph(text: str, style: str = "", extra: str = "") -> str:
    """A paragraph of a Word document."""
    kind = f'<w:pPr><w:pStyle w:val="{style}"/>{extra}</w:pPr>' if style or extra else ""
    return f'<w:p>{kind}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def word_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def docx(body: str, **more: str) -> bytes:
    """A Word document with `body` inside its body; style `1` is a heading, as a Russian Word writes it."""
    styles = (
        f'<w:styles {_W}><w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="own"><w:name w:val="Глава"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr>'
        "</w:style></w:styles>"
    )
    entries = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations({"rId1": ("officeDocument", "word/document.xml")}),
        "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": styles,
    }
    return packed({**entries, **{name.replace("__", "/"): text for name, text in more.items()}})


def xlsx(sheets: Mapping[str, str], shared: Sequence[str] = ()) -> bytes:
    """A workbook: sheet name → the XML of its rows. Style 1 is a date."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    names = list(sheets)
    listed = "".join(f'<sheet name="{escape(n)}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(names, 1))
    targets = {f"rId{i}": ("worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(names) + 1)}
    targets |= {"rIdS": ("sharedStrings", "sharedStrings.xml"), "rIdT": ("styles", "styles.xml")}
    strings = "".join(f"<si><t>{escape(text)}</t></si>" for text in shared)
    entries = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f"<workbook {main} {_R}><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(targets),
        "xl/sharedStrings.xml": f"<sst {main}>{strings}</sst>",
        "xl/styles.xml": (
            f'<styleSheet {main}><cellXfs><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
            "</styleSheet>"
        ),
    }
    for number, name in enumerate(names, 1):
        rows = f"<worksheet {main}><sheetData>{sheets[name]}</sheetData></worksheet>"
        entries[f"xl/worksheets/sheet{number}.xml"] = rows
    return packed(entries)


def sheet_rows(rows: Sequence[Sequence[str | float | None]]) -> str:
    """Rows of a sheet: words in place, numbers as numbers."""
    out = []
    for y, row in enumerate(rows, 1):
        cells = []
        for x, value in enumerate(row):
            place = f'r="{chr(65 + x)}{y}"'
            if isinstance(value, str):
                cells.append(f'<c {place} t="inlineStr"><is><t>{escape(value)}</t></is></c>')
            elif value is not None:
                cells.append(f"<c {place}><v>{value}</v></c>")
        out.append(f'<row r="{y}">{"".join(cells)}</row>')
    return "".join(out)


def pptx(slides: Sequence[tuple[str, Sequence[str], str]]) -> bytes:
    """A presentation: title, lines, and what the speaker's notes say, of each slide; stored in another order."""
    spaces = f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:p="urn:p" {_R}'
    numbers = list(range(len(slides), 0, -1))
    listed = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in numbers)
    entries = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations({"rId1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": f"<p:presentation {spaces}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations({f"rId{n}": ("slide", f"slides/slide{n}.xml") for n in numbers}),
    }
    for number, (title, lines, notes) in zip(numbers, slides, strict=True):
        shapes = _shape(title, '<p:nvPr><p:ph type="title"/></p:nvPr>') + "".join(_shape(line, "") for line in lines)
        entries[f"ppt/slides/slide{number}.xml"] = f"<p:sld {spaces}><p:cSld>{shapes}</p:cSld></p:sld>"
        if notes:
            target = relations({"rId1": ("notesSlide", f"../notesSlides/notesSlide{number}.xml")})
            entries[f"ppt/slides/_rels/slide{number}.xml.rels"] = target
            entries[f"ppt/notesSlides/notesSlide{number}.xml"] = f"<p:notes {spaces}>{_shape(notes, '')}</p:notes>"
    return packed(entries)


def _shape(text: str, kind: str) -> str:
    return f"<p:sp>{kind}<p:txBody><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:txBody></p:sp>"


def odt(body: str, manifest: str = "") -> bytes:
    """An OpenDocument text with `body` inside."""
    content = f"<office:document-content {_ODF}><office:body><office:text>{body}</office:text></office:body>"
    entries = {"content.xml": f"{content}</office:document-content>"}
    if manifest:
        entries["META-INF/manifest.xml"] = manifest
    return packed(entries, ("mimetype", ODT_KIND))


def epub(chapters: Mapping[str, str]) -> bytes:
    """A book: file name → XHTML, in reading order."""
    items = "".join(f'<item id="c{n}" href="{c}" media-type="application/xhtml+xml"/>' for n, c in enumerate(chapters))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    package = f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>"
    container = '<container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
    entries: dict[str, str | bytes] = {"META-INF/container.xml": container, "OEBPS/content.opf": package}
    entries |= {f"OEBPS/{name}": text for name, text in chapters.items()}
    return packed(entries, ("mimetype", "application/epub+zip"))


def eml(subject: str, text: str, html: str = "", attachment: str = "") -> bytes:
    """A letter."""
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "Ира <ira@example.com>", "help@example.com", subject
    letter["Date"] = "Mon, 01 Sep 2025 10:00:00 +0300"
    if text:
        letter.set_content(text, charset="koi8-r")
    if html:
        letter.add_alternative(html, subtype="html") if text else letter.set_content(html, subtype="html")
    if attachment:
        letter.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename=attachment)
    return letter.as_bytes()
