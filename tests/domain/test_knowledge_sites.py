"""A web site is read by its rules, read again only where it changed, and forgotten where it is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from replyx.errors import AddressRefused, Conflict, NotFound
from replyx.events.memory import MemoryBus
from replyx.knowledge.sites import SiteView
from replyx.storage.database import Database
from replyx.storage.knowledge import Document
from replyx.storage.sites import Site, SitePage
from replyx.tasks.names import DOCUMENT_INGEST, SITE_SYNC
from replyx.types import Actor, Role
from tests.conftest import Configure
from tests.domain.library import Library, make_assistant
from tests.domain.owners import make_user
from tests.support.clock import MovableClock
from tests.support.sites import Pages, pages


@pytest.fixture
def library(sqlite_db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure) -> Library:
    settings = {"REPLYX_OUTGOING__ALLOW": "127.0.0.0/8", "REPLYX_KNOWLEDGE__SITE_PAUSE_SECONDS": "0"}
    return Library(sqlite_db, bus, clock, configure(**settings))


@pytest.fixture
def shop() -> Iterator[Pages]:
    with pages() as (made, _):
        made.page(
            "/", "Магазин", "Мы продаём чайники.", "/delivery", "/returns#top", "https://other.example/", "/logo.png"
        )
        made.page("/delivery", "Доставка", "Доставка стоит триста рублей.", "/secret", "/")
        made.page("/returns", "Возврат", "Вернуть товар можно за две недели.")
        made.page("/secret", "Тайна", "Этого никто не должен найти.")
        made.files["/robots.txt"] = (b"User-agent: *\nDisallow: /secret\n", "text/plain")
        yield made


def _visit(library: Library, site: SiteView | None = None, url: str = "") -> SiteView:
    """Visit, and read what came."""
    knowledge = library.knowledge
    known = site or knowledge.sites.add(library.owner, library.assistant, url)
    knowledge.sites.visit_soon(library.owner, known.id)
    seen = knowledge.sites.visit(known.id)
    for document_id in knowledge.due_documents():
        knowledge.ingest(document_id)
    assert seen is not None
    return seen


def _names(library: Library) -> dict[str, str]:
    rows, _ = library.knowledge.list_documents(library.owner)
    return {row.filename: row.status for row in rows}


def test_a_site_is_read_by_its_links_and_its_rules(library: Library, shop: Pages) -> None:
    seen = _visit(library, url=shop.url)

    assert (seen.status, seen.counts) == ("ready", {"seen": 3, "added": 3, "changed": 0, "gone": 0, "failed": 0})
    assert _names(library) == {"Магазин": "completed", "Доставка": "completed", "Возврат": "completed"}
    found = library.knowledge.search(library.assistant, "сколько стоит доставка").passages[0]
    assert (found.filename, found.url) == ("Доставка", f"{shop.url}/delivery")
    assert [path for path, _ in shop.asked] == ["/robots.txt", "/", "/delivery", "/returns"]


def test_a_second_visit_asks_for_changes_alone(library: Library, shop: Pages) -> None:
    first = _visit(library, url=shop.url)
    shop.asked.clear()
    shop.page("/returns", "Возврат", "Вернуть товар можно за месяц.")
    shop.html["/delivery"] = shop.html["/delivery"].replace("<body>", "<body><script>var token = 7</script>")

    second = _visit(library, first)

    assert second.counts == {"seen": 3, "added": 0, "changed": 1, "gone": 0, "failed": 0}
    assert dict(shop.asked) == {"/robots.txt": 200, "/": 304, "/delivery": 200, "/returns": 200}
    texts = " ".join(p.text for p in library.knowledge.search(library.assistant, "вернуть товар", limit=10).passages)
    assert "месяц" in texts
    assert "две недели" not in texts
    assert len(_names(library)) == 3


def test_how_a_site_is_read_can_be_changed(library: Library, shop: Pages) -> None:
    site, sites = _visit(library, url=shop.url), library.knowledge.sites

    def due_at(**changes: int) -> int:
        sites.update(library.owner, site.id, **changes)
        with library.db.connection():
            return int(Site.get_by_id(site.id).due_at)

    in_a_day, in_an_hour, never = due_at(max_pages=1), due_at(every_hours=1), due_at(every_hours=0)
    second = _visit(library, site)

    assert in_an_hour < in_a_day < never
    assert (second.every_hours, second.max_pages, second.max_depth) == (0, 1, site.max_depth)
    assert second.counts["seen"] == 1
    assert due_at() == never
    with pytest.raises(NotFound):
        sites.update(Actor(Role.OWNER, user_id=10**6), site.id, max_pages=3)


def test_pages_that_are_gone_are_forgotten_and_those_that_fail_are_kept(library: Library, shop: Pages) -> None:
    first = _visit(library, url=shop.url)
    shop.status["/returns"], shop.status["/delivery"] = 404, 503

    second = _visit(library, first)

    assert (second.counts["gone"], second.counts["failed"]) == (1, 1)
    assert set(_names(library)) == {"Магазин", "Доставка"}


def test_a_page_that_nothing_leads_to_any_more_is_forgotten(library: Library, shop: Pages) -> None:
    first = _visit(library, url=shop.url)
    shop.page("/", "Магазин", "Мы продаём чайники.", "/delivery")

    second = _visit(library, first)

    assert second.counts["gone"] == 1
    assert set(_names(library)) == {"Магазин", "Доставка"}


def test_a_map_is_followed_with_the_maps_that_it_names(library: Library, shop: Pages) -> None:
    def listed(*paths: str) -> tuple[bytes, str]:
        rows = "".join(f"<url><loc>{shop.url}{path}</loc></url>" for path in paths)
        return f"<urlset>{rows}</urlset>".encode(), "application/xml"

    shop.files["/sitemap.xml"] = listed("/map-1.xml", "/returns")
    shop.files["/map-1.xml"] = listed("/delivery", "/secret", "/price.csv")
    shop.files["/price.csv"] = ("Товар;Цена\nЧайник;300\n".encode(), "text/csv")

    seen = _visit(library, url=f"{shop.url}/sitemap.xml")

    assert (seen.status, seen.counts["added"]) == ("ready", 3)
    assert set(_names(library)) == {"Возврат", "Доставка", "price.csv"}


def test_depth_pages_twins_and_private_pages_are_bounded(library: Library, shop: Pages) -> None:
    shop.page("/", "Магазин", "Мы продаём чайники.", *(f"/page-{n}" for n in range(6)))
    for number in range(6):
        shop.page(f"/page-{number}", "Страница", f"Слова {number // 2}.", f"/deep-{number}")
        shop.page(f"/deep-{number}", "Глубоко", "Далеко.")
    shop.html["/page-5"] = "<html><head><meta name='robots' content='noindex'></head><body>Личное.</body></html>"
    site = library.knowledge.sites.add(library.owner, library.assistant, shop.url, max_depth=1, max_pages=7)

    seen = _visit(library, site)

    # Pages 0 and 1 have one text, 2 and 3 too.
    assert (seen.counts["added"], len(_names(library))) == (4, 2)
    assert not [path for path, _ in shop.asked if path.startswith("/deep")]
    assert "Личное" not in str([p.text for p in library.knowledge.search(library.assistant, "личное").passages])


@pytest.mark.parametrize(
    ("path", "status", "word"), [("/robots.txt", 503, "robots.txt"), ("/", 500, "500"), ("/", 404, "404")]
)
def test_a_site_that_cannot_be_read_says_why_and_keeps_what_is_known(
    library: Library, shop: Pages, path: str, status: int, word: str
) -> None:
    first = _visit(library, url=shop.url)
    shop.status[path] = status

    second = _visit(library, first)

    assert second.status == "failed"
    assert word in (second.error_ru or "")
    assert word in (second.error_en or "")
    assert len(_names(library)) == 3


def test_links_redirects_and_rules_that_lead_inside_are_not_followed(
    sqlite_db: Database, bus: MemoryBus, clock: MovableClock, configure: Configure, shop: Pages
) -> None:
    library = Library(sqlite_db, bus, clock, configure(REPLYX_OUTGOING__ALLOW="127.0.0.1/32"))
    shop.moved["/delivery"] = shop.url.replace("127.0.0.1", "127.0.0.2") + "/delivery"
    shop.page("/", "Магазин", "Мы продаём чайники.", "/delivery", shop.url.replace("127.0.0.1", "127.0.0.2"))

    seen = _visit(library, url=shop.url)

    assert (seen.status, seen.counts["added"], seen.counts["failed"]) == ("ready", 1, 1)
    closed = Library.another_process(library, configure())
    with pytest.raises(AddressRefused):
        closed.sites.add(library.owner, library.assistant, shop.url)


def test_a_visit_that_was_cut_short_goes_on(library: Library, shop: Pages) -> None:
    site = library.knowledge.sites.add(library.owner, library.assistant, shop.url)

    class Died(BaseException):
        pass

    def die(count: int) -> None:
        if count == 2:
            raise Died

    with pytest.raises(Died):
        library.knowledge.sites.visit(site.id, die)
    assert library.knowledge.sites.due() == []
    with library.db.transaction():
        Site.update(lease_until=0).execute()
    assert library.knowledge.sites.due() == [site.id]
    shop.asked.clear()

    seen = library.another_process().sites.visit(site.id)

    assert seen is not None
    assert (seen.counts["seen"], seen.counts["added"]) == (3, 1)
    assert dict(shop.asked) == {"/robots.txt": 200, "/": 304, "/delivery": 304, "/returns": 200}


def test_a_visit_comes_again_in_its_time_and_by_one_worker(library: Library, shop: Pages) -> None:
    site = library.knowledge.sites.add(library.owner, library.assistant, shop.url, max_depth=0, every_hours=0)
    assert library.queue.tasks == [(SITE_SYNC, site.id)]
    assert library.knowledge.sites.due() == [site.id]

    seen: list[object] = []
    library.knowledge.sites.visit(site.id, lambda count: seen.append(library.another_process().sites.visit(site.id)))

    assert seen == [None]
    assert library.knowledge.sites.due() == []
    assert [task for task, _ in library.queue.tasks] == [SITE_SYNC, DOCUMENT_INGEST]


def test_a_site_belongs_to_its_owner_and_goes_with_its_pages(library: Library, shop: Pages) -> None:
    site = _visit(library, url=shop.url)
    stranger = make_user(library.db, library.clock, "stranger@example.com")
    sites = library.knowledge.sites

    for attempt in (sites.get, sites.delete, sites.visit_soon):
        with pytest.raises(NotFound):
            attempt(stranger, site.id)
    with pytest.raises(NotFound):
        sites.add(stranger, library.assistant, shop.url)
    assert sites.list_for(stranger, None, 50, 0) == ([], 0)
    with pytest.raises(Conflict):
        sites.add(library.owner, library.assistant, shop.url)
    assert sites.list_for(Actor(Role.SYSTEM), library.assistant, 50, 0)[1] == 1
    other = make_assistant(library.db, library.clock, library.owner, "Второй")
    assert sites.add(library.owner, other, shop.url).assistant_id == other

    sites.delete(library.owner, site.id)

    assert _names(library) == {}
    with library.db.connection():
        assert SitePage.select().where(SitePage.site == site.id).count() == Document.select().count() == 0
    assert not library.knowledge.search(library.assistant, "доставка").passages
