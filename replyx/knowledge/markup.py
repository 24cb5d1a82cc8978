"""HTML and Markdown as blocks: headings, paragraphs, list items and table rows, without navigation and scripts."""

from __future__ import annotations

import re
from typing import Any

from replyx.knowledge.extract import Block, Extract, as_heading, clean
from replyx.knowledge.plain import decode
from replyx.knowledge.tables import table_lines

_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_CELLS = frozenset(("td", "th"))
#: Elements that begin a paragraph of their own.
_BLOCKS = _HEADINGS | _CELLS | {
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt", "figcaption",
    "figure", "fieldset", "hr", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
}  # fmt: skip
#: Never text of the document.
_MACHINERY = (
    "script, style, noscript, template, svg, math, iframe, object, canvas, head link, head meta, select, button"
)
#: Text around the document, as sites have it.
_FRAME = "nav, footer, header, aside, form, [role=navigation], [role=banner], [role=contentinfo], [hidden]"
#: Most links of a page, and the longest.
_MAX_LINKS, _LONGEST_LINK = 3000, 2000
_DECLARED = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)


def read_html(data: bytes) -> Extract:
    """An HTML page; its encoding is declared in it or guessed."""
    return from_html(_decoded(data))


def read_page(data: bytes) -> Extract:
    """A page of a site, with its links."""
    from selectolax.lexbor import LexborHTMLParser

    found = read_html(data)
    tree = LexborHTMLParser(_decoded(data))
    base = tree.css_first("base[href]")
    start = (base.attributes["href"] or "") if base is not None else ""
    hrefs = (link.attributes["href"] or "" for link in tree.css("a[href]") if not _is_unwanted(link))
    links = tuple(dict.fromkeys(href.strip() for href, _ in zip(hrefs, range(_MAX_LINKS), strict=False)))
    wishes = " ".join((meta.attributes.get("content") or "").lower() for meta in tree.css('meta[name="robots" i]'))
    is_private = "noindex" in wishes or "none" in wishes.split(",")
    links = () if "nofollow" in wishes else tuple(f"{start}\n{link}" if start else link for link in links)
    return Extract(
        found.blocks, 0, links=tuple(link for link in links if len(link) < _LONGEST_LINK), is_private=is_private
    )


def _is_unwanted(link: Any) -> bool:
    return "nofollow" in (link.attributes.get("rel") or "").lower()


def _decoded(data: bytes) -> str:
    found = _DECLARED.search(data[:4096])
    return decode(data, found.group(1).decode("ascii") if found else None)


def read_markdown(data: bytes) -> Extract:
    """A Markdown file; front matter is left out, links keep their addresses."""
    from markdown_it import MarkdownIt

    text = re.sub(r"\A---\n.*?\n---\n", "", decode(data).replace("\r\n", "\n"), flags=re.DOTALL)
    return from_html(MarkdownIt("commonmark").enable("table").render(text), with_addresses=True)


def from_html(html: str, *, with_addresses: bool = False) -> Extract:
    """A page, or a piece of one; `with_addresses` keeps those of its links."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    title = tree.css_first("title")
    name = as_heading(title.text()) if title is not None else None
    for node in tree.css(_MACHINERY):
        node.decompose()
    for link in tree.css("a[href^=http]") if with_addresses else ():
        address = link.attributes["href"] or ""
        if address not in link.text():
            link.insert_after(f" ({address})")
    whole = _blocks(tree, name)
    for node in tree.css(_FRAME):
        # A heading often stands in the article's own <header>.
        if node.tag != "header" or node.css_first("h1, h2, h3") is None:
            node.decompose()
    core = _blocks(tree, name)
    # A page that is all frame by its tags keeps its text.
    return Extract(tuple(core if _size(core) * 4 >= _size(whole) else whole), pages=0)


def _size(blocks: list[Block]) -> int:
    return sum(len(b.text) for b in blocks)


def _blocks(tree: Any, title: str | None) -> list[Block]:
    walk = _Walk(title)
    body = tree.body
    if body is not None:
        for node in body.traverse(include_text=True):
            if node.tag == "br":
                walk.text("\n")
            elif node.tag in _BLOCKS:
                # Two paragraphs of one table cell must not grow together.
                walk.text(" ")
            elif node.tag == "-text":
                walk.enter(_owner(node))
                walk.text(node.text_content or "")
    walk.finish()
    return walk.blocks


def _owner(node: Any) -> Any:
    """The nearest element around `node` that is a paragraph of its own; inside a table that is the cell."""
    nearest, parent = None, node.parent
    while parent is not None:
        if parent.tag in _CELLS:
            return parent
        if nearest is None and parent.tag in _BLOCKS:
            nearest = parent
        parent = parent.parent
    return nearest


class _Walk:
    """Collects text into paragraphs, and paragraphs under headings."""

    def __init__(self, title: str | None) -> None:
        self.blocks: list[Block] = []
        self._heading = title
        self._lines: list[str] = []
        self._pieces: list[str] = []
        self._owner: Any = None
        #: The open table: its rows, which row is open, and whether the first one names the columns.
        self._rows: list[list[str]] = []
        self._row: int | None = None
        self._has_header = False

    def enter(self, owner: Any) -> None:
        """Text that follows belongs to `owner`."""
        mark = owner.mem_id if owner is not None else None
        if mark != (self._owner.mem_id if self._owner is not None else None):
            self._end_paragraph()
            self._owner = owner

    def text(self, text: str) -> None:
        keep = self._owner is not None and self._owner.tag == "pre"
        self._pieces.append(text if keep or text == "\n" else re.sub(r"\s+", " ", text))

    def finish(self) -> None:
        self._end_paragraph()
        self._end_block()

    def _end_paragraph(self) -> None:
        text = clean("".join(self._pieces))
        self._pieces = []
        if not text:
            return
        tag = self._owner.tag if self._owner is not None else ""
        if tag in _HEADINGS:
            self._end_block()
            self._heading = as_heading(text)
            return
        if tag in _CELLS:
            self._add_cell(text)
            return
        self._end_table()
        self._lines.append(f"• {text}" if tag == "li" else text)

    def _add_cell(self, text: str) -> None:
        row = self._owner.parent.mem_id if self._owner.parent is not None else None
        if not self._rows:
            self._has_header = True
        if row is None or row != self._row or not self._rows:
            self._rows.append([])
        if len(self._rows) == 1:
            self._has_header = self._has_header and self._owner.tag == "th"
        self._rows[-1].append(text)
        self._row = row

    def _end_table(self) -> None:
        self._lines += table_lines(self._rows, has_header=self._has_header)
        self._rows, self._row = [], None

    def _end_block(self) -> None:
        self._end_table()
        text = "\n".join(self._lines)
        self._lines = []
        if text:
            self.blocks.append(Block(text, heading=self._heading))
