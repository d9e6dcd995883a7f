"""Moderators' sessions: beginning, ending, and who cannot have one."""

import re
import time
from typing import Any

import pytest
from flask import Flask

from service.app import create_app
from service.web import auth
from service.web.console import session
from tests.service.web.pages.browsing import OWN, Page, Visitor, decision, moderator, signed_in, with_session
from tests.world import World


def test_the_queue_is_shut_to_those_without_a_session(shared: World, visitor: Visitor) -> None:
    """They see the way in and no comment; deciding without a session changes nothing."""
    made = shared.flagged(body="score:toxicity=0.8 hidden words")
    page = visitor.get("/queue?label=toxicity")
    assert (page.status, "hidden words" in page.html, page.title) == (200, False, "Sign in · Moderation queue · Comity")
    field = page.root.one("input", name="token")
    assert (field.attrs["type"], field.attrs["autocomplete"]) == ("password", "off")
    assert page.form("/queue/sign-in")["place"] == "label=toxicity"
    for path in (f"/queue/comments/{made['id']}", "/queue/undo", "/queue/sign-out"):
        answer = Page(visitor.post(path, {"action": "publish", "version": "2"}))
        assert (answer.status, "Sign in" in answer.title) == (403, True)
    assert shared.status(made)["status"] == "flagged"


def test_a_moderator_token_opens_a_session_that_does_not_hold_it(shared: World, visitor: Visitor) -> None:
    """303 to the place asked for; the cookie is for this host, hidden from scripts, strict, and not the token."""
    answer = visitor.post("/queue/sign-in", {"token": f" {shared.moderator_token}\n", "place": "order=newest&x=1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/queue?order=newest")
    cookie = answer.headers["Set-Cookie"]
    assert re.fullmatch(
        r"comity_session=[A-Za-z0-9_-]+; Expires=[^;]+; Max-Age=1800; HttpOnly; Path=/; SameSite=Strict", cookie
    )
    secret = shared.moderator_token.rpartition("_")[2]
    assert secret not in cookie
    page = visitor.get("/queue")
    assert "Signed in as moderator" in page.text
    assert secret not in page.html


def test_over_https_the_cookie_is_secure_and_of_this_host_alone(make_world: Any) -> None:
    """The __Host- prefix: Secure, Path=/, no Domain."""
    world = make_world(public_url="https://comments.example")
    visitor = Visitor(world, "https://comments.example")
    answer = visitor.post("/queue/sign-in", {"token": world.moderator_token}, "https://comments.example")
    assert answer.status_code == 303
    name, *rest = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-comity=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(rest)
    assert not any(part.startswith("Domain") for part in rest)


def test_tokens_of_other_kinds_and_dead_ones_open_nothing(shared: World, visitor: Visitor) -> None:
    """A site's key, an admin's token, a revoked, altered or empty one: the same answer, beside the field."""
    token_id, revoked = moderator(shared, "moderator")
    shared.request("DELETE", f"/v1/moderators/{token_id}", shared.admin_token)
    answers = set()
    for token in (shared.secret_key, shared.admin_token, revoked, shared.moderator_token[:-1] + "0", "", "x" * 5000):
        page = Page(visitor.post("/queue/sign-in", {"token": token}))
        assert (page.status, "Set-Cookie" in page.response.headers) == (403, False)
        assert page.root.one("input", name="token").attrs.get("value", "") == ""
        assert page.root.one("input", name="token").attrs["aria-describedby"] == "token-error"
        answers.add(page.text)
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("origin", "headers"),
    [("https://evil.example", {}), ("null", {}), (None, {}), (OWN, {"Sec_Fetch_Site": "cross-site"}),
     ("https://blog.example", {}), (None, {"Sec_Fetch_Site": "none"})],
)  # fmt: skip
def test_nobody_else_can_sign_a_moderator_in(
    shared: World, visitor: Visitor, origin: str | None, headers: dict[str, str]
) -> None:
    """A form of another website opens no session, not even one of a site's own origins."""
    answer = visitor.post("/queue/sign-in", {"token": shared.moderator_token}, origin, **headers)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    ("begun", "seen", "live", "renewed"),
    [
        (0, 0, True, False),
        (59, 50, True, False),
        (600, 61, True, True),
        (1700, 1700, True, True),
        (1802, 1802, False, False),
        (43_100, 10, True, False),
        (43_202, 10, False, False),
    ],
)
def test_a_session_ends_half_an_hour_after_the_last_request_and_twelve_hours_after_the_first(
    shared: World, begun: float, seen: float, live: bool, renewed: bool
) -> None:
    """Using it moves its end; when it has ended, the page says so and takes the cookie away."""
    page = with_session(shared, begun, seen).get("/queue")
    assert ("Signed in as" in page.text) == live
    cookie = page.response.headers.get("Set-Cookie", "")
    if live:
        assert bool(cookie) == renewed
    else:
        assert "Your session has ended." in page.text
        assert "Max-Age=0" in cookie


@pytest.mark.parametrize("with_cookie", [False, True])
def test_too_many_visits_are_refused_in_words(
    make_world: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, with_cookie: bool
) -> None:
    """429 with the time to wait, with a session that has ended or without one; nothing of it is an error of ours."""
    world = make_world(limit_visitor=(4, 86_400))
    visitor = with_session(world, 1802, 1802) if with_cookie else Visitor(world)
    cookie = visitor.cookie()
    pages = [visitor.get("/queue") for _ in range(4)]
    if with_cookie:
        visitor.client.set_cookie("comity_session", cookie.value, domain="127.0.0.1")
    full = [visitor.get("/queue"), Page(visitor.post("/queue/undo", {"place": ""}))]
    assert [page.status for page in (*pages, *full)] == [200] * 4 + [429] * 2
    for page in full:
        assert "There were many requests in a short time. Wait" in page.text
        assert 0 < int(page.response.headers["Retry-After"]) <= 86_400
        assert page.response.headers["RateLimit"].startswith('"visitor";r=0;')
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    logged = capfd.readouterr()
    assert "request_failed" not in logged.out + logged.err


def test_a_renewed_session_keeps_its_beginning(shared: World) -> None:
    """Sliding never moves the absolute end."""
    visitor = with_session(shared, 5000, 100)
    visitor.get("/queue")
    renewed = session.read(shared.settings.keys, visitor.cookie().value, time.time())
    assert renewed is not None
    assert (round(time.time() - renewed.begun, -1), time.time() - renewed.seen < 5) == (5000, True)


def test_a_revoked_or_narrowed_token_ends_its_sessions(shared: World) -> None:
    """Each request looks the token up again."""
    token_id, secret = moderator(shared, "moderator")
    visitor = signed_in(Visitor(shared), secret)
    assert "Signed in as" in visitor.get("/queue").text
    shared.request("DELETE", f"/v1/moderators/{token_id}", shared.admin_token)
    page = visitor.get("/queue")
    assert ("Signed in as" in page.text, "Your session has ended." in page.text) == (False, True)


def test_a_cookie_that_was_not_made_here_opens_nothing(shared: World, visitor: Visitor) -> None:
    """Altered, cut, signed for something else, or of a token that is no moderator's."""
    good = session.write(shared.settings.keys, session.begin(shared.moderator_token.split("_")[2], time.time()))
    other = shared.settings.keys.sign("form", b"\0" * 42)
    altered = good[:20] + ("B" if good[20] == "A" else "A") + good[21:]
    for value in (good[:-2], good[2:], altered, other, "x", "é", ""):
        visitor.client.set_cookie("comity_session", value, domain="127.0.0.1")
        assert "Signed in as" not in visitor.get("/queue").text
    for token in (shared.secret_key, shared.admin_token):
        page = with_session(shared, 0, 0, token.split("_")[2]).get("/queue")
        assert "Signed in as" not in page.text


def test_signing_out_ends_the_session_and_needs_its_form(shared: World, desk: Visitor) -> None:
    """The cookie goes; another website cannot sign a moderator out."""
    assert desk.post("/queue/sign-out", {"form": ""}).status_code == 403
    form = desk.get("/queue").form("/queue/sign-out")
    assert desk.post("/queue/sign-out", form, "https://evil.example").status_code == 403
    answer = desk.post("/queue/sign-out", form)
    assert (answer.status_code, "Max-Age=0" in answer.headers["Set-Cookie"]) == (303, True)
    assert desk.cookie() is None
    assert "Signed in as" not in desk.get("/queue").text


def kept(world: World, value: str, app: Flask | None = None) -> Visitor:
    """Whoever has a copy of a session's cookie, at this web process or another one of the service."""
    copy = Visitor(world)
    if app is not None:
        copy.client = app.test_client()
    copy.client.set_cookie("comity_session", value, domain="127.0.0.1")
    return copy


def sign_out(desk: Visitor) -> Any:
    """Press the button, and what is answered."""
    return desk.post("/queue/sign-out", desk.get("/queue").form("/queue/sign-out"))


def test_a_session_that_was_signed_out_opens_nothing_any_more(shared: World, desk: Visitor) -> None:
    """Whoever kept its cookie sees the way in, and its forms decide nothing; other sessions of the token go on."""
    made = shared.flagged()
    other, cookie = signed_in(Visitor(shared), shared.moderator_token), desk.cookie().value
    path, form = decision(desk.get("/queue"), made, "publish")
    copy = kept(shared, cookie)
    assert "Signed in as" in copy.get("/queue").text

    assert sign_out(desk).status_code == 303

    page = copy.get("/queue")
    assert (page.status, page.title) == (200, "Sign in · Moderation queue · Comity")
    assert "Your session has ended." in page.text
    assert "Max-Age=0" in page.response.headers["Set-Cookie"]
    assert kept(shared, cookie).post(path, form).status_code == 403
    assert shared.status(made)["status"] == "flagged"
    assert "Signed in as" in other.get("/queue").text
    assert "Signed in as" in signed_in(desk, shared.moderator_token).get("/queue").text


def test_a_session_that_was_signed_out_has_ended_in_every_process(shared: World, desk: Visitor) -> None:
    """What another web process remembers of it, it forgets as soon as it forgets tokens: within two seconds."""
    app = create_app(shared.settings)
    copy = kept(shared, desk.cookie().value, app)
    assert "Signed in as" in copy.get("/queue").text  # it remembers that the session lives
    sign_out(desk)
    ended = time.monotonic()
    while "Signed in as" in copy.get("/queue").text:
        assert time.monotonic() < ended + 20
        time.sleep(0.02)
    assert auth.REMEMBERED == 2.0
    app.extensions["comity"].database.close()


def test_a_session_that_cannot_be_ended_is_not_said_to_be(make_world: Any) -> None:
    """Something is wrong with the database: the page says so, and the cookie stays until it is mended."""
    world = make_world()
    desk = signed_in(Visitor(world), world.moderator_token)
    form = desk.get("/queue").form("/queue/sign-out")
    world.execute("ALTER TABLE comity.ended_session RENAME TO away")
    answer = desk.post("/queue/sign-out", form)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (500, False)
    world.execute("ALTER TABLE comity.away RENAME TO ended_session")
    assert desk.post("/queue/sign-out", form).status_code == 303


def test_an_ended_session_is_remembered_for_longer_than_it_could_live(shared: World, desk: Visitor) -> None:
    """By the database's clock, and an hour more: clocks differ."""
    cookie = desk.cookie().value
    sign_out(desk)
    nonce = session.read(shared.settings.keys, cookie, time.time()).nonce  # type: ignore[union-attr]
    assert shared.rows(
        "SELECT until > now() + make_interval(secs => %s) FROM comity.ended_session WHERE nonce = %s",
        session.LONGEST + 3600, nonce,
    ) == [(True,)]  # fmt: skip
