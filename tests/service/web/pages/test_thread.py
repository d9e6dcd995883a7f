"""The page of a discussion: reading, writing, and what becomes of a comment."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from service.domain.lifecycle import State
from service.domain.reasons import PUBLIC_WORDS, Reason
from service.web import pages
from service.web.embed import discussion, reading, receipt
from tests.service.web.pages.browsing import OWN, Page, Visitor, count, filled, other_site, send, shown, thread
from tests.world import World, canary

# Reading --------------------------------------------------------------------------------------------------------------


def test_a_page_shows_published_comments_with_their_replies_nested(shared: World, visitor: Visitor, url: str) -> None:
    """Each comment is an article named by its author, replies are a list inside; others are not there."""
    place = {"url": url, "title": "A post"}
    first = shared.published(thread=place, name="Ann", body="First.", website="https://ann.example/")
    reply = shared.published(thread=place, name="Bo", body="Second.", parent_id=first["id"])
    shared.flagged(thread=place)
    shared.submit(thread=place)

    page = visitor.get(thread(url))

    assert (page.status, page.root.one("h1").text, page.root.one("h2", id="comments-title").text) == (
        200, "A post", "2 comments",
    )  # fmt: skip
    outer = page.root.one("ol", class_="comments")
    article = outer.one("article", id=f"comment-{first['id']}")
    name = page.root.one("h3", id=article.attrs["aria-labelledby"])
    assert name.text == "Ann"
    link = name.one("a")
    assert (link.attrs["href"], link.attrs["rel"]) == ("https://ann.example/", "nofollow ugc noopener noreferrer")
    assert outer.one("ol").one("article").attrs["id"] == f"comment-{reply['id']}"
    moment = shared.rows("SELECT published_at FROM comity.comment WHERE id = %s", first["id"])[0][0]
    assert article.one("time").attrs["datetime"] == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert article.one("div", class_="text").attrs["dir"] == "auto"
    assert shown(page) == ["First.", "Second."]


def test_bodies_keep_line_breaks_and_safe_links_and_hide_addresses(shared: World, visitor: Visitor, url: str) -> None:
    """Line ends become breaks, web addresses links that pass nothing on, e-mail addresses a note."""
    hidden = canary()
    shared.published(thread={"url": url}, body=f"One.\nSee https://a.example/x?a=1&b=2 or {hidden}")
    page = visitor.get(thread(url))
    body = page.root.one("div", class_="text")
    assert body.text == "One. See https://a.example/x?a=1&b=2 or [address hidden]"
    assert len(body.all("br")) == 1
    link = body.one("a")
    assert (link.attrs["href"], link.attrs["rel"]) == (
        "https://a.example/x?a=1&b=2",
        "nofollow ugc noopener noreferrer",
    )
    assert hidden not in page.html


def test_a_removed_comment_leaves_its_place_while_replies_stand(shared: World, visitor: Visitor, url: str) -> None:
    """Its words and name are gone, the reply below it is not, and nobody can answer it."""
    gone = shared.published(thread={"url": url}, name="Gone", body="Gone words.")
    shared.published(thread={"url": url}, name="Bo", body="Still here.", parent_id=gone["id"])
    shared.decide(gone, "reject")
    page = visitor.get(thread(url))
    place = page.root.one("article", id=f"comment-{gone['id']}")
    assert place.text == "Removed comment This comment was removed. The replies to it stand."
    assert shown(page) == ["Still here."]
    assert "Gone" not in page.html


def test_a_page_names_its_own_place_and_stays_out_of_search_engines_and_caches(visitor: Visitor, url: str) -> None:
    """Canonical is the website's page; noindex; a page with a form is kept by nobody."""
    page = visitor.get(thread(f"{url}?utm_source=x&a=1#top"))
    assert page.root.one("link", rel="canonical").attrs["href"] == f"{url}?a=1"
    assert page.root.one("meta", name="robots").attrs["content"] == "noindex"
    assert page.response.headers["Cache-Control"] == "private, no-store"
    assert page.text.count("Be the first to write one.") == 1


@pytest.mark.parametrize(
    "query",
    [
        "", "site=blog", "site=nobody&url=https://blog.example/", "site=blog&url=https://elsewhere.example/",
        "site=blog&thread_key=unknown", "site=blog&url=javascript:alert(1)", "site=blog&url=notaurl", "url=https://blog.example/",
        "site=BLOG%00&url=https://blog.example/", "site=blog&url=http://blog.example/", "site=blog&url=https://blog.example:444/",
    ],
)  # fmt: skip
def test_pages_that_no_website_knows_are_a_readable_404(visitor: Visitor, query: str) -> None:
    """Unknown sites, pages of other origins, and addresses that name none."""
    page = visitor.get(f"/thread?{query}")
    assert (page.status, page.title) == (404, "There is nothing here · Comity")
    assert len(page.root.one("p", class_="lead").text) > 30
    assert visitor.post(f"/thread?{query}", {"name": "Ann"}).status_code == 404


def test_a_thread_is_found_by_key_and_by_url(shared: World, visitor: Visitor, url: str) -> None:
    """The key decides; the page's address is then the one its website gave."""
    key = f"key-{url[-3:]}"
    shared.published(thread={"key": key, "url": url}, body="By key.")
    by_key = visitor.get(f"/thread?site=blog&thread_key={quote(key)}&url=https://blog.example/other")
    assert shown(by_key) == shown(visitor.get(thread(url))) == ["By key."]
    assert by_key.root.one("link", rel="canonical").attrs["href"] == url


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("view", ["tree", "flat"])
def test_pages_lead_on_and_back_through_every_comment_once(
    shared: World, visitor: Visitor, url: str, monkeypatch: pytest.MonkeyPatch, order: str, view: str
) -> None:
    """Older and newer links walk the whole discussion in both directions, in both orders."""
    monkeypatch.setattr(reading, "PAGE", 3)
    for n in range(8):
        made = shared.submit(thread={"url": url}, body=f"n{n}")
    shared.settle()
    shared.published(thread={"url": url}, body="reply", parent_id=made["id"])
    onward, back = ("Newer comments", "Older comments") if order == "oldest" else ("Older comments", "Newer comments")

    page = visitor.get(thread(url, order=order, view=view))
    assert not page.links(back)
    forth = [shown(page)]
    while page.links(onward):
        page = visitor.get(page.link(onward))
        forth.append(shown(page))
    backwards = [shown(page)]
    while page.links(back):
        page = visitor.get(page.link(back))
        backwards.append(shown(page))

    expected = [f"n{n}" for n in range(8)]
    expected.insert(8, "reply")
    if order == "newest":
        expected = ["reply", *expected[7::-1]] if view == "flat" else ["n7", "reply", *expected[6::-1]]
    assert [body for page in forth for body in page] == expected
    assert [body for page in backwards[::-1] for body in page] == expected
    assert page.text == visitor.get(thread(url, order=order, view=view)).text


def test_a_cursor_of_another_list_leads_to_the_beginning(shared: World, visitor: Visitor, url: str) -> None:
    """Old and foreign cursors are no error for a reader."""
    shared.published(thread={"url": url}, body="Here.")
    for cursor in ("x", "", "AAAA" * 20, "é"):
        assert shown(visitor.get(thread(url, after=cursor))) == ["Here."]


def test_a_tree_too_large_for_a_page_is_offered_in_order_of_arrival(
    shared: World, visitor: Visitor, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so and links to the flat view, which holds everything."""
    monkeypatch.setattr("service.store.public.MOST_REPLIES", 2)
    parent = shared.published(thread={"url": url}, body="root")
    for n in range(3):
        shared.published(thread={"url": url}, body=f"r{n}", parent_id=parent["id"])
    page = visitor.get(thread(url))
    assert shown(page) == ["root", "r0"]
    assert shown(visitor.get(page.link("Read all comments in order of arrival"))) == ["root", "r0", "r1", "r2"]


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("replies", [2, 4])
def test_links_lead_past_a_tree_that_fills_a_page(
    shared: World, visitor: Visitor, url: str, monkeypatch: pytest.MonkeyPatch, replies: int, order: str
) -> None:
    """A tree as large as a page, or cut to it, hides no other: the links go on and back."""
    monkeypatch.setattr("service.store.public.MOST_REPLIES", 3)
    roots = [shared.published(thread={"url": url}, body=f"n{n}") for n in range(3)]
    for n in range(replies):
        shared.published(thread={"url": url}, body=f"r{n}", parent_id=roots[1]["id"])
    onward, back = ("Newer comments", "Older comments") if order == "oldest" else ("Older comments", "Newer comments")

    page = visitor.get(thread(url, order=order))
    forth = [shown(page)]
    while page.links(onward):
        page = visitor.get(page.link(onward))
        forth.append(shown(page))
    backwards = [shown(page)]
    while page.links(back):
        page = visitor.get(page.link(back))
        backwards.append(shown(page))

    pages = [["n0"], ["n1", "r0", "r1"], ["n2"]]
    assert forth == backwards[::-1] == (pages if order == "oldest" else pages[::-1])


def test_links_lead_past_a_tree_of_which_nothing_is_shown(
    shared: World, visitor: Visitor, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed comments fill the page: the links to what is newer and older are there all the same."""
    monkeypatch.setattr("service.store.public.MOST_REPLIES", 2)
    first = shared.published(thread={"url": url}, body="n0")
    above = shared.published(thread={"url": url}, body="n1")
    gone = [above] + [shared.published(thread={"url": url}, parent_id=above["id"]) for _ in range(2)]
    shared.published(thread={"url": url}, body="below", parent_id=above["id"])
    last = shared.published(thread={"url": url}, body="n2")
    for made in gone:
        shared.decide(made, "reject", reason="other")

    page = visitor.get(visitor.get(thread(url)).link("Newer comments"))
    assert shown(page) == []
    assert shown(visitor.get(page.link("Newer comments"))) == ["n2"], last
    assert shown(visitor.get(page.link("Older comments")))[0] == "n0", first


# Writing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Well said.", "Thank you. Your comment is published."),
        ("score:toxicity=0.8", "Thank you. Your comment is waiting to be read by a moderator."),
        ("score:spam=0.99", f"Your comment was not taken. {PUBLIC_WORDS[Reason.SPAM]}"),
    ],
)
def test_a_sent_form_is_answered_by_303_and_the_page_tells_what_became_of_it(
    shared: World, visitor: Visitor, url: str, text: str, words: str
) -> None:
    """First it is being checked; later the same address says published, waiting or not taken."""
    answer = send(visitor, url, comment=text)
    assert answer.status_code == 303
    assert re.fullmatch(r"/thread\?site=blog&url=\S+&posted=[A-Za-z0-9_-]+#posted", answer.headers["Location"])
    assert answer.headers["Cache-Control"] == "private, no-store"
    status = visitor.follow(answer).root.one("div", id="posted")
    assert (status.attrs["role"], status.attrs["tabindex"]) == ("status", "-1")
    assert status.text.startswith("Thank you. Your comment is being checked")
    shared.settle()
    later = visitor.follow(answer)
    assert later.root.one("div", id="posted").all("p")[0].text == words
    assert later.links("Go to your comment") == (text == "Well said.")


def test_what_is_stored_is_what_was_typed(shared: World, visitor: Visitor, url: str) -> None:
    """Name and body as typed, network prefix and browser of the sender, the page by its URL, nothing vouched for."""
    page = visitor.get(thread(url))
    typed = filled(page, name=" Ann B. ", website="ann.example", comment="One.\r\n\r\nTwo.")
    answer = visitor.post(thread(url), typed, User_Agent="A browser", X_Forwarded_For="203.0.113.9")
    assert answer.status_code == 303
    row = shared.rows(
        "SELECT c.name, c.body, c.website, c.author_prefix::text, c.user_agent, c.author_verified, t.title, t.key "
        "FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id WHERE t.url = %s",
        url,
    )[0]
    assert row == ("Ann B.", "One.\n\nTwo.", "https://ann.example", "127.0.0.0/24", "A browser", False, None, None)


def test_a_form_with_nothing_in_it_names_every_field_that_needs_something(visitor: Visitor, url: str) -> None:
    """422; each error stands beside its field and in a summary that links to it; the title says so first."""
    answer = visitor.post(thread(url), {**visitor.get(thread(url)).form("/thread"), "website": "javascript:alert(1)"})
    page = Page(answer)
    assert (page.status, page.title) == (422, "Error: Comments · A blog")
    summary = page.root.one("div", id="problems")
    assert [(link.attrs["href"], link.text) for link in summary.all("a")] == [
        ("#name", "Enter your name."),
        ("#email", "Enter your email address: a name, an @ and a domain."),
        ("#website", "Enter a web address that begins with https://, or leave this empty."),
        ("#comment", "Write a comment."),
    ]
    assert (summary.attrs["tabindex"], summary.attrs["role"]) == ("-1", "alert")
    for link in summary.all("a"):
        name = link.attrs["href"][1:]
        control = next(e for e in page.root.walk() if e.attrs.get("id") == name)
        assert control.attrs["aria-invalid"] == "true"
        assert f"{name}-error" in control.attrs["aria-describedby"].split()
        assert page.root.one("p", id=f"{name}-error").text == link.text
        assert page.root.one("label", **{"for": name}).text.rstrip(" *") == name.capitalize()
    form = page.root.one("form")
    assert form.attrs["action"].endswith("#problems")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "x" * 101, "Shorten your name to 100 characters."),
        ("name", "a\tb", "Use only letters and signs that can be printed, on one line."),
        ("name", "\u200b", "Enter your name."),
        ("name", "\u3164", "Enter your name."),
        ("name", "Z" + "\u0301" * 5, "Use fewer accents on one letter of your name."),
        ("name", "\x00", "Use only letters and signs that can be printed, on one line."),
        ("email", "ann", "Enter your email address: a name, an @ and a domain."),
        ("website", "data:text/html,x", "Enter a web address that begins with https://, or leave this empty."),
        ("website", "https://a:b@c.example/", "Enter a web address that begins with https://, or leave this empty."),
        ("website", "https://c.example/" + "x" * 300, "Give a shorter web address, or none."),
        ("website", "c.example/" + "x" * 300, "Give a shorter web address, or none."),
        ("comment", " \n ", "Write a comment."),
        ("comment", "\u200b\u2060", "Write a comment."),
        ("comment", "x" * 20_001, "Shorten your comment to 20,000 characters."),
        ("comment", "ж" * 30_000, "Shorten your comment to 20,000 characters."),
        ("comment", "\U0001f600" * 20_001, "Shorten your comment to 20,000 characters."),
        ("comment", "Z" + "\u0301" * 9, "Use fewer accents on one letter of your comment."),
        ("comment", "a\x07", "The comment holds characters that cannot be shown. Remove them."),
    ],
)
def test_a_wrong_value_is_told_beside_its_field_and_the_others_are_kept(
    shared: World, visitor: Visitor, url: str, field: str, value: str, words: str
) -> None:
    """One error, in a visitor's words; what else was typed stands in the form again; nothing is stored."""
    typed = {"name": "Ann", "website": "https://ann.example", "comment": "\nWell said.\n", field: value}
    page = Page(send(visitor, url, **typed))
    assert page.status == 422
    assert [e.text for e in page.root.all("p", class_="error")] == [words]
    again = page.form("/thread")
    kept = {name: text for name, text in typed.items() if name not in (field, "email")}
    assert {name: again[name] for name in kept} == kept
    assert count(shared, url) == 0


@pytest.mark.parametrize("piece", [".", "a.", "a", "-."])
def test_an_endless_web_address_costs_nothing(shared: World, visitor: Visitor, url: str, piece: str) -> None:
    """As many signs as a form may hold: told to be too long, in well under a second of processor time."""
    typed = filled(visitor.get(thread(url)), website=(piece * 250_000)[:250_000] + ":")
    begun = time.process_time()
    page = Page(visitor.post(thread(url), typed))
    took = time.process_time() - begun
    assert page.status == 422
    assert [e.text for e in page.root.all("p", class_="error")] == ["Give a shorter web address, or none."]
    assert took < 0.5
    assert count(shared, url) == 0


@pytest.mark.parametrize("character", ["x", "ж", "你", "\U0001f600", "\n"], ids=ascii)
def test_the_longest_comment_is_taken_in_every_script(
    shared: World, visitor: Visitor, url: str, character: str
) -> None:
    """20,000 characters, of which forms may make twelve bytes each, beside the longest name and website."""
    body = f"{character * 19_990}The end."
    answer = send(visitor, url, name="\U0001f600" * 100, website="https://x.example/" + "é" * 280, comment=body)
    assert answer.status_code == 303
    stored = "SELECT c.body FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id WHERE t.url = %s"
    assert shared.rows(stored, url) == [(body.strip("\n"),)]


def test_an_address_never_comes_back_in_a_page(shared: World, visitor: Visitor, url: str) -> None:
    """Not in a form with errors, not after posting: it has to be typed again, and the form says so."""
    address = canary()
    page = Page(send(visitor, url, email=address, name=""))
    assert (page.status, address in page.html, page.form("/thread")["email"]) == (422, False, "")
    assert page.root.one("p", id="email-hint").text == "Please type your email address again: a page never contains it."
    done = send(visitor, url, email=address)
    shared.settle()
    assert address not in visitor.follow(done).html + done.headers["Location"]


def test_the_same_form_sent_twice_is_one_comment(shared: World, visitor: Visitor, url: str) -> None:
    """A double click, a reload or a second try leads to the same place as the first."""
    typed = filled(visitor.get(thread(url)))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: Visitor(shared).post(thread(url), typed), range(4)))
    assert [answer.status_code for answer in answers] == [303] * 4
    assert visitor.post(thread(url), typed).status_code == 303
    assert count(shared, url) == 1


def test_a_form_sent_again_with_another_text_asks_whether_that_is_meant(
    shared: World, visitor: Visitor, url: str
) -> None:
    """Going back and writing something new: the second comment is taken once it is sent once more."""
    typed = filled(visitor.get(thread(url)))
    visitor.post(thread(url), typed)
    page = Page(visitor.post(thread(url), {**typed, "comment": "Another thing."}))
    assert page.status == 422
    assert "sent before with another text" in page.root.one("div", id="problems").text
    assert count(shared, url) == 1
    again = {**page.form("/thread"), "email": canary()}
    assert again["comment"] == "Another thing."
    assert visitor.post(thread(url), again).status_code == 303
    assert count(shared, url) == 2


def test_a_form_from_a_page_without_our_key_is_taken_and_its_double_is_not(
    shared: World, visitor: Visitor, url: str
) -> None:
    """A website's own static form: an equal comment some minutes later is a duplicate."""
    typed = {"name": "Ann", "email": canary(), "comment": "From a static page."}
    assert (
        visitor.post(thread(url), typed, origin="https://blog.example", Sec_Fetch_Site="cross-site").status_code == 303
    )
    page = Page(visitor.post(thread(url), typed, origin="https://blog.example"))
    assert (page.status, "You sent the same comment here" in page.text) == (409, True)
    assert count(shared, url) == 1


def test_what_fills_in_the_trap_is_thrown_away_with_the_answer_of_a_held_comment(
    shared: World, visitor: Visitor, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored; the page it is led to says what a held comment's page says, first and later."""
    page = visitor.get(thread(url))
    trap = next(e for e in page.root.all("input") if e.attrs.get("tabindex") == "-1")
    around = next(e for e in page.root.all("div") if trap in e.children)
    assert (around.attrs["aria-hidden"], trap.attrs["autocomplete"], trap.attrs["type"]) == ("true", "off", "text")
    trapped = send(visitor, url, **{trap.attrs["name"]: "buy"})
    held = send(visitor, url, comment="score:toxicity=0.8")
    assert count(shared, url) == 1
    shared.settle()
    shape = re.compile(r"posted=[A-Za-z0-9_-]+")
    assert shape.sub("", trapped.headers["Location"]) == shape.sub("", held.headers["Location"])
    assert dict(trapped.headers).keys() == dict(held.headers).keys()
    monkeypatch.setattr(receipt, "_SOON", 3600)
    assert "is being checked" in visitor.follow(trapped).text
    monkeypatch.setattr(receipt, "_SOON", -1)
    said = [visitor.follow(answer).root.one("div", id="posted").text for answer in (trapped, held)]
    assert said[0] == said[1] == "Thank you. Your comment is waiting to be read by a moderator."
    assert Page(send(visitor, url, **{trap.attrs["name"]: "buy", "name": ""})).status == 422


@pytest.mark.parametrize(
    ("origin", "headers", "taken"),
    [
        (OWN, {}, True),
        (OWN, {"Sec_Fetch_Site": "same-origin"}, True),
        ("https://blog.example", {"Sec_Fetch_Site": "cross-site"}, True),
        (None, {}, True),
        (None, {"Sec_Fetch_Site": "same-origin"}, True),
        (None, {"Referer": f"{OWN}/thread?x"}, True),
        (None, {"Referer": "https://blog.example/post"}, True),
        ("https://evil.example", {}, False),
        ("null", {}, False),
        ("null", {"Sec_Fetch_Site": "cross-site"}, False),
        ("https://blog.example.evil.example", {}, False),
        ("http://blog.example", {}, False),
        (None, {"Sec_Fetch_Site": "cross-site"}, False),
        (None, {"Sec_Fetch_Site": "same-site"}, False),
        (None, {"Referer": "https://evil.example/"}, False),
        (None, {"Referer": "about:blank"}, False),
    ],
)
def test_forms_are_taken_from_our_pages_and_the_sites_own_only(
    shared: World, visitor: Visitor, url: str, origin: str | None, headers: dict[str, str], taken: bool
) -> None:
    """What a browser says about the sender must be us or an origin of the site; what says nothing is no browser."""
    answer = visitor.post(thread(url), filled(visitor.get(thread(url))), origin, **headers)
    assert (answer.status_code, count(shared, url)) == ((303, 1) if taken else (403, 0))
    if not taken:
        assert "another website" in Page(answer).text


def test_visitors_give_no_page_a_key_or_a_title(shared: World, visitor: Visitor, url: str) -> None:
    """A key in the address of an unknown thread is not kept: only a website names its pages."""
    path = f"/thread?site=blog&thread_key=mine&title=Mine&url={quote(url)}"
    assert visitor.post(path, filled(visitor.get(path))).status_code == 303
    assert shared.rows("SELECT key, title FROM comity.thread WHERE url = %s", url) == [(None, None)]


def test_a_site_without_origins_takes_no_comments_here(shared: World, visitor: Visitor) -> None:
    """Its discussions can be read, but nobody can go around its own form."""
    name, key = other_site(shared)
    made = shared.request("POST", "/v1/comments", key, shared.comment(thread={"key": "k"}, body="Here."))
    shared.settle()
    assert made.status_code == 202
    path = f"/thread?site={name}&thread_key=k"
    page = visitor.get(path)
    assert (shown(page), page.root.all("form"), page.links("Reply to Ann")) == (["Here."], [], False)
    answer = visitor.post(path, {"name": "Ann", "email": canary(), "comment": "No."})
    assert (answer.status_code, "its own pages only" in Page(answer).text) == (403, True)


def test_a_closed_discussion_says_so_and_has_no_form(shared: World, visitor: Visitor, url: str) -> None:
    """Its comments stay; a form that was open before is answered by 409; readers may share the page."""
    shared.published(thread={"url": url}, body="Before.")
    typed = filled(visitor.get(thread(url)))
    shared.execute("UPDATE comity.thread SET closed_at = now() WHERE url = %s", url)
    page = visitor.get(thread(url))
    assert (shown(page), page.root.all("form"), page.links("Reply to Ann")) == (["Before."], [], False)
    assert "This discussion is closed. It takes no more comments." in page.text
    assert page.response.headers["Cache-Control"] == "public, max-age=0, s-maxage=10, must-revalidate"
    late = Page(visitor.post(thread(url), typed))
    assert (late.status, "This discussion is closed" in late.text) == (409, True)
    assert count(shared, url) == 1


def test_a_reply_shows_what_it_answers_and_goes_below_it(shared: World, visitor: Visitor, url: str) -> None:
    """The link by a comment opens the form as a reply to it; cancelling leads back."""
    above = shared.published(thread={"url": url}, name="Ann", body="First.")
    page = visitor.get(visitor.get(thread(url)).link("Reply to Ann"))
    assert page.root.one("h2", id="reply-title").text == "Replying to Ann"
    assert page.root.one("blockquote").text == "First."
    assert page.link("Cancel the reply") == f"{thread(url)}#comment-{above['id']}"
    answer = visitor.post(page.root.one("form").attrs["action"], filled(page, comment="Second."))
    assert answer.status_code == 303
    shared.settle()
    tree = visitor.follow(answer).root.one("ol", class_="comments")
    assert [e.text for e in tree.one("ol").all("div", class_="text")] == ["Second."]


def test_a_reply_to_what_is_not_there_any_more_can_be_posted_on_its_own(
    shared: World, visitor: Visitor, url: str
) -> None:
    """Opened too late, the form says so; removed meanwhile, it comes back with the text kept and no parent."""
    above = shared.published(thread={"url": url}, name="Ann", body="First.")
    open_form = visitor.get(thread(url, reply_to=above["id"]))
    shared.decide(above, "reject")
    late = visitor.get(thread(url, reply_to=above["id"]))
    assert "The comment that you want to answer is not there any more." in late.text
    assert "reply_to" not in late.form("/thread")
    page = Page(visitor.post(thread(url), filled(open_form, comment="Second.")))
    assert (page.status, page.form("/thread")["comment"]) == (409, "Second.")
    assert "The comment that you answer is not there any more." in page.root.one("div", id="problems").text
    assert visitor.post(thread(url), {**page.form("/thread"), "email": canary()}).status_code == 303
    for nonsense in ("x", "0", above["id"].upper() + "x"):
        assert visitor.get(thread(url, reply_to=nonsense)).status == 200


def test_a_receipt_tells_of_one_comment_to_its_author_for_an_hour(shared: World, visitor: Visitor, url: str) -> None:
    """It cannot be made up, altered, used for another site, or used later."""
    parts = shared.app.extensions["comity"]
    with shared.app.test_request_context(base_url=OWN):
        here = discussion.find(parts, {"site": "blog", "url": url})
    other = discussion.Discussion(parts.gate.site(other_site(shared)[0]), None, url, None)
    made = shared.published(thread={"url": url})
    comment_id = shared.rows("SELECT id FROM comity.comment WHERE id = %s", made["id"])[0][0]
    good = receipt.write(parts, here, comment_id)
    assert receipt.read(parts, here, good) == receipt.Receipt(
        "Thank you. Your comment is published.", comment_id, published=True
    )
    old = receipt.write(parts, here, comment_id, lambda: time.time() - 3700)
    foreign = receipt.write(parts, other, comment_id)
    for bad in (old, foreign, good[:-1], good[1:], made["id"], made["status_token"], "", None):
        assert receipt.read(parts, here, bad) is None
    assert visitor.get(thread(url, posted=made["id"])).root.all("div", id="posted") == []
    assert set(receipt._WORDS) == set(State)


def test_too_many_comments_are_refused_in_words_with_the_text_kept(make_world: Any) -> None:
    """429, Retry-After, how long to wait, and the form as it was; too many pages are an error page."""
    world = make_world(limit_prefix=(4, 60), limit_visitor=(180, 60))
    visitor, url = Visitor(world), "https://blog.example/busy"
    answers = [send(visitor, url, comment=f"Number {n}.") for n in range(5)]
    assert [answer.status_code for answer in answers] == [303] * 4 + [429]
    page = Page(answers[-1])
    assert int(page.response.headers["Retry-After"]) >= 1
    assert re.search(r"You sent several comments in a short time\. Wait \d+ seconds?", page.text)
    assert page.form("/thread")["comment"] == "Number 4."
    last = next(page for _ in range(200) if (page := visitor.get(thread(url))).status != 200)
    assert (last.status, last.title) == (429, "Too many requests · Comity")
    assert re.search(r"Wait \d+ seconds?, then try again\.", last.text)


@pytest.mark.parametrize(
    ("kwargs", "status"),
    [
        ({"data": "comment=" + "x" * pages.FORM_BYTES, "content_type": "application/x-www-form-urlencoded"}, 413),
        ({"data": {"comment": "x"}, "content_type": "multipart/form-data"}, 415),
        ({"json": {"comment": "x"}}, 415),
        ({"data": b"name=%ff%fe&comment=%80", "content_type": "application/x-www-form-urlencoded"}, 422),
        ({"data": b"&&&=;;%%%&name&name=2", "content_type": "application/x-www-form-urlencoded"}, 422),
    ],
)
def test_odd_forms_are_refused_in_words(visitor: Visitor, url: str, kwargs: dict[str, Any], status: int) -> None:
    """Too large, of another kind, or not text: a page, never a fault."""
    page = Page(visitor.open(thread(url), "POST", headers={"Origin": OWN}, **kwargs))
    assert page.status == status


def test_a_database_that_does_not_answer_is_told_in_words(make_world: Any) -> None:
    """503 with Retry-After, as a page."""
    world = make_world(database_url="postgresql://comity_web:x@127.0.0.1:9/nowhere")
    page = Visitor(world).get(thread())
    assert (page.status, page.response.headers["Retry-After"]) == (503, "2")
    assert "The service cannot answer right now." in page.text
