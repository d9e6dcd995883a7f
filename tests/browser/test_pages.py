"""The pages in a real browser, with scripts off: posting, moderating, looks and order for everybody."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from service import demo
from tests.browser.conftest import Served
from tests.world import canary

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
    "iframes": False,
    "preload": False,
}
THEMES = ("light", "dark")
WIDTHS = (320, 768, 1440)
_pages = itertools.count(1)


@pytest.fixture
def place() -> dict[str, str]:
    """A page of the blog that no other test uses."""
    return {"url": f"https://blog.example/{next(_pages)}", "title": "How we moved a lighthouse"}


def write(page: Page, **typed: str) -> None:
    """Fill in the reply form and send it."""
    values = {"name": "Cara", "email": canary(), "comment": "Well said.", **typed}
    for name, value in values.items():
        page.locator(f"#{name}").fill(value)
    page.get_by_role("button", name="Post Comment").click()
    expect(page.locator(":is(#posted, #problems)")).to_be_visible()


def sign_in(page: Page, served: Served) -> None:
    """Open the queue with the moderator's token."""
    page.goto(f"{served.url}/queue")
    page.get_by_role("textbox", name="Moderator token").fill(served.world.moderator_token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in as moderator")).to_be_visible()


def empty_queue(served: Served) -> None:
    """Let nothing wait."""
    served.world.execute("DELETE FROM comity.counter_change")
    served.world.execute("DELETE FROM comity.counter")
    served.world.execute("UPDATE comity.comment SET state = 'rejected', due_at = NULL WHERE state = 'flagged'")


# What people do -------------------------------------------------------------------------------------------------------


def test_a_visitor_reads_writes_and_answers(served: Served, page: Page, place: dict[str, str]) -> None:
    """From the empty page to a published comment and a reply below it; the outcome has the focus each time."""
    world = served.world
    page.goto(served.thread(place["url"]))
    write(page, comment="First of all: well said.", website="cara.example")
    status = page.get_by_role("status")
    expect(status).to_contain_text("Your comment is being checked")
    expect(page.locator("#posted")).to_be_focused()
    world.settle()
    page.get_by_role("link", name="Look again").click()
    expect(status).to_contain_text("Your comment is published.")
    comment = page.get_by_role("article", name="Cara")
    expect(comment).to_contain_text("First of all: well said.")
    expect(comment.get_by_role("link", name="Cara", exact=True)).to_have_attribute("href", "https://cara.example")

    comment.get_by_role("link", name="Reply to Cara").click()
    expect(page.get_by_role("region", name="Replying to Cara")).to_be_focused()
    write(page, name="Bo", comment="And well answered.")
    world.settle()
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("ol ol").get_by_role("article", name="Bo")).to_contain_text("And well answered.")
    expect(page.get_by_role("heading", name="2 comments")).to_be_visible()


def test_errors_get_the_focus_and_lead_to_their_fields(served: Served, page: Page, place: dict[str, str]) -> None:
    """The summary is focused; its links go to the fields; what was typed is still there; mending it posts."""
    page.goto(served.thread(place["url"]))
    write(page, name="", comment="Kept <b>text</b>.")
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(page).to_have_title("Error: Comments · A blog")
    expect(page.locator("#comment")).to_have_value("Kept <b>text</b>.")
    expect(page.locator("#email")).to_have_value("")
    summary.get_by_role("link", name="Enter your name.").click()
    name = page.get_by_role("textbox", name="Name")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("Enter your name.")
    write(page, comment="Kept <b>text</b>.")
    expect(page.get_by_role("status")).to_contain_text("Thank you.")


@pytest.mark.parametrize("width", [768, 1440])
def test_labels_and_fields_side_by_side_stand_in_line(
    served: Served, page: Page, place: dict[str, str], width: int
) -> None:
    """Whatever is said of one of them."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(served.thread(place["url"]))
    for name, email in (("Cara", canary()), ("", "wrong"), ("Cara", "wrong"), ("", canary())):
        write(page, name=name, email=email, comment="")
        for pair in ("label[for={}]", "#{}"):
            boxes = [page.locator(pair.format(field)).bounding_box() for field in ("name", "email")]
            assert boxes[0] is not None
            assert boxes[1] is not None
            assert boxes[0]["y"] == boxes[1]["y"]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_jump_to_what_is_wrong_leaves_the_heading_in_sight(
    served: Served, page: Page, place: dict[str, str], width: int
) -> None:
    """All of "Leave a Reply" is to be seen above the summary, which has the focus."""
    page.set_viewport_size({"width": width, "height": 500})
    page.goto(served.thread(place["url"]))
    write(page, name="", comment="")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_role("heading", name="Leave a Reply")).to_be_in_viewport(ratio=1)


def test_the_first_comment_of_the_queue_is_in_sight_on_a_phone(
    served: Served, page: Page, place: dict[str, str]
) -> None:
    """Its author and its text, above the fold; the filters are one click away, and open while one of them is set."""
    empty_queue(served)
    served.world.flagged(thread=place, name="Dan", body="score:toxicity=0.8 once")
    page.set_viewport_size({"width": 320, "height": 640})
    sign_in(page, served)
    expect(page.get_by_role("heading", name="Dan")).to_be_in_viewport(ratio=1)
    expect(page.locator("article .text")).to_be_in_viewport(ratio=1)
    expect(page.get_by_label("Held for")).to_be_hidden()
    page.get_by_text("Filter and order").click()
    page.get_by_label("Name or text contains").fill("once")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("Name or text contains")).to_have_value("once")
    expect(page.get_by_label("Held for")).to_be_visible()


def test_paths_in_the_reference_break_after_slashes_alone(served: Served, page: Page) -> None:
    """On a phone and beside the text: each piece of a path stands in one line."""
    page.goto(f"{served.url}/docs")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for path in page.locator(".contents li span:last-child").all():
            pieces = path.evaluate(_PIECES)
            assert "".join(text for text, _ in pieces).startswith("/v1/")
            assert [text for text, lines in pieces if lines > 1] == []


#: The texts in an element, each with the number of lines it takes.
_PIECES = """element => [...element.childNodes].filter(node => node.nodeType === 3).map(node => {
  const range = document.createRange()
  range.selectNodeContents(node)
  return [node.data, range.getClientRects().length]
})"""


def test_a_reload_and_a_second_click_post_nothing_twice(served: Served, page: Page, place: dict[str, str]) -> None:
    """Two clicks on the button are one comment, and a reload after the answer only reads; so with decisions."""
    empty_queue(served)
    page.goto(served.thread(place["url"]))
    for name, value in (("name", "Cara"), ("email", canary()), ("comment", "score:toxicity=0.8 once")):
        page.locator(f"#{name}").fill(value)
    page.get_by_role("button", name="Post Comment").dblclick()
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
    served.world.settle()
    statement = "SELECT count(*) FROM comity.comment c JOIN comity.thread t ON t.id = c.thread_id WHERE t.url = %s"
    assert served.world.rows(statement, place["url"]) == [(1,)]
    sign_in(page, served)
    page.get_by_role("button", name="Publish the comment by Cara").dblclick()
    expect(page.get_by_role("status")).to_contain_text("Published.")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Published.")


def test_posting_works_by_keyboard_alone(served: Served, page: Page, place: dict[str, str]) -> None:
    """Skip link, fields in order, the trap is passed over, Enter posts; every stop shows where the focus is."""
    served.world.published(thread=place, name="Ann")
    page.goto(served.thread(place["url"]))
    stops = _tab_to(page, "Post Comment")
    assert stops[:2] == ["Skip to the content", "Back to the page"]
    assert stops[-5:] == ["Name", "Email", "Website", "Comment", "Post Comment"]
    assert any(stop.startswith("Reply to Ann") for stop in stops)

    page.goto(served.thread(place["url"]))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    _tab_to(page, "Reply to Ann")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Replying to Ann")).to_be_focused()
    _tab_to(page, "Name")
    page.keyboard.type("Cara")
    page.keyboard.press("Tab")
    page.keyboard.type(canary())
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("By keys alone.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#posted")).to_be_focused()


def test_moderating_works_by_keyboard_alone(served: Served, page: Page, place: dict[str, str]) -> None:
    """Signing in, deciding, undoing, rejecting with a reason: the focus stays where the work is."""
    empty_queue(served)
    world = served.world
    first, second, third = (world.flagged(thread=place, name=name) for name in ("Ada", "Ben", "Cem"))
    page.goto(f"{served.url}/queue")
    _tab_to(page, "Moderator token")
    page.keyboard.type(world.moderator_token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Moderation queue")).to_be_visible()

    _tab_to(page, "Publish the comment by Ben")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("Published. The comment by Ben stands on its page now.")
    assert world.status(second)["status"] == "published"
    page.keyboard.press("Tab")
    assert _focused(page) == "Undo"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("waits in the queue again")
    assert world.status(second)["status"] == "flagged"

    stops = _tab_to(page, "Reject the comment by Ben")
    assert stops[-2] == "Reject as"
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("Insult")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_be_focused()
    assert world.status(second)["reason"]["code"] == "insult"
    stops = _tab_to(page, "Publish the comment by Cem")
    assert stops[0] == "Undo"
    assert not any("Ada" in stop for stop in stops)
    assert (world.status(first)["status"], world.status(third)["status"]) == ("flagged", "flagged")


def test_a_conflict_is_told_where_the_comment_stood(served: Served, page: Page, place: dict[str, str]) -> None:
    """Somebody was faster: a focused notice says how it stands now, and the rest of the queue can go on."""
    empty_queue(served)
    made = served.world.flagged(thread=place, name="Late")
    sign_in(page, served)
    served.world.decide(made, "reject")
    page.get_by_role("button", name="Publish the comment by Late").click()
    expect(page.locator("#done")).to_be_focused()
    expect(page.get_by_role("alert")).to_have_text(
        "Nothing was done. The comment by Late is rejected already, decided by a moderator."
    )
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("textbox", name="Moderator token")).to_be_visible()
    page.goto(f"{served.url}/queue")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_form_on_another_website_decides_nothing(served: Served, page: Page, place: dict[str, str]) -> None:
    """The browser leaves the session at home, and says where the form comes from."""
    empty_queue(served)
    made = served.world.flagged(thread=place)
    sign_in(page, served)
    form = page.locator("form[action^='/queue/comments/']").first
    fields = form.locator("input").evaluate_all("all => all.map(one => one.outerHTML).join('')")
    path = form.get_attribute("action")
    evil = f"<form method=post action='{served.url}{path}'>{fields}<button>Win</button></form>"
    page.route("http://evil.example/", lambda route: route.fulfill(body=evil, content_type="text/html"))
    page.goto("http://evil.example/")
    page.get_by_role("button", name="Win").click()
    expect(page).to_have_title("Sign in · Moderation queue · Comity")
    assert served.world.status(made)["status"] == "flagged"


def _focused(page: Page) -> str:
    """The name of what has the focus: its label, or its text."""
    found: str = page.locator(":focus").evaluate(
        "one => ((one.labels && one.labels[0]) || one).textContent.replaceAll('*', '')"
    )
    return " ".join(found.split())


def _tab_to(page: Page, name: str) -> list[str]:
    """Press Tab until `name` has the focus; the names on the way. Each stop must be visibly focused."""
    stops: list[str] = []
    while not stops or stops[-1] != name:
        assert len(stops) < 200, stops
        page.keyboard.press("Tab")
        stops.append(_focused(page))
        outline = page.locator(":focus").evaluate("one => getComputedStyle(one).outlineStyle")
        assert outline != "none", stops[-1]
    return stops


# How it looks, and to whom --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """A page in a state, and how to get there."""

    name: str
    reach: Callable[[Page, Served, dict[str, str]], Any]


def _full(page: Page, served: Served, place: dict[str, str]) -> None:
    world = served.world
    above = world.published(thread=place, name="Ann", body=f"A first word.\n\n{place['url']}/" + "long/" * 60)
    for n in range(6):
        above = world.published(thread=place, name=f"Deep {n}", parent_id=above["id"], website="https://d.example")
    world.published(thread=place, name="مريم", body=f"مقال رائع، شكراً لكم. {place['url']}")
    world.published(thread=place, name="佐藤", body="とても面白い記事でした。" * 20 + place["url"])
    world.published(thread=place, name="A" * 100, body="Pneumonoultramicroscopic" * 30 + place["url"])
    gone = world.published(thread=place, name="Gone")
    world.published(thread=place, name="Bo", parent_id=gone["id"])
    world.decide(gone, "reject")
    page.goto(served.thread(place["url"]))


def _reply(page: Page, served: Served, place: dict[str, str]) -> None:
    made = served.world.published(thread=place, name="Ann")
    page.goto(f"{served.thread(place['url'])}&reply_to={made['id']}#reply")


def _errors(page: Page, served: Served, place: dict[str, str]) -> None:
    page.goto(served.thread(place["url"]))
    page.get_by_role("button", name="Post Comment").click()
    expect(page.locator("#problems")).to_be_visible()


def _posted(text: str) -> Callable[[Page, Served, dict[str, str]], None]:
    def reach(page: Page, served: Served, place: dict[str, str]) -> None:
        page.goto(served.thread(place["url"]))
        write(page, comment=text)
        if text:
            served.world.settle()
            page.goto(page.url.partition("#")[0])

    return reach


def _closed(page: Page, served: Served, place: dict[str, str]) -> None:
    served.world.published(thread=place)
    served.world.execute("UPDATE comity.thread SET closed_at = now() WHERE url = %s", place["url"])
    page.goto(served.thread(place["url"]))


def _queue(page: Page, served: Served, place: dict[str, str]) -> None:
    empty_queue(served)
    world = served.world
    above = world.published(thread=place, name="Ann")
    world.flagged(thread=place, name="Dan", parent_id=above["id"], website="https://dan.example")
    world.flagged(thread=place, name="L" * 100, body="score:insult=0.9 you stupid idiot " + "spamspam" * 60)
    world.flagged(thread=place, name="ليلى", body="score:threat=0.6 هذا نص طويل")
    for body in ("https://a.example https://b.example https://c.example https://d.example", "language:ko 안녕하세요"):
        world.submit(thread=place, body=body)
    world.settle()
    sign_in(page, served)
    page.locator("article summary").first.click()


def _decided(page: Page, served: Served, place: dict[str, str]) -> None:
    _queue(page, served, place)
    page.get_by_role("button", name="Publish the comment by Dan").click()
    expect(page.locator("#done")).to_be_visible()


def _conflict(page: Page, served: Served, place: dict[str, str]) -> None:
    empty_queue(served)
    made, _ = (served.world.flagged(thread=place, name=name) for name in ("Late", "Next"))
    sign_in(page, served)
    served.world.decide(made, "publish")
    page.get_by_role("button", name="Reject the comment by Late").click()
    expect(page.locator("#done")).to_be_visible()


def _empty_queue(page: Page, served: Served, place: dict[str, str]) -> None:
    empty_queue(served)
    sign_in(page, served)


def _bad_filter(page: Page, served: Served, place: dict[str, str]) -> None:
    sign_in(page, served)
    page.goto(f"{served.url}/queue?label=nothing")


def _refused(page: Page, served: Served, place: dict[str, str]) -> None:
    page.goto(f"{served.url}/queue")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#problems")).to_be_visible()


def _at(path: str) -> Callable[[Page, Served, dict[str, str]], Any]:
    return lambda page, served, place: page.goto(served.url + path)


STATES = [
    State("home", _at("/")),
    State("no such page", _at("/thread?site=nobody&url=https://x.example/")),
    State("thread, empty", lambda page, served, place: page.goto(served.thread(place["url"]))),
    State("thread, full", _full),
    State("thread, reply", _reply),
    State("thread, errors", _errors),
    State("thread, published", _posted("Well said.")),
    State("thread, held", _posted("score:toxicity=0.8")),
    State("thread, closed", _closed),
    State("sign-in", _at("/queue")),
    State("sign-in, refused", _refused),
    State("queue, full", _queue),
    State("queue, decided", _decided),
    State("queue, conflict", _conflict),
    State("queue, empty", _empty_queue),
    State("queue, bad filter", _bad_filter),
    State("docs", _at("/docs")),
    State("problems", _at("/docs/problems")),
]


@pytest.fixture(scope="module")
def looking(browser: Browser) -> Iterator[Page]:
    """A tab in which axe can run. The pages themselves bring no script, so they are what a visitor sees."""
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_page_is_accessible_in_both_themes_at_every_width(
    served: Served, looking: Page, place: dict[str, str], state: State
) -> None:
    """axe finds nothing; nothing is wider than the window; what can be pressed is at least 24 px high and wide."""
    looking.context.clear_cookies()
    state.reach(looking, served, place)
    looking.evaluate(AXE)
    found = []
    for theme in THEMES:
        looking.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in WIDTHS:
            looking.set_viewport_size({"width": width, "height": 900})
            result = looking.evaluate("rules => axe.run(document, rules)", RULES)
            found += [
                (theme, width, one["id"], [node["html"][:200] for node in one["nodes"]]) for one in result["violations"]
            ]
            assert looking.evaluate("document.documentElement.scrollWidth") <= width, (theme, width)
    assert found == []


@pytest.mark.parametrize(
    "state",
    [state for state in STATES if state.name in ("thread, full", "queue, decided", "docs")],
    ids=lambda state: state.name,
)
def test_pages_read_well_enlarged_and_in_forced_colours(
    served: Served, looking: Page, place: dict[str, str], state: State
) -> None:
    """With text twice as large nothing leaves a 640 px window; with the system's colours axe still finds nothing."""
    looking.context.clear_cookies()
    state.reach(looking, served, place)
    looking.evaluate("document.documentElement.style.fontSize = '200%'")
    looking.set_viewport_size({"width": 640, "height": 900})
    assert looking.evaluate("document.documentElement.scrollWidth") <= 640
    looking.evaluate("document.documentElement.style.fontSize = ''")
    looking.evaluate(AXE)
    found = []
    for theme in THEMES:
        looking.emulate_media(forced_colors="active", color_scheme=theme)  # type: ignore[arg-type]
        result = looking.evaluate("rules => axe.run(document, rules)", RULES)
        found += [(theme, one["id"], [node["html"] for node in one["nodes"]]) for one in result["violations"]]
    looking.emulate_media(forced_colors="none")
    assert found == []


def test_the_structure_is_told_to_screen_readers(served: Served, page: Page, place: dict[str, str]) -> None:
    """Landmarks, lists, articles by their authors, fields by their labels: the tree that assistive technology gets."""
    made = served.world.published(thread=place, name="Ann", body="First.")
    served.world.published(thread=place, name="Bo", body="Second.", parent_id=made["id"])
    page.goto(served.thread(place["url"]))
    expect(page.locator("body")).to_match_aria_snapshot(
        """
        - link "Skip to the content"
        - banner:
          - paragraph: A blog
          - paragraph:
            - link "Back to the page"
        - main:
          - heading "How we moved a lighthouse" [level=1]
          - region "2 comments":
            - heading "2 comments" [level=2]
            - list:
              - listitem:
                - article "Ann":
                  - heading "Ann" [level=3]
                  - link /UTC/:
                    - time: /UTC/
                  - text: First.
                  - paragraph:
                    - link "Reply to Ann"
                - list:
                  - listitem:
                    - article "Bo":
                      - heading "Bo" [level=3]
                      - link /UTC/:
                        - time: /UTC/
                      - text: Second.
                      - paragraph:
                        - link "Reply to Bo"
          - region "Leave a Reply":
            - heading "Leave a Reply" [level=2]
            - paragraph: Your email address will not be published. Required fields are marked *
            - text: Name
            - textbox "Name"
            - text: Email
            - textbox "Email"
            - text: Website
            - textbox "Website"
            - text: Comment
            - textbox "Comment"
            - paragraph:
              - button "Post Comment"
        - contentinfo:
          - paragraph:
            - text: Comments by
            - link "Comity"
        """
    )


# What a browser is told, and asks for ---------------------------------------------------------------------------------


def test_no_page_asks_another_host_for_anything_and_none_breaks_its_policy(
    served: Served, browser: Browser, place: dict[str, str]
) -> None:
    """Every request of every state goes to the service; the console stays free of policy violations."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    page, hosts, said = context.new_page(), set(), []

    def note(request: Request) -> None:
        hosts.add(urlsplit(request.url).netloc)

    page.on("request", note)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for state in STATES:
        context.clear_cookies()
        state.reach(page, served, {**place, "url": f"{place['url']}-{state.name.replace(' ', '')}"})
    context.close()
    assert hosts == {urlsplit(served.url).netloc}
    assert [text for text in said if not text.startswith("Failed to load resource: the server responded with")] == []


def test_markup_in_comments_runs_nowhere(served: Served, browser: Browser, place: dict[str, str]) -> None:
    """With scripts allowed and our policy set aside, nothing that was typed runs, even where a parser is tempted."""
    empty_queue(served)
    payloads = [
        "<script>window.pwned = 1</script>",
        "<img src=x onerror='window.pwned = 1'>",
        "<svg onload='window.pwned = 1'>",
        "</textarea><script>window.pwned = 1</script>",
        "\"><img src=x onerror='window.pwned = 1'>",
        "<a href='javascript:window.pwned = 1'>x</a>",
        "javascript:window.pwned=1",
        "<iframe srcdoc='<script>parent.pwned = 1</script>'>",
    ]
    world = served.world
    for n, payload in enumerate(payloads):
        world.submit(thread={**place, "title": payloads[0]}, name=payload, body=f"{payload} {n}")
        world.submit(thread=place, name=payload, body=f"{payload} {n} score:toxicity=0.8")
    world.settle()
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(served.thread(place["url"]))
    assert page.locator("article").count() == len(payloads)
    assert page.evaluate("window.pwned") is None
    for payload in payloads:
        write(page, name=payload, comment=payload, email="wrong", website=payload)
        assert page.evaluate("window.pwned") is None
        assert page.locator("#comment").input_value() == payload
    sign_in(page, served)
    assert page.locator("article").count() == len(payloads)
    assert page.evaluate("window.pwned") is None
    assert page.locator("a[href^='javascript']").count() == 0
    context.close()


def test_the_demo_can_be_tried_from_the_front_door(served: Served, context: BrowserContext) -> None:
    """Where there is a demo site, the first page leads to a discussion that takes a comment."""
    assert demo.ensure(served.world.owner_url, served.url) is not None
    page = context.new_page()
    page.goto(served.url)
    page.get_by_role("link", name="Try the demo discussion").click()
    write(page)
    expect(page.get_by_role("status")).to_contain_text("Thank you.")
