"""The queue as a page: what it shows, and decisions as forms."""

import re

import psycopg
import pytest

from service.domain.reasons import PUBLIC_WORDS, REVIEW_REASONS, Reason
from service.domain.rules import KINDS
from service.store import sites
from service.web.console import listing, words
from tests.service.web.pages.browsing import (
    OWN,
    Element,
    Page,
    Visitor,
    card,
    decide,
    decision,
    fields,
    moderator,
    other_site,
    signed_in,
)
from tests.world import World, canary


def test_the_queue_shows_each_flagged_comment_with_all_that_a_decision_needs(shared: World, desk: Visitor) -> None:
    """What, where, when, by whom, what it answers, why it waits, the scores, and how the author fared."""
    place = {"url": "https://blog.example/all", "title": "All of it"}
    above = shared.published(thread=place, name="Ann", body="First.")
    address = canary()
    shared.published(thread=place, name="Bo", email=address)
    made = shared.flagged(
        thread=place, name="Bo", email=address, parent_id=above["id"], website="https://bo.example/",
        body=f"You idiot. score:insult=0.9 score:toxicity=0.7 {canary()}",
        user_agent="A browser", author_ip="203.0.113.7",
    )  # fmt: skip
    page = desk.get("/queue")
    shown = card(page, made)
    assert page.root.one("h2", id=shown.attrs["aria-labelledby"]).text == "Bo"
    assert shown.one("header").one("a", href="https://blog.example/all").text == "All of it"
    assert shown.one("header").one("time").attrs["datetime"].endswith("Z")
    assert shown.one("blockquote").text == "First."
    assert [e.text for e in shown.all("div", class_="text")] == [
        "You idiot. score:insult=0.9 score:toxicity=0.7 [address hidden]"
    ]
    why = shown.one("div", class_="why").text
    assert "The score for “Insult” is 90 %: more than this site publishes unread. So is “Toxic” (70 %)." in why
    assert "Earlier here: 1 published. Writes from a domain of its own." in why
    assert "203.0.113.0/24" in why
    meters = shown.all("meter")
    assert [meter.attrs["value"] for meter in meters] == ["0.9", "0.7", "0.01"]
    for meter in meters:
        assert page.root.one("span", id=meter.attrs["aria-labelledby"]).text in words.NAMES.values()
    assert "idiot" in [mark.text.strip(".") for mark in shown.one("ul", class_="for").all("mark")]
    assert page.root.one("p", class_="count").text == "1 comment waits"
    for address in shared.addresses:
        assert address not in page.html


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("score:spam=0.8 one", "The score for “Advertising” is 80 %: more than this site publishes unread."),
        (" ".join(f"https://{n}.example" for n in "abcd"), "It holds 4 links; this site lets 3 pass."),
        ("language:ko two", "The classifier has no opinion on its language (ko), so a person has to read it."),
    ],
)  # fmt: skip
def test_why_a_comment_waits_is_told_in_words(shared: World, desk: Visitor, body: str, sentence: str) -> None:
    """Each rule of the policy has its sentence."""
    made = shared.submit(body=body)
    shared.settle()
    assert sentence in card(desk.get("/queue"), made).text


def test_every_rule_reason_and_actor_has_words() -> None:
    """Nothing that the policy or the store can say is missing from the moderators' vocabulary."""
    assert set(words.NAMES) == {str(reason) for reason in Reason}
    flagging = {
        "tried_too_often",
        "no_second_look",
        "closed_thread",
        "no_score",
        "held",
        "unreadable_policy",
        *KINDS,
        # in the records of release 0.1
        "too_many_links",
        "repeat",
        "score_flags",
        "score_rejects",
    }
    assert flagging <= set(words._RULES)


def test_publishing_leads_back_to_the_same_place_with_a_way_to_undo(shared: World, desk: Visitor) -> None:
    """303 with the filters kept; the notice stands where the comment stood; undoing puts it back as it was."""
    first, made, last = (shared.flagged(name=name) for name in ("First", "Second", "Third"))
    page = desk.get("/queue?label=toxicity&text=score&evil=1")
    answer = decide(desk, page, made, "publish")
    assert answer.status_code == 303
    assert re.fullmatch(r"/queue\?label=toxicity&text=score&done=\S+#done", answer.headers["Location"])
    assert shared.status(made)["status"] == "published"

    after = desk.follow(answer)
    items = [e for e in after.root.one("ol", class_="flagged").children if isinstance(e, Element)]
    assert [e.attrs.get("id") or e.one("article").attrs["id"] for e in items] == [
        f"comment-{first['id']}", "done", f"comment-{last['id']}",
    ]  # fmt: skip
    status = items[1].one("p")
    assert (status.attrs["role"], status.text) == (
        "status", "Published. The comment by Second stands on its page now.",
    )  # fmt: skip
    undone = desk.follow(desk.post("/queue/undo", after.form("/queue/undo")))
    assert "Undone. The comment by Second waits in the queue again." in undone.text
    assert shared.status(made) | {"updated_at": ""} == shared.status(made) | {
        "status": "flagged", "reason": {"code": "toxicity", "text": PUBLIC_WORDS[Reason.TOXICITY]}, "updated_at": "",
    }  # fmt: skip
    again = card(undone, made).one("div", class_="why").text
    assert "A moderator put it back into the queue. The score for “Toxic” is 80 %" in again
    actors = [(d["actor"], d["action"], d["token"]) for d in shared.review(made)["decisions"]]
    token_id = shared.moderator_token.split("_")[2]
    assert actors == [("policy", "flag", None), ("moderator", "publish", token_id), ("moderator", "flag", token_id)]


@pytest.mark.parametrize("reason", [*map(str, REVIEW_REASONS)])
def test_rejecting_takes_a_reason(shared: World, desk: Visitor, reason: str) -> None:
    """The select offers each reason and stands at what the comment is held for."""
    made = shared.flagged()
    page = desk.get("/queue")
    path, form = decision(page, made, "reject")
    assert form["reason"] == "toxicity"
    assert desk.post(path, {**form, "reason": reason}).status_code == 303
    status = shared.status(made)
    assert (status["status"], status["reason"]["code"]) == ("rejected", reason)


def test_a_decision_on_what_somebody_else_decided_is_a_clear_409(shared: World, desk: Visitor) -> None:
    """Nothing is done; the notice says how the comment stands and who decided, and the queue goes on below."""
    made, other = shared.flagged(name="Late"), shared.flagged(name="Next")
    page = desk.get("/queue")
    shared.decide(made, "reject")
    late = Page(decide(desk, page, made, "publish"))
    assert (late.status, late.title) == (409, "Not done: Moderation queue (1) · Comity")
    notice = late.root.one("li", id="done")
    assert (notice.one("p").attrs["role"], notice.one("p").text) == (
        "alert", "Nothing was done. The comment by Late is rejected already, decided by a moderator.",
    )  # fmt: skip
    assert notice.all("form") == []
    assert shared.status(made)["status"] == "rejected"
    assert decide(desk, late, other, "publish").status_code == 303
    assert desk.open(f"/queue/comments/{made['id']}").headers["Location"] == "/queue"


def test_the_same_decision_sent_twice_is_one_and_is_told_as_done(shared: World, desk: Visitor) -> None:
    """A second click finds the first one's work, with the way to undo; another decision on the same page does not."""
    made = shared.flagged(name="Click")
    page = desk.get("/queue")
    for _ in range(2):
        after = desk.follow(decide(desk, page, made, "publish"))
        assert "Published. The comment by Click stands on its page now." in after.text
    assert [d["action"] for d in shared.review(made)["decisions"]] == ["flag", "publish"]
    assert decide(desk, page, made, "reject").status_code == 409
    form = after.form("/queue/undo")
    for _ in range(2):
        assert "waits in the queue again" in desk.follow(desk.post("/queue/undo", form)).text
    assert shared.status(made)["reason"]["code"] == "toxicity"
    assert [d["action"] for d in shared.review(made)["decisions"]] == ["flag", "publish", "flag"]


def test_a_comment_that_changed_meanwhile_has_to_be_read_again(shared: World, desk: Visitor) -> None:
    """An edited or withdrawn comment is not decided by an old page."""
    made, gone = shared.flagged(name="Edits"), shared.flagged(name="Leaves")
    page = desk.get("/queue")
    shared.request("PATCH", f"/v1/comments/{made['id']}", shared.secret_key, {"body": "score:toxicity=0.8 new words"})
    shared.request("DELETE", f"/v1/comments/{gone['id']}", shared.secret_key)
    late = Page(decide(desk, page, made, "publish"))
    assert late.status == 409
    assert "The comment by Edits was changed meanwhile. Read it again, then decide." in late.text
    assert "new words" in card(late, made).text
    left = Page(decide(desk, page, gone, "publish"))
    assert (left.status, "The comment by Leaves is withdrawn already, decided by its website." in left.text) == (
        409,
        True,
    )


def test_an_undo_that_comes_too_late_undoes_nothing(shared: World, desk: Visitor) -> None:
    """Somebody decided since, ten minutes passed, or it is another session's."""
    made = shared.flagged(name="Twice")
    after = desk.follow(decide(desk, desk.get("/queue"), made, "publish"))
    form = after.form("/queue/undo")
    other = signed_in(Visitor(shared), shared.moderator_token)
    stolen = {**form, "form": other.get("/queue").form("/queue/sign-out")["form"]}
    assert other.post("/queue/undo", stolen).status_code == 409
    shared.decide(made, "reject")
    late = Page(desk.post("/queue/undo", form))
    assert (late.status, "is rejected already" in late.text) == (409, True)
    assert shared.status(made)["status"] == "rejected"
    for broken in ("", "x", form["done"][:-1]):
        assert desk.post("/queue/undo", {**form, "done": broken}).status_code == 409
    stale = desk.get(f"/queue?done={form['done']}")
    assert "Published. The comment by Twice was changed again since: it is rejected now." in stale.text
    assert stale.root.all("form", action="/queue/undo#done") == []


@pytest.mark.parametrize(
    ("origin", "headers", "change"),
    [
        ("https://evil.example", {}, {}),
        ("null", {}, {}),
        (None, {}, {}),
        (None, {"Sec_Fetch_Site": "cross-site"}, {}),
        (OWN, {"Sec_Fetch_Site": "same-site"}, {}),
        ("https://blog.example", {}, {}),
        (OWN, {}, {"form": ""}),
        (OWN, {}, {"form": "x"}),
        (OWN, {}, {"form": "other"}),
    ],
)
def test_only_forms_of_this_session_decide(
    shared: World, desk: Visitor, origin: str | None, headers: dict[str, str], change: dict[str, str]
) -> None:
    """Another website's form, one without the session's token, or with another session's: 403, nothing done."""
    made = shared.flagged()
    path, form = decision(desk.get("/queue"), made, "publish")
    if change.get("form") == "other":
        other = signed_in(Visitor(shared), shared.moderator_token)
        change = {"form": other.get("/queue").form("/queue/sign-out")["form"]}
    answer = desk.post(path, {**form, **change}, origin, **headers)
    assert (answer.status_code, shared.status(made)["status"]) == (403, "flagged")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"action": "erase"}, 400),
        ({"action": ""}, 400),
        ({"version": ""}, 400),
        ({"version": "-1"}, 400),
        ({"version": "٣"}, 400),
        ({"version": "9" * 30}, 400),
        ({"reason": "closed_thread"}, 400),
        ({"reason": "<b>"}, 400),
        ({"version": "77"}, 409),
    ],
)
def test_forms_that_no_page_made_decide_nothing(
    shared: World, desk: Visitor, change: dict[str, str], status: int
) -> None:
    """Odd actions, versions and reasons are refused in words."""
    made = shared.flagged()
    path, form = decision(desk.get("/queue"), made, "reject")
    assert Page(desk.post(path, {**form, **change})).status == status
    assert shared.status(made)["status"] == "flagged"
    assert Page(desk.post("/queue/comments/nonsense", form)).status == 404


def test_a_viewer_reads_and_decides_nothing(shared: World, desk: Visitor) -> None:
    """No buttons; a form that was made up is refused in words."""
    made = shared.flagged(body="score:toxicity=0.8 for all eyes")
    _, secret = moderator(shared, "viewer")
    viewer = signed_in(Visitor(shared), secret)
    page = viewer.get("/queue")
    assert "for all eyes" in card(page, made).text
    assert card(page, made).all("form") == []
    token = page.form("/queue/sign-out")["form"]
    form = {"form": token, "version": "2", "action": "publish", "place": ""}
    refused = Page(viewer.post(f"/queue/comments/{made['id']}", form))
    assert (refused.status, "Your token lets you read the queue, and decide nothing." in refused.text) == (403, True)
    assert shared.status(made)["status"] == "flagged"


def test_other_sites_comments_are_invisible(shared: World, desk: Visitor) -> None:
    """Not listed, not filtered for, not decided; a token for all sites sees them with buttons where it may."""
    name, key = other_site(shared)
    with psycopg.connect(shared.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        site = sites.site_named(connection, name)
        _, mixed = sites.add_moderator(connection, "mixed", {site.id: "viewer", shared.site.id: "moderator"}, None)
    answer = shared.request("POST", "/v1/comments", key, shared.comment(body="score:toxicity=0.8 elsewhere"))
    made = answer.json
    assert made is not None
    shared.settle()
    page = desk.get("/queue")
    assert ("elsewhere" in page.html, name in page.html) == (False, False)
    assert desk.get(f"/queue?site={name}").status == 404
    token = page.form("/queue/sign-out")["form"]
    form = {"form": token, "version": "2", "action": "publish", "place": ""}
    assert desk.post(f"/queue/comments/{made['id']}", form).status_code == 404
    both = signed_in(Visitor(shared), mixed).get("/queue")
    assert "elsewhere" in card(both, made).text
    assert card(both, made).all("form") == []
    assert shared.status(made)["status"] == "flagged"


def test_filters_narrow_the_queue_and_say_how_many_match(shared: World, desk: Visitor) -> None:
    """By site, by label, by a piece of text; empty fields of the form ask for everything."""
    toxic = shared.flagged(name="Tox", body="score:toxicity=0.8 under_score 100%")
    spam = shared.submit(body="score:spam=0.8 cheap")
    shared.settle()

    def found(query: str) -> tuple[list[str], str]:
        page = desk.get(f"/queue?{query}")
        ids = [article.attrs["id"].removeprefix("comment-") for article in page.root.all("article")]
        return ids, page.root.one("p", class_="count").text

    assert found("") == found("site=&label=&text=&order=") == ([toxic["id"], spam["id"]], "2 comments wait")
    assert found("site=blog")[0] == [toxic["id"], spam["id"]]
    assert found("order=newest")[0] == [spam["id"], toxic["id"]]
    assert found("label=spam") == ([spam["id"]], "1 comment waits with these filters")
    assert found("text=r_s") == ([toxic["id"]], "1 comment waits with these filters")
    assert found("text=tOX")[0] == [toxic["id"]]
    assert found("text=nowhere") == ([], "0 comments wait with these filters")
    page = desk.get("/queue?label=spam&text=cheap&order=newest")
    search = page.root.one("form", method="get")
    assert fields(search) == {"site": "", "label": "spam", "text": "cheap", "order": "newest"}
    assert "open" in page.root.one("details", class_="narrowing").attrs
    assert "open" in desk.get("/queue?order=newest").root.one("details", class_="narrowing").attrs
    assert "open" not in desk.get("/queue?site=&text=").root.one("details", class_="narrowing").attrs
    for bad in ("label=nothing", "order=sideways", "site=NO!", "text=" + "x" * 101):
        assert desk.get(f"/queue?{bad}").status == 422


def test_the_queue_leads_on_and_back(shared: World, desk: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comment once in each direction; a decided page offers the start; a broken cursor leads there too."""
    monkeypatch.setattr(listing, "PAGE", 2)
    made = [shared.flagged(name=f"n{n}") for n in range(5)]

    def names(page: Page) -> list[str]:
        return [e.text for e in page.root.all("h2", class_="by")]

    page = desk.get("/queue?label=toxicity")
    forth = [names(page)]
    while page.links("Newer comments"):
        page = desk.get(page.link("Newer comments"))
        forth.append(names(page))
    assert forth == [["n0", "n1"], ["n2", "n3"], ["n4"]]
    done = desk.follow(decide(desk, page, made[4], "reject"))
    assert "This page is done" in done.text
    assert names(desk.get(done.link("Go to the start of the queue"))) == ["n0", "n1"]
    back = [names(page)]
    while page.links("Older comments"):
        page = desk.get(page.link("Older comments"))
        back.append(names(page))
    assert back[::-1] == forth
    assert names(desk.get("/queue?after=nonsense")) == ["n0", "n1"]


def test_an_empty_queue_is_friendly(desk: Visitor) -> None:
    """It says that nothing waits, and for filters that nothing matches."""
    assert "Nothing waits" in desk.get("/queue").text
    page = desk.get("/queue?text=nowhere")
    assert "No comment matches these filters" in page.text
    assert page.link("Show the whole queue") == "/queue"
