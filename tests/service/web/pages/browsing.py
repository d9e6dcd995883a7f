"""Looking at pages as a browser without script does: forms, links and texts, found in the parsed HTML."""

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import psycopg
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.store import sites
from service.web.console import session
from tests.world import World, canary

OWN = "http://127.0.0.1:8080"
POST = "https://blog.example/post"
_VOID = {"meta", "link", "input", "br", "hr", "img", "wbr"}


@dataclass
class Element:
    """An element with its attributes and all that stands in it."""

    tag: str
    attrs: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text in it, spaces folded."""
        return " ".join(self.raw.split())

    @property
    def raw(self) -> str:
        """The text in it as it stands; a line break is a space."""
        if self.tag == "br":
            return " "
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    def all(self, tag: str | None = None, **attrs: str) -> list["Element"]:
        """The elements in it of this kind, in their order; `class_` is one of several, `_` stands for a hyphen."""
        return [element for element in self.walk() if element.matches(tag, attrs)]

    def one(self, tag: str | None = None, **attrs: str) -> "Element":
        """The only such element."""
        found = self.all(tag, **attrs)
        assert len(found) == 1, f"{len(found)} of {tag} {attrs}"
        return found[0]

    def walk(self) -> Iterator["Element"]:
        """Every element in it."""
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()

    def matches(self, tag: str | None, attrs: Mapping[str, str]) -> bool:
        """Whether it is of this kind."""
        if tag is not None and self.tag != tag:
            return False
        for name, value in attrs.items():
            if name == "class_":
                if value not in self.attrs.get("class", "").split():
                    return False
            elif self.attrs.get(name.replace("_", "-")) != value:
                return False
        return True


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(made)
        if tag not in _VOID:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        closed = self.open.pop()
        assert closed.tag == tag, f"{closed.tag} is closed by {tag}"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(text: str) -> Element:
    """HTML as a tree; it must close what it opens."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    assert builder.open == [builder.root], f"{builder.open[-1].tag} stays open"
    return builder.root


class Page:
    """An answer in HTML."""

    def __init__(self, response: TestResponse) -> None:
        assert response.content_type == "text/html; charset=utf-8", response.text
        self.response = response
        self.status = response.status_code
        self.html = response.text
        self.root = parse(response.text)

    @property
    def text(self) -> str:
        """All its text."""
        return self.root.one("body").text

    @property
    def title(self) -> str:
        """Its title."""
        return self.root.one("title").text

    def link(self, words: str) -> str:
        """Where the link with these words leads."""
        found = [element.attrs["href"] for element in self.root.all("a") if element.text == words]
        assert len(found) == 1, f"{len(found)} links {words!r}"
        return found[0]

    def links(self, words: str) -> bool:
        """Whether there is a link with these words."""
        return any(element.text == words for element in self.root.all("a"))

    def form(self, action: str) -> dict[str, str]:
        """The fields, as they stand, of the first form whose action begins so."""
        form = next(form for form in self.root.all("form", method="post") if form.attrs["action"].startswith(action))
        return fields(form)


def fields(form: Element) -> dict[str, str]:
    """The fields of a form with their values."""
    found = {item.attrs["name"]: item.attrs.get("value", "") for item in form.all("input")}
    found |= {area.attrs["name"]: "".join(map(str, area.children)).removeprefix("\n") for area in form.all("textarea")}
    for select in form.all("select"):
        chosen = [option for option in select.all("option") if "selected" in option.attrs]
        found[select.attrs["name"]] = (chosen or select.all("option"))[0].attrs["value"]
    return found


class Visitor:
    """A browser of its own: keeps cookies, says where its forms come from."""

    def __init__(self, world: World, base: str = OWN) -> None:
        self.world, self.base = world, base
        self.client: FlaskClient = world.app.test_client()

    def open(self, path: str, method: str = "GET", **kwargs: Any) -> TestResponse:
        """Any request; path may hold a fragment, as links do."""
        return self.client.open(path.partition("#")[0], method=method, base_url=self.base, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Page:
        """A page."""
        return Page(self.open(path, **kwargs))

    def post(self, path: str, data: Mapping[str, str], origin: str | None = OWN, **headers: str) -> TestResponse:
        """A posted form, and what is answered to it."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if origin is not None:
            sent["Origin"] = origin
        return self.open(path, "POST", data=dict(data), headers=sent)

    def follow(self, response: TestResponse) -> Page:
        """The page that a 303 leads to."""
        assert response.status_code == 303, response.text
        return self.get(response.headers["Location"])

    def cookie(self, name: str = "comity_session") -> Any:
        """A cookie of ours."""
        return self.client.get_cookie(name, "127.0.0.1")


def thread(page: str = POST, site: str = "blog", **more: str) -> str:
    """The path of a page's discussion."""
    return "/thread?" + urlencode({"site": site, "url": page, **more})


def signed_in(visitor: Visitor, token: str) -> Visitor:
    """The visitor, with a session of this token's."""
    done = visitor.post("/queue/sign-in", {"token": token, "place": ""})
    assert (done.status_code, done.headers["Location"]) == (303, "/queue"), done.text
    return visitor


def filled(page: Page, **typed: str) -> dict[str, str]:
    """The reply form with good values, and with those given."""
    return {**page.form("/thread"), "name": "Ann", "email": canary(), "comment": "Well said.", **typed}


def send(visitor: Visitor, url: str, **typed: str) -> Any:
    """Open a page, fill in its form and send it."""
    return visitor.post(thread(url), filled(visitor.get(thread(url)), **typed))


def shown(page: Page) -> list[str]:
    """The bodies on a page, in order."""
    return [element.text for element in page.root.all("div", class_="text")]


def count(world: World, url: str) -> int:
    """How many comments of a page are stored."""
    return world.rows(
        "SELECT count(*) FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id WHERE t.url = %s", url
    )[0][0]


_sites = itertools.count(1)


def other_site(world: World) -> tuple[str, str]:
    """Another site without origins: its name and a secret key."""
    name = f"other-{next(_sites)}"
    return name, world.add_site(name)[1]


def moderator(world: World, may: str, site: str | None = "blog") -> tuple[str, str]:
    """A new moderator: token id and token."""
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        where = None if site is None else sites.site_named(connection, site).id
        token, secret = sites.add_moderator(connection, may, {where: may}, None)
    return token.id, secret


def with_session(world: World, begun: float, seen: float, token_id: str | None = None) -> Visitor:
    """A visitor whose session began and was last used so many seconds ago."""
    visitor, now = Visitor(world), time.time()
    name = token_id or world.moderator_token.split("_")[2]
    made = session.Session(name, bytes(16), int(now - begun), int(now - seen))
    visitor.client.set_cookie("comity_session", session.write(world.settings.keys, made), domain="127.0.0.1")
    return visitor


def card(page: Page, made: dict[str, Any]) -> Element:
    """A comment in the queue."""
    return page.root.one("article", id=f"comment-{made['id']}")


def decision(page: Page, made: dict[str, Any], action: str) -> tuple[str, dict[str, str]]:
    """Where a comment's form of this action goes, and its fields."""
    for form in card(page, made).all("form"):
        if fields(form)["action"] == action:
            return form.attrs["action"], fields(form)
    raise AssertionError(f"no form to {action}")


def decide(desk: Visitor, page: Page, made: dict[str, Any], action: str, **more: str) -> Any:
    """Press a button of a comment in the queue."""
    path, form = decision(page, made, action)
    return desk.post(path, {**form, **more})


#: The elements that our pages are made of.
_TAGS = {
    "a", "article", "bdi", "blockquote", "body", "br", "button", "caption", "code", "dd", "details", "div", "dl",
    "dt", "footer", "form", "h1", "h2", "h3", "head", "header", "html", "input", "label", "li", "link", "main",
    "mark", "meta", "meter", "nav", "ol", "option", "p", "pre", "section", "select", "span", "strong", "summary",
    "table", "tbody", "td", "textarea", "th", "thead", "time", "title", "tr", "ul", "wbr",
}  # fmt: skip
_HREF = re.compile(r"(https?://[^/]|/(?!/)|#|$)")


def check_page(page: Page) -> None:
    """Only our own elements, no scripts, handlers or styles, no links but web and own ones, and the strict policy."""
    for element in page.root.walk():
        assert element.tag in _TAGS, element.tag
        for name, value in element.attrs.items():
            assert not name.startswith("on"), f"{name} of {element.tag}"
            assert name not in ("style", "srcdoc", "formaction", "background", "http-equiv", "ping"), name
            if name in ("href", "action", "src"):
                assert _HREF.match(value), value
    for element in page.root.all("form"):
        assert element.attrs["action"].startswith("/")
    policy = page.response.headers["Content-Security-Policy"].split("; ")
    assert policy == [
        "default-src 'none'", "style-src 'self'", "img-src 'self'", "form-action 'self'", "base-uri 'none'",
        "frame-ancestors 'none'",
    ]  # fmt: skip
    assert page.response.headers["X-Content-Type-Options"] == "nosniff"
    assert page.response.headers["Referrer-Policy"] == "same-origin"
