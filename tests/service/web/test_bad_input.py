"""What is not taken: each row is a request and the problem it gets, and leaves nothing behind."""

import json
import tracemalloc
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest

from service.web import reading
from service.web.routing import BATCH_BYTES, COMMENT_BYTES
from tests.service.web.asking import look, problem, stored
from tests.world import World, canary

UNKNOWN = "00000000-0000-7000-8000-000000000000"


def with_(**members: Any) -> dict[str, Any]:
    """A valid comment but for these members."""
    comment = {"thread": {"key": "bad"}, "name": "Ann", "email": "ann@leak.example", "body": "Words.", **members}
    return {name: value for name, value in comment.items() if value is not ...}


@pytest.fixture(scope="module")
def target(shared: World) -> World:
    """A world with a thread, a comment in it, and one in another site's."""
    shared.published(thread={"key": "bad"})
    return shared


def refused(world: World, answer: Any, kind: str, places: tuple[str, ...], before: dict[str, int]) -> None:
    """The problem, and nothing stored."""
    problem(answer, kind, *places)
    assert stored(world) == before


# Members of a comment ------------------------------------------------------------------------------------------------

CONTROL = ["\x00", "\x01", "\x07", "\x08", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f"]
UNSOUND = [*CONTROL, "\ud800", "\udfff", "\udc80", "\ufdd0", "\ufffe", "\uffff"]

UNSEEN = [
    "\u200b", "\u200b\u2060", "\u3164", "\u2800", "\u00ad", "\u200e", "\u0301", "\u115f\u1160\uffa0", "\u202e" * 9, "\ue000", "\ufe0f",
]  # fmt: skip
TAGGED = ["Ann\U000e0065\U000e0076", "\U0001f3f4\U000e0067\U000e0062", "a\U000e007f"]

ADDRESSES = [
    "", " ", "ann", "ann@", "@leak.example", "ann@leak", "ann@@leak.example", "ann@leak..example", "ann@.example",
    "a b@leak.example", " ann@leak.example", "ann@leak.example ", "ann@leak.example\n", "ann@leak.example,bob@leak.example",
    "Ann <ann@leak.example>", "ann@[127.0.0.1]", "ann@-leak.example", "ann.@leak.example", ".ann@leak.example",
    "ann@leak.example\x00", "\ud800ann@leak.example", "ann@leak.exam\u202eple", "mailto:ann@leak.example",
    "ann\r\nBcc: bob@leak.example", f"a@{'b' * 64}.example", f"a@{'b.' * 126}example",
    f"{'a' * 65}@leak.example", "ann@localhost", "ann@leak.1", "ann@leak.example.", '"ann"@leak.example', "ann@le\u00adak.example",
]  # fmt: skip

URLS = [
    "ann.example", "//ann.example", "ftp://ann.example", "javascript:alert(1)", "data:text/html,x", "http://", "http:///x",
    "https://ann@ann.example", "https://ann:pw@ann.example/", "http://a b.example", 'http://ann.example/"x', "http://[::1",
    "http://ann.example:99999/", "http://ann.example:x/", "http://ann.example/<b>", "http://ann.example/a\\b", "https:ann.example",
]  # fmt: skip

TIMES = [
    "", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z", "2026-01-01T24:00:01Z", "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00.Z",
    "0000-01-01T00:00:00Z", "20260101T000000Z", "２０２６-01-01T00:00:00Z", "2026-01-01T00:00Z",
]  # fmt: skip

#: Member, wrong values, and the place that is named.
MEMBERS: list[tuple[str, list[Any], str]] = [
    ("name", [..., None, 5, True, ["Ann"], {"a": 1}, "", " ", "\u00a0\u2003", *UNSEEN, *TAGGED, "Z" + "\u0301" * 5, "Zo\u0301\u200d" + "\u0301\u200d" * 4, "x" * 101, "a\nb", "a\tb", "a\rb", "a\u2028b"], "#/name"),
    ("body", [..., None, 5, True, ["x"], {"a": 1}, "", " ", "\n\t\r\n", "x" * 20_001, *UNSEEN, *TAGGED, "Z" + "\u0301" * 9], "#/body"),
    ("email", [..., None, 5, True, ["ann@leak.example"], {"a": 1}, *ADDRESSES], "#/email"),
    ("thread", [..., None, "bad", 5, ["bad"], {}, {"key": ""}, {"key": None, "url": None}, {"title": "x"}], "#/thread"),
    ("parent_id", [5, True, "", "x", [], f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), f"urn:uuid:{UNKNOWN}", UNKNOWN + "\n"], "#/parent_id"),
    ("website", [5, True, [], "https://ann.example/" + "x" * 300, *URLS], "#/website"),
    ("author_ip", [5, " ", "x", "1.2.3", "1.2.3.4.5", "1.2.3.4/24", "256.1.1.1", "01.2.3.4", "::g", "1.2.3.4 ", [], 16909060], "#/author_ip"),
    ("user_agent", [5, [], "x" * 513, "a\nb"], "#/user_agent"),
    ("referrer", [5, [], "x" * 2049, "a\r\nb: c"], "#/referrer"),
    ("language", [5, "e", "en-a-b-c-d-e", "en_US", "en US", "é", "-en", "en-", "123"], "#/language"),
    ("submitted_at", [5, 1767225600, True, [], *TIMES], "#/submitted_at"),
    ("author_verified", [None, "true", 1, 0, "yes", [], {}], "#/author_verified"),
    ("notify", [None, "false", 1, 0, "", []], "#/notify"),
]  # fmt: skip

#: Members nobody may set from outside, each with what somebody might try.
FOREIGN = {
    "id": UNKNOWN, "status": "published", "state": "published", "site": "other", "site_id": UNKNOWN, "scores": {},
    "spam": 0.0, "author_index": "x", "domain_class": "own", "version": 1, "created_at": "2026-01-01T00:00:00Z",
    "published_at": "2026-01-01T00:00:00Z", "reason": None, "Name": "Ann", "": "", "a/b~c": 1, "\ud800": 1, "__proto__": {},
}  # fmt: skip


def rows_of_members() -> list[Any]:
    """One row for each wrong value of each member."""
    return [
        pytest.param(with_(**{name: value}), (place,), id=f"{name}-{value!r:.40}")
        for name, values, place in MEMBERS
        for value in values
    ]


@pytest.mark.parametrize(("comment", "places"), rows_of_members())
def test_a_wrong_member_is_named(target: World, comment: dict[str, Any], places: tuple[str, ...]) -> None:
    """422 with a pointer to the member and what to do about it."""
    before = stored(target)
    refused(
        target, target.request("POST", "/v1/comments", target.secret_key, comment), "validation-error", places, before
    )


@pytest.mark.parametrize(
    "text",
    [
        "愛", "ㅤa", "\u200eשלום", "Zo\u0301\u0302\u0303\u0304e", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "❤\ufe0f", "\U0001f468\u200d\U0001f33e", "ปี่", "नमस्ते", "می\u200cخواهم", ".",
    ],
)  # fmt: skip
def test_what_can_be_seen_is_taken(target: World, text: str) -> None:
    """In every script, with the formats and marks that it needs, and the flag of England."""
    answer = target.request("POST", "/v1/comments", target.secret_key, with_(name=text, body=f"{text} {uuid4()}"))
    assert answer.status_code == 202, answer.text


def test_the_openapi_document_says_what_is_seen(target: World) -> None:
    """Its patterns, read by the rules of ECMA-262, take and refuse what this service does."""
    document = target.request("GET", "/v1/openapi.json").json
    members = document["components"]["schemas"]["Submission"]["properties"]
    for name in ("name", "body"):
        validator = jsonschema_rs.validator_for({"type": "string", "pattern": members[name]["pattern"]})
        assert [text for text in (*UNSEEN, "", " ", "\x00a") if validator.is_valid(text)] == []
        assert [text for text in ("Ann", "愛", "ㅤa", "M", "p", "{") if not validator.is_valid(text)] == []


@pytest.mark.parametrize("character", UNSOUND, ids=ascii)
@pytest.mark.parametrize("name", ["name", "body", "user_agent", "referrer", "website", "language"])
def test_unsound_characters_are_refused(target: World, name: str, character: str) -> None:
    """NUL, control characters, lone surrogates and noncharacters, wherever they stand in a text."""
    before = stored(target)
    value = f"https://ann.example/{character}"
    answer = target.request("POST", "/v1/comments", target.secret_key, with_(**{name: value}))
    refused(target, answer, "validation-error", (f"#/{name}",), before)


@pytest.mark.parametrize("character", ["\x00", "\n", "\ud800", "\uffff"], ids=ascii)
@pytest.mark.parametrize("name", ["key", "url", "title"])
def test_unsound_characters_in_a_thread_are_refused(target: World, name: str, character: str) -> None:
    """The pointer leads into the thread."""
    before = stored(target)
    thread = {"key": "bad", name: f"https://blog.example/{character}"}
    answer = target.request("POST", "/v1/comments", target.secret_key, with_(thread=thread))
    refused(target, answer, "validation-error", (f"#/thread/{name}",), before)


@pytest.mark.parametrize(
    ("thread", "place"),
    [
        ({"key": "x" * 256}, "#/thread/key"),
        *[({"key": key, "url": "https://blog.example/"}, "#/thread/key") for key in (" ", "\u00a0\u2003")],
        ({"key": 5}, "#/thread/key"),
        *[({"url": url}, "#/thread/url") for url in URLS],
        ({"key": "bad", "url": "https://blog.example/" + "x" * 2048}, "#/thread/url"),
        ({"key": "bad", "title": "x" * 301}, "#/thread/title"),
        ({"key": "bad", "closed": True}, "#/thread/closed"),
        ({"key": "bad", "id": UNKNOWN}, "#/thread/id"),
    ],
)
def test_a_wrong_thread_is_named(target: World, thread: dict[str, Any], place: str) -> None:
    """422 with a pointer to the thread's member."""
    before = stored(target)
    answer = target.request("POST", "/v1/comments", target.secret_key, with_(thread=thread))
    refused(target, answer, "validation-error", (place,), before)


@pytest.mark.parametrize("name", FOREIGN, ids=ascii)
def test_an_unknown_member_is_refused(target: World, name: str) -> None:
    """Nothing can be slipped in; the pointer is a JSON pointer of its name."""
    before = stored(target)
    pointer = "#/" + name.replace("~", "~0").replace("/", "~1").replace("\ud800", "\\ud800")
    answer = target.request("POST", "/v1/comments", target.secret_key, with_(**{name: FOREIGN[name]}))
    refused(target, answer, "validation-error", (pointer,), before)


def test_every_wrong_member_is_named_at_once(target: World) -> None:
    """One document, an entry for each; the detail begins with the first."""
    before = stored(target)
    comment = with_(name="", email="x", body=5, notify="yes", extra=1)
    answer = target.request("POST", "/v1/comments", target.secret_key, comment)
    document = problem(answer, "validation-error", "#/name", "#/email", "#/body", "#/notify", "#/extra")
    assert document["detail"] == "name must not be empty. (4 more in errors)"
    assert [error["code"] for error in document["errors"]] == ["empty", "type", "type", "type", "unknown"]
    assert stored(target) == before


def test_an_answer_never_repeats_the_address(target: World) -> None:
    """Whatever is wrong with it or beside it, the value sent is not in the answer."""
    for email in ("secret canary@leak.example", "canary@leak.example\x00", "canary@leak"):
        answer = target.request("POST", "/v1/comments", target.secret_key, with_(email=email, name=""))
        assert "canary" not in answer.text


def test_the_ends_of_what_is_allowed_are_taken(target: World) -> None:
    """The longest and the oddest that are right: 202."""
    thread = {"key": "k" * 255, "title": "t" * 300}
    allowed = [
        {"name": "n" * 100}, {"name": "\U0001f600" * 100}, {"body": "b" * 20_000}, {"body": "\u4e2d" * 20_000}, {"body": "\U0001f600" * 16_000}, {"thread": thread},
        {"email": f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 59}.example"}, {"email": "ünï@exämple.org"},
        {"email": "o'hara+tag@leak.example"}, {"website": ""}, {"website": None}, {"parent_id": None}, {"language": ""},
        {"author_ip": None}, {"author_ip": ""}, {"user_agent": ""}, {"submitted_at": None}, {"submitted_at": "2026-01-01t00:00:00.123456789z"},
        {"submitted_at": "2026-01-01T00:00:00-23:59"}, {"body": "a\tb\nc\r\nd"}, {"website": "http://[2001:db8::1]:8080/x"},
        {"name": "a\u200bb"}, {"referrer": "android-app://x"},
    ]  # fmt: skip
    for members in allowed:
        raw = json.dumps({**with_(body=str(uuid4())), **members}, ensure_ascii=False).encode()
        send = {"data": raw, "content_type": "application/json"}
        answer = target.request("POST", "/v1/comments", target.secret_key, **send)
        assert answer.status_code == 202, (members, answer.text)


# Refusals by the state of things -------------------------------------------------------------------------------------


def test_a_parent_must_be_published_and_in_this_thread(shared: World, page: str) -> None:
    """Unknown, of another site, of another thread, pending, flagged, rejected, withdrawn: 409 that names parent_id."""
    _, other_key = shared.add_site(f"site-{page}")
    thread = {"key": page}
    theirs = shared.request("POST", "/v1/comments", other_key, shared.comment(thread=thread)).json
    elsewhere, gone = shared.published(thread={"key": f"{page}-b"}), shared.published(thread=thread)
    shared.request("DELETE", f"/v1/comments/{gone['id']}", shared.secret_key)
    flagged = shared.flagged(thread=thread)
    rejected = shared.submit(thread=thread, body="score:spam=0.99")
    shared.settle()
    pending = shared.submit(thread=thread)
    cases = {
        UNKNOWN: "parent_unknown", theirs["id"]: "parent_unknown", elsewhere["id"]: "parent_elsewhere",
        pending["id"]: "parent_not_published", flagged["id"]: "parent_not_published",
        rejected["id"]: "parent_not_published", gone["id"]: "parent_not_published",
    }  # fmt: skip
    before = stored(shared)
    for parent, code in cases.items():
        for new in (thread, {"key": str(uuid4())}):
            if new is not thread and code == "parent_not_published":
                continue
            body = shared.comment(thread=new, parent_id=parent)
            answer = shared.request("POST", "/v1/comments", shared.secret_key, body)
            document = problem(answer, "conflict", "#/parent_id")
            assert document["errors"][0]["code"] == (
                code if new is thread or code == "parent_unknown" else "parent_elsewhere"
            )
            assert stored(shared) == before


def test_replies_nest_64_deep_and_no_deeper(shared: World, page: str) -> None:
    """The 65th answers 409; the tree of 64 is shown whole."""
    above: str | None = None
    for _ in range(64):
        made = shared.submit(thread={"key": page}, parent_id=above)
        shared.execute("UPDATE comity.comment SET state = 'published', due_at = NULL WHERE id = %s", made["id"])
        above = made["id"]
    body = shared.comment(thread={"key": page}, parent_id=above)
    problem(shared.request("POST", "/v1/comments", shared.secret_key, body), "conflict", "#/parent_id")


# Bodies that are not JSON, too large, too deep -----------------------------------------------------------------------

_MANY = 100_000
RAW: list[tuple[str, bytes, str, tuple[str, ...]]] = [
    ("empty", b"", "malformed-request", ()),
    ("spaces", b"  \n ", "malformed-request", ()),
    ("half", b'{"name": "Ann"', "malformed-request", ()),
    ("comma", b'{"name": "Ann",}', "malformed-request", ()),
    ("single quotes", b"{'name': 'Ann'}", "malformed-request", ()),
    ("two values", b"{} {}", "malformed-request", ()),
    ("comment", b'{"name": "Ann"} // x', "malformed-request", ()),
    ("NaN", b'{"version": NaN}', "malformed-request", ()),
    ("Infinity", b'{"version": -Infinity}', "malformed-request", ()),
    ("control character in a string", b'{"name": "a\nb"}', "malformed-request", ()),
    ("bad escape", b'{"name": "\\x"}', "malformed-request", ()),
    ("half an escape", b'{"name": "\\u12"}', "malformed-request", ()),
    ("member twice", b'{"name": "a", "name": "b"}', "malformed-request", ()),
    ("inner member twice", b'{"thread": {"key": "a", "key": "b"}}', "malformed-request", ()),
    ("not UTF-8", b'{"name": "\xff"}', "malformed-request", ()),
    ("Latin-1", '{"name": "é"}'.encode("latin-1"), "malformed-request", ()),
    ("UTF-16", '{"name": "Ann"}'.encode("utf-16"), "malformed-request", ()),
    ("encoded surrogate", b'{"name": "\xed\xa0\x80"}', "malformed-request", ()),
    ("byte order mark", b'\xef\xbb\xbf{"name": "Ann"}', "malformed-request", ()),
    ("NUL", b"\x00", "malformed-request", ()),
    ("huge number", b'{"version": ' + b"9" * 5000 + b"}", "malformed-request", ()),
    ("null", b"null", "validation-error", ("#",)),
    ("list", b"[]", "validation-error", ("#",)),
    ("number", b"5", "validation-error", ("#",)),
    ("text", b'"x"', "validation-error", ("#",)),
    ("eleven lists", b"[" * 11 + b"]" * 11, "malformed-request", ()),
    ("eleven objects", b'{"a":' * 11 + b"1" + b"}" * 11, "malformed-request", ()),
    ("a deep list", b"[" * 30_000 + b"]" * 30_000, "malformed-request", ()),
    ("a deep half", b'{"a":[' * 10_000, "malformed-request", ()),
    ("deep after closing", b"]" * 100 + b"[" * 30_000, "malformed-request", ()),
    ("deep behind a string", b'["' + b"[" * 50 + b'", ' + b"[" * 30 + b"]" * 31, "malformed-request", ()),
    ("too large", b'{"name": "' + b"x" * COMMENT_BYTES + b'"}', "payload-too-large", ()),
    ("too large spaces", b" " * (COMMENT_BYTES + 1), "payload-too-large", ()),
    ("larger than all routes", b"x" * (BATCH_BYTES + 1), "payload-too-large", ()),
]


@pytest.mark.parametrize(("raw", "kind", "places"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_a_body_that_is_no_object_in_json_is_refused(
    target: World, raw: bytes, kind: str, places: tuple[str, ...]
) -> None:
    """400 for broken JSON, 413 for too much of it, 422 for another kind of value."""
    before = stored(target)
    answer = target.request("POST", "/v1/comments", target.secret_key, data=raw, content_type="application/json")
    refused(target, answer, kind, places, before)


def test_ten_levels_and_brackets_in_text_are_read(target: World) -> None:
    """What is allowed is not mistaken for depth: a body full of brackets, and nesting up to ten."""
    assert target.request("POST", "/v1/comments", target.secret_key, with_(body='[{"' * 6000)).status_code == 202
    deep = b'{"a":' * 10 + b"1" + b"}" * 10
    answer = target.request("POST", "/v1/comments", target.secret_key, data=deep, content_type="application/json")
    problem(answer, "validation-error", "#/thread", "#/name", "#/email", "#/body", "#/a")


def test_each_route_has_its_limit(target: World) -> None:
    """64 KiB to the byte for one comment and elsewhere, a mebibyte for a batch."""
    comment = json.dumps(with_(body="Just fits.")).encode()
    fits = comment[:-1] + b" " * (COMMENT_BYTES - len(comment)) + b"}"
    assert len(fits) == COMMENT_BYTES
    send = {"content_type": "application/json"}
    assert target.request("POST", "/v1/comments", target.secret_key, data=fits, **send).status_code == 202
    problem(target.request("POST", "/v1/comments", target.secret_key, data=fits + b" ", **send), "payload-too-large")
    batch = b'{"comments": []' + b" " * (BATCH_BYTES - 16) + b"}"
    problem(
        target.request("POST", "/v1/comments/batch", target.secret_key, data=batch, **send),
        "validation-error",
        "#/comments",
    )
    problem(
        target.request("POST", "/v1/comments/batch", target.secret_key, data=batch + b" ", **send), "payload-too-large"
    )
    problem(target.request("POST", "/v1/sites", target.admin_token, data=fits + b" ", **send), "payload-too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Content-Type": ""}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": "application/problem+json"},
        {"Content-Type": "text/json"}, {"Content-Type": "application/json, text/plain"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)  # fmt: skip
def test_another_kind_of_content_is_refused(target: World, headers: dict[str, str]) -> None:
    """415: JSON and nothing else, uncompressed."""
    before = stored(target)
    data = json.dumps(with_()).encode()
    answer = target.request("POST", "/v1/comments", target.secret_key, data=data, headers=headers)
    refused(target, answer, "unsupported-media-type", (), before)


@pytest.mark.parametrize(
    "kind", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;x=y"]
)
def test_json_by_any_parameter_is_json(target: World, kind: str) -> None:
    """Case and parameters of the media type do not matter."""
    data = json.dumps(with_(body=str(uuid4()))).encode()
    answer = target.request("POST", "/v1/comments", target.secret_key, data=data, headers={"Content-Type": kind})
    assert answer.status_code == 202


# Methods and paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/comments", {"GET", "POST"}),
        ("/v1/comments/batch", {"POST"}),
        (f"/v1/comments/{UNKNOWN}", {"GET", "PATCH", "DELETE"}),
        (f"/v1/comments/{UNKNOWN}/review", {"GET"}),
        (f"/v1/comments/{UNKNOWN}/decisions", {"POST"}),
        ("/v1/threads/counts", {"GET"}),
        (f"/v1/threads/{UNKNOWN}", {"GET", "PATCH"}),
        ("/v1/queue", {"GET"}),
        ("/v1/sites", {"GET", "POST"}),
        ("/v1/sites/blog", {"GET", "PATCH"}),
        ("/v1/sites/blog/policy", {"GET", "PUT"}),
        ("/v1/sites/blog/keys/x", {"DELETE"}),
        ("/v1/openapi.json", {"GET"}),
        ("/healthz", {"GET"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW"])
def test_a_wrong_method_is_told_which_are_right(target: World, path: str, allowed: set[str], method: str) -> None:
    """405 with Allow, before anything else is looked at."""
    if method in allowed:
        assert target.request(method, path).status_code != 405
        return
    before = stored(target)
    answer = target.request(method, path)
    refused(target, answer, "method-not-allowed", (), before)
    told = {name.strip() for name in answer.headers["Allow"].split(",")} - {"HEAD", "OPTIONS"}
    assert told <= allowed
    assert told


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v2/comments",
        "/v1/comment",
        "/v1/comments/x/y/z",
        "/.env",
        "/v1/comments/%00/x",
        "/metrics",
        "/v1/%ff",
    ],
)
def test_an_unknown_path_is_not_found(target: World, path: str) -> None:
    """404 as a problem document; metrics are not on this port."""
    if path == "/":
        path = "/nothing-here"
    problem(target.request("GET", path), "not-found")


@pytest.mark.parametrize(
    "comment_id",
    ["x", "1", UNKNOWN, UNKNOWN.replace("-", ""), f"{{{UNKNOWN}}}", "%00", "..", "x" * 500, UNKNOWN + "%0a"],
)
def test_an_unknown_id_is_not_found(target: World, comment_id: str) -> None:
    """Whatever stands where an id should, on every route that takes one."""
    asks = [
        ("GET", "", target.secret_key, None), ("PATCH", "", target.secret_key, {"body": "x"}),
        ("DELETE", "", target.secret_key, None), ("GET", "/review", target.moderator_token, None),
        ("POST", "/decisions", target.moderator_token, {"action": "flag", "version": 1}),
    ]  # fmt: skip
    for method, rest, token, body in asks:
        problem(target.request(method, f"/v1/comments/{comment_id}{rest}", token, body), "not-found")


# Queries -------------------------------------------------------------------------------------------------------------

PAGE_QUERY = {"site": "blog", "thread_key": "bad"}
QUERIES: list[tuple[str, str, Any, str]] = [
    *[("/v1/comments", "", {**PAGE_QUERY, "limit": value}, "limit") for value in ("0", "101", "-1", "1.5", "x", "", "+5", "１")],
    *[("/v1/comments", "", {**PAGE_QUERY, "cursor": value}, "cursor") for value in ("", "x", "A" * 53, "A" * 55, "=" * 54, "\x00", "é")],
    ("/v1/comments", "", {**PAGE_QUERY, "view": "both"}, "view"),
    ("/v1/comments", "", {**PAGE_QUERY, "order": "random"}, "order"),
    *[("/v1/comments", "", {**PAGE_QUERY, "site": value}, "site") for value in ("", "A Blog", "-blog", "x" * 64, "b\x00g", "é")],
    *[("/v1/comments", "", {**PAGE_QUERY, "thread_key": value}, "thread_key") for value in ("", " ", "x" * 256, "a\x00", "a\nb")],
    *[("/v1/comments", "", {"site": "blog", "url": value}, "url") for value in ("blog.example", "ftp://x.example", "http://", "a\x00")],
    *[("/v1/comments", "key", {"updated_since": value}, "updated_since") for value in TIMES],
    ("/v1/comments", "key", {"updated_since": "2026-01-01T00:00:00Z", "cursor": "x"}, "cursor"),
    ("/v1/threads/counts", "", {"thread_key": "bad"}, "site"),
    ("/v1/threads/counts", "", {"site": "blog", "thread_key": ["a", "\x00"]}, "thread_key"),
    ("/v1/threads/counts", "", {"site": "blog", "url": ["x"] * 101}, "url"),
    *[("/v1/queue", "moderator", {"label": value}, "label") for value in ("", "SPAM", "nothing", "spam ")],
    *[
        ("/v1/queue", "moderator", {"score": value}, "score")
        for value in (
            "", "toxicity", "toxicity:", "toxicity:0.5", "toxicity:0.5-1.1", "other:0-1", "toxicity:-1-1",
            "toxicity:0-nan", "toxicity:1e-1-1", "toxicity: 0-1", "toxicity:0_1-1", "toxicity:٠-1", "toxicity:0-1\n", "state:0-1",
        )
    ],
    *[("/v1/queue", "moderator", {"thread": value}, "thread") for value in ("", "x", "5", f"{{{UNKNOWN}}}")],
    *[("/v1/queue", "moderator", {"older_than": value}, "older_than") for value in TIMES],
    ("/v1/queue", "moderator", {"newer_than": "now"}, "newer_than"),
    *[("/v1/queue", "moderator", {"language": value}, "language") for value in ("", "x", "x" * 11, "e\x00")],
    *[("/v1/queue", "moderator", {"text": value}, "text") for value in ("", "x" * 101, "a\x00b", "\uffff")],
    ("/v1/queue", "moderator", {"order": "score"}, "order"),
    ("/v1/queue", "moderator", {"limit": "1000"}, "limit"),
    ("/v1/queue", "moderator", {"cursor": "AAAA"}, "cursor"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "who", "query", "parameter"), QUERIES, ids=[f"{q[0]} {q[2]!r:.60}" for q in QUERIES])
def test_a_wrong_query_parameter_is_named(target: World, path: str, who: str, query: Any, parameter: str) -> None:
    """422 that names the parameter."""
    token = {"": None, "key": target.secret_key, "moderator": target.moderator_token}[who]
    problem(target.request("GET", path, token, query_string=query), "validation-error", parameter)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"thread_key": "bad"}, "site"),
        ({"site": "blog"}, "thread_key"),
        ({}, "site"),
    ],
)
def test_a_list_must_be_named(target: World, query: dict[str, str], parameter: str) -> None:
    """Without site or page there is no such list: 404, and what to name."""
    document = problem(target.request("GET", "/v1/comments", query_string=query), "not-found", parameter)
    assert [error["code"] for error in document["errors"]] == ["required"]


def test_a_place_of_another_list_is_not_found(target: World) -> None:
    """A well-formed cursor that is none of this list: 404."""
    query = {**PAGE_QUERY, "cursor": "A" * 54}
    problem(target.request("GET", "/v1/comments", query_string=query), "not-found", "cursor")


@pytest.mark.parametrize(
    ("path", "who", "query", "parameters"),
    [
        ("/v1/comments", "", "site=blog&site=other&thread_key=bad", ("site",)),
        ("/v1/comments", "", "site=blog&thread_key=bad&thread_key=bad", ("thread_key",)),
        ("/v1/comments", "", "site=blog&thread_key=bad&view=tree&limit=5&limit=6&view=flat", ("limit", "view")),
        ("/v1/threads/counts", "", "site=blog&site=blog&url=a&url=b", ("site",)),
        ("/v1/queue", "moderator", "order=oldest&order=newest", ("order",)),
    ],
)
def test_a_parameter_that_stands_twice_is_named(
    target: World, path: str, who: str, query: str, parameters: tuple[str, ...]
) -> None:
    """Which one would hold is not guessed: 422. Lists may repeat theirs, and unknown ones are ignored."""
    token = target.moderator_token if who else None
    problem(target.request("GET", f"{path}?{query}", token), "validation-error", *parameters)
    lists = target.request("GET", "/v1/threads/counts?site=blog&url=a&url=b&thread_key=a&thread_key=b&x=1&x=2")
    assert lists.status_code == 200


def test_a_site_stands_once_in_a_moderators_rights(target: World) -> None:
    """The same site again, or every site again, is named; the last one does not silently win."""
    for rights, places in (
        ([{"site": "blog", "may": "viewer"}, {"site": "blog", "may": "lead"}], ["#/rights/1/site"]),
        ([{"may": "lead"}, {"site": "blog", "may": "lead"}, {"site": None, "may": "viewer"}], ["#/rights/2/site"]),
    ):
        body = {"name": "Twice", "rights": rights}
        problem(target.request("POST", "/v1/moderators", target.admin_token, body), "conflict", *places)
    assert look(target, "SELECT count(*) FROM comity.token WHERE name = 'Twice'") == [(0,)]


def test_details_are_sentences(target: World) -> None:
    """What is said of the whole request, and of a member without a name, can be read."""
    made, thread = target.read(thread_key="bad").json["comments"][0], target.read(thread_key="bad").json["thread"]
    said = [
        problem(answer, "validation-error", *places)["detail"]
        for answer, places in (
            (target.request("PATCH", f"/v1/comments/{made['id']}", target.secret_key, {}), ["#"]),
            (target.request("PATCH", f"/v1/threads/{thread['id']}", target.secret_key, {}), ["#"]),
            (target.request("POST", "/v1/comments", target.secret_key, with_(**{"": 1})), ["#/"]),
            (
                target.request("POST", "/v1/comments", target.secret_key, with_(thread={"key": "a", "": 1})),
                ["#/thread/"],
            ),
            (target.request("POST", "/v1/comments", target.secret_key, with_(thread={})), ["#/thread"]),
            (target.request("GET", "/v1/comments?site=blog&site=blog&thread_key=bad"), ["site"]),
        )
    ]
    assert said == [
        "The request must hold at least one of name, body and website.",
        "The request must hold closed, title, or both.",
        '"" is unknown here: leave it out.',
        'thread."" is unknown here: leave it out.',
        "thread needs a key or a url.",
        "site stands twice: send it once.",
    ]
    batch = target.request("POST", "/v1/comments/batch", target.secret_key, {"comments": [5]}).json
    assert batch["results"][0]["problem"]["detail"] == "The comment must be an object."


def test_unknown_query_parameters_are_ignored(target: World) -> None:
    """Reads may be decorated."""
    assert target.read(thread_key="bad", utm_source="x", callback="y").status_code == 200


def test_bytes_that_are_no_utf_8_in_a_query_do_no_harm(target: World) -> None:
    """They are read as replacement characters, and name nothing."""
    answer = target.request("GET", "/v1/comments?site=blog&thread_key=%ff%fe")
    assert (answer.status_code, answer.json["thread"]) == (200, None)


def test_an_unknown_site_is_not_found(target: World) -> None:
    """A well-formed name nobody has: 404."""
    problem(target.read(site="nowhere"), "not-found")
    problem(target.request("GET", "/v1/threads/counts?site=nowhere&thread_key=x"), "not-found")


@pytest.mark.parametrize("place", [0, 5, 20, 31, 52])
def test_a_cursor_cannot_be_changed(target: World, page: str, place: int) -> None:
    """Any character replaced, one more or one less: refused."""
    for _ in range(2):
        target.published(thread={"key": page})
    cursor = target.read(thread_key=page, limit=1).json["next_cursor"]
    assert target.read(thread_key=page, limit=1, cursor=cursor).status_code == 200
    other = "A" if cursor[place] != "A" else "B"
    for wrong in (cursor[:place] + other + cursor[place + 1 :], cursor[:-1], cursor + "A", cursor + "=", f"{cursor}%"):
        answer = target.read(thread_key=page, limit=1, cursor=wrong)
        problem(answer, "not-found" if len(wrong) == len(cursor) else "validation-error", "cursor")


# The other routes' bodies --------------------------------------------------------------------------------------------

_SITE = {"name": "news", "title": "News"}
_GOOD = {"action": "flag", "version": 1}
Body = tuple[str, str, str, Any, tuple[str, ...]]


def policy(rules: Any, place: str) -> Body:
    """A policy of these rules, wrong at `place` of them."""
    return ("PUT", "/v1/sites/blog/policy", "admin", {"rules": rules}, (f"#/rules{place}",))


def rule(entry: dict[str, Any], place: str) -> Body:
    """A policy with this rule, wrong at `place` of it."""
    return policy([{"rule": "scores"}, entry], f"/1{place}")


def match(member: str, value: Any) -> Body:
    """A policy with a rule of words, wrong in one value of `member`."""
    return rule(
        {
            "rule": "match",
            "name": "n",
            "words": ["x"],
            member: ["x.example", value] if member == "domains" else ["body" if member == "in" else "x", value],
        },
        f"/{member}/1",
    )


BODIES: list[Body] = [
    ("PATCH", "comment", "key", {}, ("#",)),
    ("PATCH", "comment", "key", {"name": ""}, ("#/name",)),
    ("PATCH", "comment", "key", {"body": "a\x00"}, ("#/body",)),
    ("PATCH", "comment", "key", {"body": None}, ("#/body",)),
    ("PATCH", "comment", "key", {"website": "x"}, ("#/website",)),
    ("PATCH", "comment", "key", {"email": "new@leak.example"}, ("#/email",)),
    ("PATCH", "comment", "key", {"body": "x", "status": "published"}, ("#/status",)),
    ("PATCH", "thread", "key", {}, ("#",)),
    ("PATCH", "thread", "key", {"closed": "true"}, ("#/closed",)),
    ("PATCH", "thread", "key", {"closed": None}, ("#/closed",)),
    ("PATCH", "thread", "key", {"title": ""}, ("#/title",)),
    ("PATCH", "thread", "key", {"title": "x" * 301}, ("#/title",)),
    ("PATCH", "thread", "key", {"key": "other"}, ("#/key",)),
    *[("POST", "decisions", "moderator", {**_GOOD, "version": value}, ("#/version",)) for value in (None, 0, -1, 2**31, 1.5, 1e300, "1", True, [])],
    *[("POST", "decisions", "moderator", {**_GOOD, "action": value}, ("#/action",)) for value in (None, "", "approve", "PUBLISH", 1, ["flag"], "withdraw", "erase")],
    *[("POST", "decisions", "moderator", {**_GOOD, "reason": value}, ("#/reason",)) for value in ("", "no_score", "held", "closed_thread", 1)],
    *[("POST", "decisions", "moderator", {**_GOOD, "note": value}, ("#/note",)) for value in ("x" * 1001, "a\x00", 5, "\ud800")],
    ("POST", "decisions", "moderator", {}, ("#/action", "#/version")),
    ("POST", "decisions", "moderator", {**_GOOD, "state": "published"}, ("#/state",)),
    *[("POST", "/v1/sites", "admin", {**_SITE, "name": value}, ("#/name",)) for value in (None, "", "News", "a b", "-a", "a-", "x" * 64, "a\x00", "ñ", 5, "a\n")],
    *[("POST", "/v1/sites", "admin", {**_SITE, "title": value}, ("#/title",)) for value in (None, "", "x" * 301, "a\nb", 5)],
    *[("POST", "/v1/sites", "admin", {**_SITE, "origins": value}, ("#/origins",)) for value in (None, "https://x.example", {"https://x.example": 1}, ["https://x.example"] * 51)],
    *[("POST", "/v1/sites", "admin", {**_SITE, "origins": [value]}, ("#/origins/0",)) for value in ("x.example", "https://x.example/", "https://x.example/path", "https://x.example?q", "*", "null", "ftp://x.example", 5, None)],
    *[("POST", "/v1/sites", "admin", {**_SITE, "limits": value}, ("#/limits",)) for value in (None, [], 5)],
    *[("POST", "/v1/sites", "admin", {**_SITE, "limits": {"author": value}}, ("#/limits/author",)) for value in (None, 5, "5/60", [5], [5, 60, 1], [5, 86_401], {"5": 60})],
    ("POST", "/v1/sites", "admin", {**_SITE, "limits": {"author": [0, 60]}}, ("#/limits/author/0",)),
    ("POST", "/v1/sites", "admin", {**_SITE, "limits": {"author": [5, "60"]}}, ("#/limits/author/1",)),
    ("POST", "/v1/sites", "admin", {**_SITE, "limits": {"visitor": [5, 60]}}, ("#/limits/visitor",)),
    ("POST", "/v1/sites", "admin", {**_SITE, "id": UNKNOWN}, ("#/id",)),
    ("PATCH", "/v1/sites/blog", "admin", {"name": "other"}, ("#/name",)),
    ("PATCH", "/v1/sites/blog", "admin", {"title": None}, ("#/title",)),
    *[("POST", "/v1/sites/blog/keys", "admin", {"scopes": value}, ("#/scopes",)) for value in (None, [], "submit", {"submit": 1}, ["submit"] * 4)],
    *[("POST", "/v1/sites/blog/keys", "admin", {"scopes": [value]}, ("#/scopes/0",)) for value in (None, "admin", "SUBMIT", 5)],
    *[("POST", "/v1/sites/blog/keys", "admin", {"expires_in_days": value}, ("#/expires_in_days",)) for value in (0, 3651, "5", 1.5, True)],
    *[("POST", "/v1/moderators", "admin", {"name": "x", "rights": value}, ("#/rights",)) for value in (None, [], {}, "lead", [{"may": "lead"}] * 101)],
    *[("POST", "/v1/moderators", "admin", {"name": "x", "rights": [value]}, ("#/rights/0",)) for value in (None, "lead", 5)],
    *[("POST", "/v1/moderators", "admin", {"name": "x", "rights": [{"site": "blog", "may": value}]}, ("#/rights/0/may",)) for value in (None, "", "admin", "Lead")],
    ("POST", "/v1/moderators", "admin", {"name": "x", "rights": [{"site": "A B", "may": "lead"}]}, ("#/rights/0/site",)),
    ("POST", "/v1/moderators", "admin", {"rights": [{"may": "lead"}]}, ("#/name",)),
    *[policy(value, "") for value in (None, [], "x")],
    *[policy([value], "/0") for value in (None, 1, "scores", [])],
    *[policy([{"rule": value}], "/0/rule") for value in (None, 1, "words", "SCORES", ["scores"])],
    policy([{}], "/0/rule"),
    *[rule({"rule": "links", "most": value}, "/most") for value in (None, -1, 1001, "3", 1.5)],
    *[rule({"rule": "repeats", "hours": value}, "/hours") for value in (0, 721)],
    *[rule({"rule": "repeats", "similarity": value}, "/similarity") for value in (-0.1, 1.1, "x", None)],
    *[rule({"rule": "language", "status": value}, "/status") for value in (None, "off", True)],
    *[rule({"rule": "links", "then": value}, "/then") for value in (None, "publish", "hold")],
    rule({"rule": "links", "words": ["x"]}, "/words"),
    rule({"rule": "match", "words": ["x"]}, "/name"),
    *[rule({"rule": "match", "name": value, "words": ["x"]}, "/name") for value in ("", "A" * 64, "\n")],
    rule({"rule": "match", "name": "none"}, ""),
    rule({"rule": "match", "name": "none", "words": [], "patterns": []}, ""),
    *[match("words", value) for value in ("", "!!!", "a*b", "two words*", "ann@example.org", "http://x.example", "1 2 3 4 5 6 7 8 9", 5, None)],
    *[match("patterns", value) for value in ("(", "(?=x)", "(a)\\1", "a{1001}", "(a{100}){100}", "x" * 501, "", 5)],
    *[match("domains", value) for value in ("", "spam", "a b.example", "http://spam.example", "-.example", "a..example", 5)],
    *[match("in", value) for value in ("email", "", 5)],
    rule({"rule": "match", "name": "n", "words": ["x"], "reason": "held"}, "/reason"),
    rule({"rule": "audit", "then": "reject"}, "/then"),
    rule({"rule": "scores", "status": "draft"}, "/status"),
    *[rule({"rule": "scores", "thresholds": value}, "/thresholds") for value in (None, [], 0.5)],
    rule({"rule": "scores", "thresholds": {"ham": {"publish_below": 0, "reject_above": 1}}}, "/thresholds/ham"),
    rule({"rule": "scores", "thresholds": {"spam": {"publish_below": 0.5}}}, "/thresholds/spam/reject_above"),
    *[
        rule({"rule": "scores", "thresholds": {"spam": {"publish_below": value, "reject_above": 1}}}, "/thresholds/spam/publish_below")
        for value in (None, -0.1, 1.1, "0.5", True, 10**400)
    ],
    ("POST", "/v1/sites/blog/policy/try", "admin", {"policy": {"rules": [{"rule": "x"}]}}, ("#/policy/rules/0/rule",)),
    ("POST", "/v1/sites/blog/policy/try", "admin", {}, ("#/policy",)),
    *[("POST", "/v1/sites/blog/policy/try", "admin", {"policy": {}, "last": value}, ("#/last",)) for value in (0, 10_001, "x")],
    *[("POST", "/v1/sites/blog/policy/rollback", "admin", {"version": value}, ("#/version",)) for value in (-1, "1", None)],
    ("POST", "/v1/sites/blog/bans", "admin", {"reason": "x"}, ("#",)),
    ("POST", "/v1/sites/blog/bans", "admin", {"reason": "x", "domain": "spam.example", "network": "192.0.2.0/24"}, ("#",)),
    ("POST", "/v1/sites/blog/bans", "admin", {"domain": "spam.example"}, ("#/reason",)),
    *[("POST", "/v1/sites/blog/bans", "admin", {"reason": "x", "network": value}, ("#/network",)) for value in ("x", "192.0.2.1", "0.0.0.0/0", "2001:db8::/64", 5)],
    *[("POST", "/v1/sites/blog/bans", "admin", {"reason": "x", "domain": value}, ("#/domain",)) for value in ("x", "a@b.example", "", None)],
    ("POST", "/v1/sites/blog/bans", "admin", {"reason": "x", "email": "no address"}, ("#/email",)),
    ("PUT", "/v1/sites/blog/lists/bad", "admin", {}, ("#",)),
    ("PUT", "/v1/sites/blog/lists/bad", "admin", {"words": ["x"], "domains": ["x.example"]}, ("#",)),
    ("PUT", "/v1/sites/blog/lists/bad", "admin", {"words": ["ok", "!!"]}, ("#/words/1",)),
    ("PUT", "/v1/sites/blog/lists/bad", "admin", {"domains": ["spam"]}, ("#/domains/0",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ([{"rule": "scores", "thresholds": {"insult": {"publish_below": 0.1, "reject_above": 0.1}, "spam": {"publish_below": 0.9, "reject_above": 0.1}}}], "#/rules/0/thresholds/spam"),
        ([{"rule": "links"}], "#/rules"),
        ([{"rule": "scores"}, {"rule": "scores"}], "#/rules"),
        ([{"rule": "scores"}, {"rule": "repeats"}, {"rule": "repeats", "hours": 1}], "#/rules"),
        ([{"rule": "scores"}, {"rule": "match", "name": "n", "lists": ["nowhere"]}], "#/rules"),
    ],
)  # fmt: skip
def test_a_policy_that_contradicts_itself_is_refused(target: World, rules: list[Any], place: str) -> None:
    """409 that names the place; the policy in force stays. So it is for one that is only tried."""
    before = target.request("GET", "/v1/sites/blog/policy", target.admin_token).json
    answer = target.request("PUT", "/v1/sites/blog/policy", target.admin_token, {"rules": rules})
    problem(answer, "conflict", place)
    answer = target.request("POST", "/v1/sites/blog/policy/try", target.admin_token, {"policy": {"rules": rules}})
    problem(answer, "conflict", place.replace("#", "#/policy"))
    assert target.request("GET", "/v1/sites/blog/policy", target.admin_token).json == before


@pytest.mark.parametrize(
    ("method", "path", "who", "body", "places"), BODIES, ids=[f"{b[0]} {b[1]} {b[3]!r:.60}" for b in BODIES]
)
def test_a_wrong_member_of_another_route_is_named(
    target: World, method: str, path: str, who: str, body: Any, places: tuple[str, ...]
) -> None:
    """422 with a pointer; the comment, thread or site stays as it was."""
    listed = target.read(thread_key="bad", limit=1).json
    comment, thread = f"/v1/comments/{listed['comments'][0]['id']}", f"/v1/threads/{listed['thread']['id']}"
    where = {"comment": comment, "thread": thread, "decisions": f"{comment}/decisions"}.get(path, path)
    token = {"key": target.secret_key, "moderator": target.moderator_token, "admin": target.admin_token}[who]
    tables = ("comity.site", "comity.token", "comity.policy", "comity.thread")
    everything = " UNION ALL ".join(f"SELECT t::text FROM {table} t" for table in tables) + " ORDER BY 1"
    before = look(target, everything)

    problem(target.request(method, where, token, body), "validation-error", *places)

    assert look(target, everything) == before
    assert target.read(thread_key="bad", limit=1).json == listed


def test_a_network_with_a_zone_is_refused_in_words(shared: World) -> None:
    """A zone belongs to one machine; the database knows none."""
    for network in ("fe80::%1/48", "fe80::1%eth0/48", "%/48"):
        body = {"network": network, "reason": "x"}
        answer = shared.request("POST", "/v1/sites/blog/bans", shared.admin_token, body)
        assert (answer.status_code, answer.json["errors"][0]["detail"]) == (
            422, "must be a network without a zone: leave out % and what follows up to the slash",
        )  # fmt: skip


def test_what_closing_adds_counts(shared: World, page: str) -> None:
    """A text never gets longer than it may be by the controls that are closed at its end."""
    for name, status in (("\u202e" * 49 + "xx", 202), ("\u202e" * 50 + "x", 422), ("\u202e" * 99 + "x", 422)):
        sent = with_(name=name, thread={"key": page}, email=canary())
        assert shared.request("POST", "/v1/comments", shared.secret_key, sent).status_code == status
    assert shared.rows("SELECT max(length(name)) FROM comity.comment") == [(100,)]


def test_reading_a_long_string_takes_little_memory() -> None:
    """Depth is counted without remembering each place of a string."""
    raw = b"[[[[[[[[[[[" + b'"' + b"a" * (1 << 20) + b'"'
    tracemalloc.start()
    reading._depth(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
