"""Which discussion a visitor asks for, and where its page and its form are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from marshmallow import ValidationError

from service.domain import text
from service.domain.submission import Place
from service.domain.urls import origin, page_url
from service.store import threads
from service.store.sites import Site
from service.store.threads import Named, Thread
from service.web.errors import Problem
from service.web.fields import Text, Url
from service.web.schemas import KEY_MOST, Incoming, SiteName
from service.web.services import Services


class Query(Incoming):
    """The page in a visitor's address line."""

    site = SiteName(required=True)
    thread_key = Text(least=1, most=KEY_MOST, load_default=None)
    url = Url(load_default=None)


@dataclass(frozen=True, slots=True)
class Discussion:
    """The discussion of one page; thread is None where nobody commented yet.

    address: the page's own URL. key: how the page was named, unless by its URL.
    """

    site: Site
    thread: Thread | None
    address: str | None
    key: str | None

    @property
    def title(self) -> str | None:
        """The page's title, as its website gave it."""
        return text.mask(self.thread.title) if self.thread and self.thread.title else None

    @property
    def closed(self) -> bool:
        """Whether the website closed it."""
        return self.thread is not None and self.thread.closed

    @property
    def open(self) -> bool:
        """Whether visitors may write here: on pages of an origin that the site lists."""
        if self.closed or not self.site.origins:
            return False
        return self.address is None or origin(self.address) in self.site.origins

    @property
    def place(self) -> Place:
        """Where a visitor's comment goes. Visitors never give a page a key or a title: only its website does."""
        if self.thread and self.thread.key:
            return Place(self.thread.key, None)
        return Place(None, self.address)

    def link(self, **more: str | None) -> str:
        """The path of this discussion's page."""
        named = {"site": self.site.name, "thread_key": self.key, "url": None if self.key else self.address}
        return "/thread?" + urlencode({name: value for name, value in {**named, **more}.items() if value})


def find(services: Services, given: Mapping[str, str]) -> Discussion:
    """The discussion of the page in a query. Raises Problem when there is no such page.

    A page without comments is one if its origin is the site's own: else anybody could make pages up.
    """
    query = _read(given)
    site = _site(services, query["site"])
    key, url = query["thread_key"], query["url"] and page_url(query["url"])
    by_key = None if key is None else _thread(services, site, key, None)
    if by_key is not None:
        return Discussion(site, by_key, by_key.url, key)
    by_url = None if url is None else _thread(services, site, None, url)
    if by_url is None and (url is None or origin(url) not in site.origins):
        raise Problem("not-found", "The website does not know the page that this address names.")
    return Discussion(site, by_url, url, None)


def _read(given: Mapping[str, str]) -> dict[str, Any]:
    try:
        read: dict[str, Any] = Query().load({name: given[name] for name in Query().fields if given.get(name)})
    except ValidationError:
        raise Problem("not-found", "This address does not name a page. Follow the link on the website again.") from None
    if read["thread_key"] is None and read["url"] is None:
        raise Problem("not-found", "This address names a website, but no page of it.")
    return read


def _site(services: Services, name: str) -> Site:
    try:
        return services.gate.site(name)
    except Problem:
        raise Problem("not-found", "No website of this name takes comments here.") from None


def _thread(services: Services, site: Site, key: str | None, url: str | None) -> Thread | None:
    with services.database.connection() as connection:
        return threads.find(connection, Named(site.id, key, url))
