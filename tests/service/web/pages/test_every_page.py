"""What holds for every page: text stays text, nothing from elsewhere, an order for eyes and ears."""

import itertools
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from service.web import pages
from tests.service.web.pages.browsing import Page, Visitor, check_page, send, shown, thread, with_session
from tests.service.web.pages.payloads import PAYLOADS
from tests.world import World


def plain(text: str) -> str:
    """A text as a page shows it."""
    return " ".join(text.split())


def every_page(visitor: Visitor, path: str) -> Iterator[Page]:
    """A list's pages, from the first to the last."""
    page = visitor.get(path)
    yield page
    while page.links("Newer comments"):
        page = visitor.get(page.link("Newer comments"))
        yield page


def test_nothing_that_was_typed_becomes_more_than_text_for_readers(shared: World, visitor: Visitor, url: str) -> None:
    """Every payload as name, body, website, title: the page holds it as text, in our own elements only."""
    for n, payload in enumerate(PAYLOADS):
        line = plain(payload)
        body = shared.comment(thread={"url": url, "title": PAYLOADS[0]}, name=line[:100], body=f"{payload} {n}")
        answer = shared.request("POST", "/v1/comments", shared.secret_key, {**body, "website": payload})
        if answer.status_code != 202:
            answer = shared.request("POST", "/v1/comments", shared.secret_key, body)
        assert answer.status_code == 202, answer.text
    shared.settle()
    stored = shared.rows(
        "SELECT c.body FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id WHERE t.url = %s "
        "ORDER BY c.created_at, c.id",
        url,
    )
    bodies = []
    for page in every_page(visitor, thread(url)):
        check_page(page)
        assert page.root.one("h1").text == PAYLOADS[0]
        assert "<script" not in page.html
        bodies += shown(page)
    assert bodies == [plain(body) for (body,) in stored]
    assert len(bodies) == len(PAYLOADS)


def test_nothing_that_was_typed_becomes_more_than_text_for_moderators(shared: World, desk: Visitor) -> None:
    """The same in the queue, where also the parent, the browser's name and the words that spoke are shown."""
    above = shared.published(name="<b>Ann</b>", body="<script>alert(0)</script>")
    for payload in PAYLOADS:
        line = plain(payload)[:100]
        body = shared.comment(
            name=line, parent_id=above["id"], body=f"score:toxicity=0.8 {payload}", user_agent=plain(payload)
        )
        assert shared.request("POST", "/v1/comments", shared.secret_key, body).status_code == 202
    shared.settle()
    seen = 0
    for page in every_page(desk, "/queue"):
        check_page(page)
        assert "<script" not in page.html
        seen += len(page.root.all("article"))
    assert seen == len(PAYLOADS)


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_nothing_in_an_address_or_a_form_becomes_more_than_text(
    shared: World, visitor: Visitor, url: str, payload: str
) -> None:
    """Every parameter of every page, and the form that comes back with errors."""
    given = quote(payload)
    names = ("url", "thread_key", "reply_to", "after", "before", "order", "view", "posted")
    for name in names:
        check_page(
            visitor.get(
                f"/thread?site=blog&url={quote(url)}&{name}={given}"
                if name != "url"
                else f"/thread?site=blog&url={given}"
            )
        )
        check_page(visitor.get(f"/thread?site=blog&url={quote(url)}{given}"))
    check_page(visitor.get(f"/thread?site={given}&url={quote(url)}"))
    typed = dict.fromkeys(("name", "website", "comment", "reply_to", "email"), payload)
    page = Page(send(visitor, url, **typed))
    check_page(page)
    assert page.status == 422
    moderated = with_session(shared, 0, 0)
    for name in ("site", "label", "text", "order", "after", "before", "done"):
        check_page(moderated.get(f"/queue?{name}={given}"))
    check_page(Page(visitor.post("/queue/sign-in", {"token": payload, "place": f"text={given}"})))
    check_page(visitor.get(f"/queue?text={given}"))


def test_the_form_gives_back_exactly_what_was_typed(visitor: Visitor, url: str) -> None:
    """Whatever it holds, a text survives an error elsewhere in the form."""
    for payload in PAYLOADS:
        page = Page(send(visitor, url, comment=payload, email="wrong"))
        assert page.form("/thread")["comment"] == payload


def test_pages_hold_nothing_from_elsewhere(shared: World, visitor: Visitor, desk: Visitor, url: str) -> None:
    """Stylesheet and icon are ours, under names that change with their content and may be kept for ever."""
    for page in (visitor.get(thread(url)), desk.get("/queue"), visitor.get("/docs"), visitor.get("/docs/problems"),
                 visitor.get("/"), visitor.get("/queue")):  # fmt: skip
        assert page.root.all("script") == page.root.all("img") == page.root.all("iframe") == []
        loaded = [e.attrs["href"] for e in page.root.all("link") if e.attrs["rel"] != "canonical"]
        assert len(loaded) == 2
        for path in loaded:
            assert re.fullmatch(r"/static/comity-[0-9a-f]{12}\.(css|svg)", path)
            answer = visitor.open(path)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    css = pages.assets()["comity.css"].content.decode()
    assert re.findall(r"url\(|@import|https?:|expression", css) == []
    for path in ("/static/comity.css", "/static/x", "/static/..%2Fpages.py", "/static/comity-000000000000.css"):
        assert visitor.open(path).status_code == 404


def test_every_page_has_one_heading_one_main_and_unique_ids(shared: World, visitor: Visitor, desk: Visitor) -> None:
    """One h1, one main, one banner; no id twice; every label and description points to something; headings in order."""
    place = {"url": "https://blog.example/outline", "title": "Outline"}
    above = shared.published(thread=place)
    shared.published(thread=place, parent_id=above["id"])
    shared.flagged(thread=place, parent_id=above["id"])
    looked = [
        visitor.get(thread(place["url"])), visitor.get(thread(place["url"], reply_to=above["id"])),
        Page(send(visitor, place["url"], name="")), visitor.get("/thread"), visitor.get("/queue"), desk.get("/queue"),
        visitor.get("/"), visitor.get("/docs"), visitor.get("/docs/problems"),
    ]  # fmt: skip
    for page in looked:
        assert [len(page.root.all(tag)) for tag in ("h1", "main", "title")] == [1, 1, 1]
        ids = [e.attrs["id"] for e in page.root.walk() if "id" in e.attrs]
        assert len(ids) == len(set(ids))
        for element in page.root.walk():
            for name in ("for", "aria-labelledby", "aria-describedby"):
                assert set(element.attrs.get(name, "").split()) <= set(ids)
        for link in page.root.all("a"):
            if link.attrs["href"].startswith("#"):
                assert link.attrs["href"][1:] in ids
        levels = [int(e.tag[1]) for e in page.root.walk() if re.fullmatch("h[1-6]", e.tag)]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
