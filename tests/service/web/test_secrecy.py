"""After a run of many requests, no address stands anywhere but in its sealed envelope."""

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import redis

from service import embedded
from service.domain.contact import open_sealed
from service.embedded.valkey import ADMIN
from tests.fuzz.serving import Served, judging, serving
from tests.service.web.scanner import everything_stored, forms, scan
from tests.world import PRIVATE_KEY, World, canary

VAULT = "contacts.contact.sealed"


@dataclass
class Run:
    """All that a run left behind: what was stored, answered and logged, and the addresses that went in."""

    world: World
    places: dict[str, bytes]
    addresses: list[str] = field(default_factory=list)
    answers: int = 0


class Client:
    """Sends requests to a served process over the network and keeps every byte it answers."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.kept: list[bytes] = []
        self.codes: list[int] = []

    def send(self, method: str, path: str, token: str | None, body: Any = None, **headers: str) -> Any:
        """One request on a connection of its own; the answer's JSON, if it is some."""
        connection = http.client.HTTPConnection("127.0.0.1", self._served.port, timeout=20)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.kept.append(f"{answer.status} {answer.reason}\n{answer.headers}".encode() + text)
        self.codes.append(answer.status)
        return json.loads(text) if text[:1] == b"{" else None


@pytest.fixture(scope="module")
def run(new_database: Callable[[], str], servers: embedded.Servers, folder: Path) -> Iterator[Run]:
    """Some hundreds of requests to a real web process, with a judge at work: all routes, good and bad, and faults."""
    world = World.make(new_database(), servers.broker_url)
    log, logged = folder / "secrecy.log", servers.postgres.log.stat().st_size
    limits = {"AUTHOR": "5/60", "PREFIX": "1000/60", "SITE": "1000/60", "VISITOR": "100000/60"}
    settings = {"COMITY_LOG_LEVEL": "debug", **{f"COMITY_LIMIT_{name}": quota for name, quota in limits.items()}}
    with serving(world.owner_url, world.broker_url, log, **settings) as served, judging(world):
        client = Client(served)
        addresses = _use(world, client)
        assert len(client.codes) > 150
        assert {200, 202, 400, 401, 404, 409, 413, 415, 422, 429, 500} <= set(client.codes)
    socket = urlsplit(servers.broker_socket_url).path
    broker: Any = redis.Redis(unix_socket_path=socket, username=ADMIN, password=servers.secrets.get(ADMIN))
    places = {
        **everything_stored(world.owner_url),
        "answers": b"\n".join(client.kept),
        "our log": log.read_bytes(),
        "PostgreSQL's log": servers.postgres.log.read_bytes()[logged:],
        "the broker": b"\n".join(broker.dump(key) or b"" for key in broker.scan_iter()),
    }
    yield Run(world, places, addresses, len(client.codes))
    world.close()


def _use(world: World, client: Client) -> list[str]:
    """Everything anybody does; the addresses that were sent in the e-mail field."""
    used: list[str] = []

    def comment(**members: Any) -> dict[str, Any]:
        used.append(canary())
        return {"thread": {"key": "page"}, "name": "Ann", "email": used[-1], "body": f"Words {len(used)}.", **members}

    def post(body: Any, **headers: str) -> Any:
        return client.send("POST", "/v1/comments", world.secret_key, body, **headers)

    made = [post(comment(author_ip=f"203.0.113.{n}", user_agent="A", author_verified=n % 2 == 0)) for n in range(12)]
    held = [post(comment(body=f"score:toxicity=0.8 {n}")) for n in range(4)]
    same = comment()
    for _ in range(2):
        post(same)
        post(same, **{"Idempotency-Key": "one"})
    post({**same, "name": "Other"}, **{"Idempotency-Key": "one"})
    for _ in range(8):
        post({**same, "body": str(uuid4())})
    client.send(
        "POST",
        "/v1/comments/batch",
        world.secret_key,
        {"comments": [comment(), comment(name=""), {}, comment(email="x")]},
    )

    for wrong in (
        {"name": ""}, {"body": None}, {"thread": {}}, {"parent_id": str(uuid4())}, {"website": "x"}, {"unknown": 1}, {"author_ip": "x"},
        {"submitted_at": "x"}, {"body": "a\x00"}, {"language": "!"}, {"name": "x" * 200}, {"notify": "yes"}, {"body": "x" * 30_000},
    ):  # fmt: skip
        post(comment(**wrong))
    for change in (
        "{} ",
        " {}",
        "{}\x00",
        "{},{}",
        "<{}>",
        "Ann <{}>",
        "{}\r\nBcc: x",
        "mailto:{}",
        "{}.",
        "\ud800{}",
        "{}@x",
    ):
        wrong = comment()
        post({**wrong, "email": change.replace("{}", wrong["email"])})
    raw = json.dumps(comment()).encode()
    for data in (raw[:-1], raw + b"}", raw.replace(b'"name"', b'"email"', 1), b"\xff" + raw, raw + b" " * 300_000):
        post(data)
    post(raw, **{"Content-Type": "text/plain"})
    client.send("POST", "/v1/comments", "garbage", comment())
    client.send("POST", "/v1/comments", world.moderator_token, comment())
    client.send("POST", "/nowhere", world.secret_key, comment())
    client.send("PUT", "/v1/comments", world.secret_key, comment())
    client.send("GET", "/v1/comments?site=blog&thread_key=page&email=nobody", None)

    _wait(lambda: not world.rows("SELECT FROM comity.comment WHERE due_at <= now()"))
    for one in made + held:
        path = f"/v1/comments/{one['id']}"
        client.send("GET", path, one["status_token"])
        review = client.send("GET", f"{path}/review", world.moderator_token)
        client.send("PATCH", path, world.secret_key, {"email": comment()["email"], "body": "New."})
        client.send("PATCH", path, world.secret_key, {"body": f"New {uuid4()}."})
        for version in (review["version"], review["version"] + 1):
            client.send(
                "POST",
                f"{path}/decisions",
                world.moderator_token,
                {"action": "publish", "version": version, "note": "ok"},
            )
    for query in ("", "?view=tree", "?updated_since=2020-01-01T00:00:00Z", "?cursor=x"):
        separator = "&" if query else "?"
        client.send("GET", f"/v1/comments{query}{separator}site=blog&thread_key=page", world.secret_key)
    for path in (
        "/v1/queue",
        f"/v1/queue?text={used[0]}",
        "/v1/queue?language=en",
        "/v1/threads/counts?site=blog&thread_key=page",
    ):
        client.send("GET", path, world.moderator_token)
    for path in (
        "/v1/sites",
        "/v1/sites/blog/keys",
        "/v1/moderators",
        "/v1/sites/blog/policy",
        "/v1/openapi.json",
        "/healthz",
    ):
        client.send("GET", path, world.admin_token)
    bans = "/v1/sites/blog/bans"
    whom = [
        {"email": comment()["email"]}, {"comment_id": made[1]["id"], "what": "author"}, {"domain": "spam.example"},
        {"comment_id": made[2]["id"], "what": "network"}, {"email": comment()["email"].replace("@", "@@")},
        {"email": comment()["email"], "domain": "spam.example"}, {"comment_id": str(uuid4())},
    ]  # fmt: skip
    for one in whom:
        client.send("POST", bans, world.admin_token, {**one, "reason": "x"})
    client.send("GET", bans, world.admin_token)
    post(comment(email=used[-4]))
    client.send("POST", "/v1/sites/blog/policy/try", world.admin_token, {"policy": {}})
    client.send("DELETE", f"/v1/comments/{made[0]['id']}", world.secret_key)

    for failing in (
        "ALTER TABLE comity.comment ADD CONSTRAINT fails CHECK (name <> 'Fails')",
        "ALTER TABLE contacts.contact ADD CONSTRAINT fails CHECK (domain_class <> 'free')",
    ):
        world.execute(failing)
    post(comment(name="Fails"))
    used.append(f"canary-{uuid4()}@gmail.com")
    post({**comment(), "email": used[-1]})
    return used


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_address_shows_anywhere_but_in_its_envelope(run: Run) -> None:
    """Every column, our log, PostgreSQL's log, the broker and all answers, in fourteen encodings and three hashes: 0 hits."""
    assert len(run.places["answers"]) > 50_000
    assert len(run.places["our log"]) > 10_000
    assert len(set(run.addresses)) > 50
    assert scan(set(run.addresses), {place: data for place, data in run.places.items() if place != VAULT}) == []


def test_the_envelopes_hold_what_was_sent_and_show_nothing(run: Run) -> None:
    """Sealed, no form of an address is in the vault either; opened with the private key, each is one of those sent."""
    assert scan(set(run.addresses), {VAULT: run.places[VAULT]}) == []
    rows = run.world.rows("SELECT sealed, site_id, comment_id FROM contacts.contact")
    assert len(rows) > 15
    opened = {
        open_sealed(bytes(sealed), PRIVATE_KEY, UUID(str(site)), UUID(str(comment))) for sealed, site, comment in rows
    }
    assert opened <= set(run.addresses)


def test_the_log_tells_what_happened_without_content(run: Run) -> None:
    """One JSON object a line, of known members, for each request one; no text of a comment."""
    lines = [json.loads(line) for line in run.places["our log"].decode().splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= run.answers
    known = {"method", "route", "status", "ms", "event", "module", "process", "level", "timestamp", "request"}
    assert {name for line in requests for name in line} <= known
    for words in (b"Words 1", b"score:toxicity", b"Bearer", run.world.secret_key.encode(), b"text="):
        assert words not in run.places["our log"]
        assert words not in run.places["PostgreSQL's log"]


# The scanner itself --------------------------------------------------------------------------------------------------

A = "canary-5f0c3b3a-6a2e-4c39-8f0a-0a4b5c6d7e8f@leak.example"
_L = A.partition("@")[0]

#: Twenty ways in which an address has leaked somewhere, each as the bytes that would be found.
PLANTED: dict[str, bytes] = {
    "in a log line": f'{{"event": "mail", "to": "{A}"}}'.encode(),
    "in capitals": A.upper().encode(),
    "the local part alone": f"user={_L};".encode(),
    "masked at the end": f"{_L}@***".encode(),
    "in base64": base64.b64encode(f"user:{A}".encode()),
    "in base64 after one character": base64.b64encode(b"x" + A.encode() + b"yz"),
    "in base64 after two characters": base64.b64encode(b"xx" + A.encode() + b"y"),
    "in base64 for URLs": base64.urlsafe_b64encode(f"??>{A}".encode()),
    "in hexadecimal": A.encode().hex().encode(),
    "as PostgreSQL shows bytes": b"\\x" + b"00ff" + A.encode().hex().encode(),
    "in a URL": f"/confirm?mail={A.replace('@', '%40')}".encode(),
    "in a URL, every byte": "".join(f"%{byte:02x}" for byte in A.encode()).encode(),
    "in quoted-printable": A.replace("-", "=2D").replace("@", "=40").encode()
    + b" "
    + "".join(f"={b:02X}" for b in A.encode()).encode(),
    "in JSON escapes": A.replace("@", "\\u0040").encode(),
    "in HTML entities": A.replace("@", "&#64;").encode(),
    "in UTF-16": f"to {A}".encode("utf-16-le"),
    "backwards": A[::-1].encode(),
    "as a Gravatar": b"https://gravatar.example/avatar/" + hashlib.md5(A.encode()).hexdigest().encode(),
    "as a plain SHA-1": hashlib.sha1(A.encode()).digest(),
    "as a SHA-256 in base64": base64.b64encode(hashlib.sha256(A.upper().encode()).digest()),
}


@pytest.mark.parametrize("how", PLANTED)
def test_the_scanner_finds_a_planted_leak(how: str) -> None:
    """Twenty of twenty, in the middle of other bytes."""
    noise = bytes(range(256)) * 4
    assert scan([A], {"here": noise + PLANTED[how] + noise, "not here": noise}) != []
    assert {place for place, _ in scan([A], {"here": noise + PLANTED[how] + noise, "not here": noise})} == {"here"}


def test_the_scanner_finds_leaks_in_every_kind_of_column(world: World) -> None:
    """Text, JSON, lists and bytes, in tables of both schemas."""
    made = world.published()
    world.execute("UPDATE comity.comment SET user_agent = %s", A)
    world.execute("UPDATE comity.decision SET saw = jsonb_build_object('mail', %s::text)", A)
    world.execute("UPDATE comity.site SET origins = ARRAY['x', %s]", A)
    world.execute("UPDATE contacts.contact SET domain_index = sha256(%s)", A.encode())
    world.execute("UPDATE comity.token SET digest = %s", A.encode("utf-16-le"))
    places = {place for place, _ in scan([A], everything_stored(world.owner_url))}
    assert places == {
        "comity.comment.user_agent", "comity.decision.saw", "comity.site.origins", "contacts.contact.domain_index", "comity.token.digest",
    }  # fmt: skip
    assert made["id"].encode() in everything_stored(world.owner_url)["comity.comment.id"]


def test_the_scanner_is_not_set_off_by_other_addresses() -> None:
    """Another canary is another one, in every form."""
    other = canary()
    assert scan([A], {form: b" ".join(needles) for form, needles in forms(other).items()}) == []
