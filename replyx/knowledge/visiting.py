"""One visit to a web site: which pages there are, by its own rules, politely, asking only for what has changed."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import replyx
from replyx.config.settings import KnowledgeSettings
from replyx.errors import AddressRefused, FetchFailed
from replyx.knowledge.cage import read_document
from replyx.knowledge.extract import Extract
from replyx.knowledge.failures import Unreadable
from replyx.security.fetching import Answer, Bounds, Outgoing

#: Who we are, for robots.txt and for logs of sites.
AGENT = "ReplyXBot"
_HEADERS = {"User-Agent": f"{AGENT}/{replyx.__version__}", "Accept": "text/html, application/pdf, application/xml, */*"}
#: Longest pause that a site may ask for between two pages, in seconds.
_LONGEST_PAUSE = 10.0
#: Maps that one map may lead to, and addresses of all together.
_MAX_MAPS, _MAX_ADDRESSES = 50, 100_000
_MAPS = ("application/xml", "text/xml", "application/gzip", "application/x-gzip")
_PAGES = ("text/html", "application/xhtml+xml")
#: Ends of addresses that are no text: not worth a request.
_NO_TEXT = (
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".ico", ".css", ".js", ".mp3", ".mp4", ".avi", ".mov", ".zip",
    ".gz", ".tar", ".rar", ".7z", ".exe", ".dmg", ".iso", ".woff", ".woff2", ".ttf", ".json", ".rss", ".atom",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What the last visit noted of a page."""

    etag: str | None = None
    modified: str | None = None
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A page of this visit. `body` None: it is as it was. `text_hash` None: it is no HTML, its bytes tell."""

    url: str
    body: bytes | None = None
    content_type: str = ""
    text_hash: str = ""
    title: str | None = None
    etag: str | None = None
    modified: str | None = None
    links: tuple[str, ...] = ()


@dataclass
class Course:
    """How a visit went: addresses that are gone for good, those that failed, and whether all pages were come by."""

    gone: list[str] = field(default_factory=list)
    failed: int = 0
    is_whole: bool = True


class _Way:
    """Addresses that are still to be asked for, none twice, none deeper than wanted."""

    def __init__(self, max_depth: int) -> None:
        self.queue: deque[tuple[str, int]] = deque()
        self._met: set[str] = set()
        self._max_depth = max_depth

    def add(self, addresses: Iterable[str], depth: int) -> None:
        if depth > self._max_depth:
            return
        for address in addresses:
            if address not in self._met and len(self._met) < _MAX_ADDRESSES:
                self._met.add(address)
                self.queue.append((address, depth))


class Visit:
    """Walks through one site. Iterating it asks for pages one after another."""

    def __init__(
        self,
        outgoing: Outgoing,
        settings: KnowledgeSettings,
        known: Callable[[str], Known | None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`known` says what the last visit noted of an address."""
        self._outgoing, self._settings, self._known, self._pause = outgoing, settings, known, pause
        self._robots = RobotFileParser()
        self._origin = ""
        self._wait = settings.site_pause_seconds
        self.course = Course()

    def pages(self, url: str, max_depth: int, max_pages: int) -> Iterator[Seen]:
        """The pages from `url` on: those that a map lists where it is one, else those that links lead to.

        Raises:
            AddressRefused, FetchFailed: the first page or the site's rules could not be had.
        """
        first = self._outgoing.urls.check(url).url
        self._origin = _origin(first)
        self._read_rules()
        way = _Way(max_depth)
        way.add([first], 0)
        if max_depth:
            way.add(self._mapped(), 1)
        texts: set[str] = set()
        count = 0
        while way.queue:
            if count >= max_pages:
                self.course.is_whole = False
                return
            address, depth = way.queue.popleft()
            seen = self._look(address, is_first=address == first) if self._may(address) else None
            if isinstance(seen, list):
                # The first address was a map: what it lists is the site.
                way.add(seen, max_depth)
            elif seen is not None:
                count += 1
                way.add(self._inside(seen.url, seen.links), depth + 1)
                # Two addresses of one text are one page: the first is kept.
                if seen.text_hash not in texts:
                    texts.add(seen.text_hash)
                    yield seen

    def _read_rules(self) -> None:
        answer = self._ask(f"{self._origin}/robots.txt", {}, redirects=5)
        if answer.status >= 500 or answer.status == 429:
            raise FetchFailed(
                f"{self._origin}/robots.txt отвечает {answer.status}: без правил сайта его не читают. Повторите позже.",
                f"{self._origin}/robots.txt answers {answer.status}: a site is not read without its rules. Try later.",
            )
        lines = answer.body.decode("utf-8", errors="replace").splitlines() if answer.status == 200 else []
        self._robots.parse(lines)
        asked = self._robots.crawl_delay(AGENT)
        if asked is not None:
            self._wait = min(max(self._wait, float(asked)), _LONGEST_PAUSE)

    def _mapped(self) -> list[str]:
        """Pages that the maps named in robots.txt list."""
        return [page for place in (self._robots.site_maps() or [])[:_MAX_MAPS] for page in self._map(place)]

    def _map(self, place: str, depth: int = 0) -> list[str]:
        if not self._is_inside(place) or depth > 1:
            return []
        try:
            answer = self._ask(place, {}, redirects=3)
            found = self._caged(answer.body, "sitemap").links if answer.status == 200 else ()
        except (AddressRefused, FetchFailed, Unreadable):
            self.course.failed += 1
            return []
        return self._listed(place, found, depth)

    def _listed(self, place: str, found: Iterable[str], depth: int) -> list[str]:
        pages: list[str] = []
        for number, address in enumerate(self._inside(place, found)):
            is_map = urlsplit(address).path.endswith((".xml", ".xml.gz"))
            if not is_map:
                pages.append(address)
            elif number < _MAX_MAPS:
                pages += self._map(address, depth + 1)
        return pages[:_MAX_ADDRESSES]

    def _look(self, address: str, *, is_first: bool) -> Seen | list[str] | None:
        """The page; the addresses of a map; None where it is gone, no text, or could not be had now."""
        known = self._known(address)
        headers = {}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        try:
            self._pause(self._wait)
            answer = self._ask(address, headers, redirects=5)
        except (AddressRefused, FetchFailed):
            if is_first:
                raise
            self.course.failed += 1
            return None
        if answer.status == 304 and known is not None:
            return Seen(address, links=known.links, etag=known.etag, modified=known.modified, text_hash=address)
        return self._judge(address, answer, is_first=is_first)

    def _judge(self, address: str, answer: Answer, *, is_first: bool) -> Seen | list[str] | None:
        if answer.status != 200:
            self._refused(address, answer, is_first=is_first)
            return None
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        final = urldefrag(answer.url).url
        if not self._is_inside(final):
            self.course.gone.append(address)
            return None
        try:
            if is_first and (kind in _MAPS or urlsplit(final).path.endswith((".xml", ".xml.gz"))):
                return self._listed(final, self._caged(answer.body, "sitemap").links, 0)
            return self._page(final, kind, answer)
        except Unreadable:
            self.course.failed += 1
            return None

    def _refused(self, address: str, answer: Answer, *, is_first: bool) -> None:
        if is_first:
            raise FetchFailed(
                f"{address} отвечает {answer.status}. Проверьте адрес.", f"{address} answers {answer.status}. Check it."
            )
        if answer.status in (404, 410):
            self.course.gone.append(address)
        else:
            self.course.failed += 1

    def _page(self, url: str, kind: str, answer: Answer) -> Seen | None:
        etag, modified = answer.headers.get("etag", "")[:500], answer.headers.get("last-modified", "")[:100]
        if kind not in _PAGES:
            digest = hashlib.sha256(answer.body).hexdigest()
            return Seen(url, answer.body, kind, digest, None, etag or None, modified or None)
        body = _in_utf8(answer)
        found = self._caged(body, "page")
        text = "\n".join(f"{block.heading}\n{block.text}" for block in found.blocks)
        if found.is_private or not text.strip():
            if found.is_private:
                self.course.gone.append(url)
            body = b""
        title = found.blocks[0].heading if found.blocks else None
        digest = hashlib.sha256(text.encode()).hexdigest() if body else hashlib.sha256(url.encode()).hexdigest()
        return Seen(url, body, kind, digest, title, etag or None, modified or None, found.links)

    def _ask(self, url: str, headers: Mapping[str, str], redirects: int) -> Answer:
        bounds = Bounds(seconds=20, max_bytes=self._settings.max_file_bytes, redirects=redirects)
        return self._outgoing.request("GET", url, headers={**_HEADERS, **headers}, bounds=bounds)

    def _caged(self, body: bytes, kind: Literal["page", "sitemap"]) -> Extract:
        with tempfile.NamedTemporaryFile(prefix="replyx-page-") as file:
            file.write(body)
            file.flush()
            return read_document(Path(file.name), kind, self._settings, lambda done, of: None)

    def _inside(self, base: str, links: Iterable[str]) -> Iterator[str]:
        """Addresses of the same site, without fragments, in their order."""
        for link in links:
            start, _, rest = link.rpartition("\n")
            try:
                address = urldefrag(urljoin(urljoin(base, start), rest)).url
                path = urlsplit(address).path.lower()
            except ValueError:
                continue
            if self._is_inside(address) and not path.endswith(_NO_TEXT):
                yield address

    def _is_inside(self, address: str) -> bool:
        try:
            return _origin(address) == self._origin
        except ValueError:
            return False

    def _may(self, address: str) -> bool:
        return self._robots.can_fetch(AGENT, address)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _in_utf8(answer: Answer) -> bytes:
    """The page as UTF-8 where its headers name another encoding: what is stored has no headers."""
    charset = answer.headers.get("content-type", "").lower().partition("charset=")[2].split(";")[0].strip(" \"'")
    if not charset or charset in ("utf-8", "utf8"):
        return answer.body
    try:
        return b"\xef\xbb\xbf" + answer.body.decode(charset, errors="replace").encode()
    except LookupError:
        return answer.body
