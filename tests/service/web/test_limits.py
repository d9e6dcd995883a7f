"""Rate limits: per author, network and site, in bursts and windows, and whom they hold up."""

import random
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from service.app import create_app
from service.settings import SETTINGS
from service.store import hits
from service.store.database import Unavailable
from service.web.errors import Problem
from service.web.limits import Limits, Want
from tests.service.web.asking import problem
from tests.world import World

DAY = 86_400


def send(world: World, key: str | None = None, **members: Any) -> TestResponse:
    """One comment."""
    return world.request("POST", "/v1/comments", key or world.secret_key, world.comment(**members))


def test_the_defaults_are_those_of_the_table(make_world: Any) -> None:
    """Without a setting, a site's answer names the limits that the table of settings documents."""
    defaults = {setting.name: setting.default for setting in SETTINGS}
    author, seconds = (defaults["COMITY_LIMIT_AUTHOR"] or "").split("/")
    world = make_world(limit_author=(int(author), int(seconds)))
    answer = send(world, author_ip="192.0.2.1")
    assert answer.headers["RateLimit-Policy"] == ", ".join(
        f'"{name}";q={count};w={window}'
        for name in ("author", "prefix", "site")
        for count, window in [(defaults[f"COMITY_LIMIT_{name.upper()}"] or "").split("/")]
    )


def test_an_author_who_sends_too_many_waits_and_others_do_not(make_world: Any) -> None:
    """429 says which limit, how long to wait, and how it stands; nothing is stored, and the next author is served."""
    world = make_world(limit_author=(4, DAY))
    address = world.comment()["email"]
    left = [send(world, email=address).headers["RateLimit"] for _ in range(4)]
    assert [re.match(r'"author";r=(\d+);', field)[1] for field in left] == ["3", "2", "1", "0"]  # type: ignore[index]

    answer = send(world, email=address.upper())

    document = problem(answer, "quota-exceeded")
    assert document["violated-policies"] == ["author"]
    assert 0 < int(answer.headers["Retry-After"]) <= DAY
    assert answer.headers["RateLimit-Policy"] == '"author";q=4;w=86400, "site";q=6000;w=60'
    assert answer.headers["RateLimit"].startswith('"author";r=0;t=')
    assert world.rows("SELECT count(*) FROM comity.comment") == [(4,)]
    assert send(world).status_code == 202


def test_a_network_that_sends_too_many_waits_and_others_do_not(make_world: Any) -> None:
    """All addresses of a /24, or a /48, are one network; without an IP address there is no such limit."""
    world = make_world(limit_prefix=(4, DAY))
    for network in ("203.0.113.{}", "2001:db8:7:{}::1"):
        assert [send(world, author_ip=network.format(n)).status_code for n in range(1, 6)] == [202] * 4 + [429]
    assert send(world, author_ip="203.0.114.1").status_code == 202
    assert send(world, author_ip="2001:db8:8::1").status_code == 202
    assert [send(world).status_code for _ in range(6)] == [202] * 6


def test_one_attacker_never_blocks_a_site(make_world: Any) -> None:
    """What is refused for its author or network is not counted as its site's."""
    world = make_world(limit_author=(4, DAY), limit_prefix=(8, DAY), limit_site=(200, DAY))
    address = world.comment()["email"]
    for _ in range(50):
        send(world, email=address)
    for _ in range(50):
        send(world, author_ip="203.0.113.9")

    answer = send(world, author_ip="198.51.100.1")

    assert answer.status_code == 202
    assert re.search(r'"site";r=(\d+);', answer.headers["RateLimit"])[1] == str(200 - 4 - 4 - 1)  # type: ignore[index]


def test_a_site_has_its_own_window_and_no_others(make_world: Any) -> None:
    """One site at its limit holds up no other."""
    world = make_world(limit_site=(4, DAY))
    _, other = world.add_site("other")
    assert [send(world).status_code for _ in range(5)] == [202] * 4 + [429]
    assert send(world, other).status_code == 202


def test_a_site_may_have_limits_of_its_own(make_world: Any) -> None:
    """What its admin sets holds in place of the default, at once; what is not set stays."""
    world = make_world(limit_author=(4, DAY))
    world.request("PATCH", "/v1/sites/blog", world.admin_token, {"limits": {"author": [3, DAY]}})
    address = world.comment()["email"]
    assert [send(world, email=address).status_code for _ in range(4)] == [202] * 3 + [429]
    assert '"site";q=6000;w=60' in send(world).headers["RateLimit-Policy"]


def test_the_same_author_on_two_sites_is_two(make_world: Any) -> None:
    """Limits count within a site: nobody learns of another site's authors by them."""
    world = make_world(limit_author=(4, DAY))
    _, other = world.add_site("other")
    address = world.comment()["email"]
    assert [send(world, email=address).status_code for _ in range(5)] == [202] * 4 + [429]
    assert send(world, other, email=address).status_code == 202


def test_a_request_that_is_not_valid_costs_nothing(make_world: Any) -> None:
    """Only what would be stored is counted."""
    world = make_world(limit_site=(4, DAY))
    for _ in range(10):
        problem(send(world, name=""), "validation-error", "#/name")
    assert [send(world).status_code for _ in range(5)] == [202] * 4 + [429]


def test_windows_are_shared_by_all_processes(make_world: Any) -> None:
    """What one web process counted, another knows after the next exchange; both together let the quota in."""
    world = make_world(limit_site=(8, DAY))
    other = create_app(world.settings)
    mine, theirs = world.app.extensions["comity"].limits, other.extensions["comity"].limits
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.secret_key}"}
    codes = [send(world).status_code for _ in range(4)]
    mine.sync()
    codes.append(other.test_client().post("/v1/comments", json=world.comment(), headers=headers).status_code)
    theirs.sync()
    codes += [
        other.test_client().post("/v1/comments", json=world.comment(), headers=headers).status_code for _ in range(5)
    ]
    assert codes == [202] * 8 + [429] * 2
    other.extensions["comity"].database.close()


def test_what_is_shared_says_nothing_about_whom_it_counts(make_world: Any) -> None:
    """The table holds keyed digests of 16 bytes, window starts and sums; the web role cannot read it back."""
    world = make_world()
    send(world, author_ip="203.0.113.9")
    world.app.extensions["comity"].limits.sync()
    rows = world.rows("SELECT octet_length(key), n FROM contacts.hit")
    assert rows == [(16, 1)] * 3
    dump = str(world.rows("SELECT key FROM contacts.hit"))
    assert world.addresses[-1] not in dump
    assert "203.0.113" not in dump


def test_visitors_are_counted_by_network_and_keys_are_not(make_world: Any) -> None:
    """Requests without a key have a limit; a site's own back end is not held up by it, from the same network."""
    world = make_world(limit_visitor=(4, DAY))
    answers = [world.read() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[0].headers["RateLimit-Policy"] == '"visitor";q=4;w=86400'
    assert problem(answers[4], "quota-exceeded")["violated-policies"] == ["visitor"]
    assert send(world).status_code == 202
    assert world.request("GET", "/v1/queue", world.moderator_token).status_code == 200


def test_guessing_tokens_is_counted(make_world: Any) -> None:
    """After some wrong ones the answer is 429, for that network; a right one still works."""
    world = make_world(limit_visitor=(4, DAY))
    codes = [world.request("GET", "/v1/queue", f"comity_mod_{'a' * 10}_{n:032d}").status_code for n in range(6)]
    assert codes == [401] * 4 + [429] * 2
    assert world.request("GET", "/v1/queue", world.moderator_token).status_code == 200


def test_a_database_that_is_away_does_not_stop_the_counting(make_world: Any) -> None:
    """Counts are kept here until it is back; none is lost."""
    world = make_world()
    limits = Limits(b"x" * 32, None)
    limits._database = world.app.extensions["comity"].database
    want = Want("site", b"one", 100, DAY)
    limits.spend([want])
    world.app.extensions["comity"].database.close()
    with pytest.raises(Unavailable):
        limits.sync()
    limits.spend([want])
    assert limits._window(want, limits._now()).mine == 2


def exchanging(world: World, now: Callable[[], float] | None = None) -> Limits:
    """Limits on a world's database that exchange only when they are told to."""
    limits = Limits(b"x" * 32, None, *([] if now is None else [now]))
    limits._database = world.app.extensions["comity"].database
    return limits


def test_two_windows_of_one_limit_that_begin_together_are_two(make_world: Any) -> None:
    """A site's limit was changed from a minute to two: both windows are shared, each with its own sum."""
    world = make_world()
    mine, theirs = (exchanging(world, lambda: 0.0) for _ in range(2))
    minute, two = Want("site", b"s", 100, 60), Want("site", b"s", 100, 120)
    mine.spend([minute, minute, two])
    mine.sync()
    theirs.spend([minute, two, two])
    theirs.sync()
    assert [theirs._window(want, 0.0).used for want in (minute, two)] == [3, 3]
    assert world.rows("SELECT n FROM contacts.hit") == [(3,), (3,)]
    assert (mine._dirty, theirs._dirty) == (set(), set())


def test_a_window_that_cannot_be_shared_holds_up_no_other(make_world: Any) -> None:
    """The table refuses one of many (its sum would be too large): the others are exchanged, and it is counted here."""
    world = make_world()
    mine, theirs = exchanging(world), exchanging(world)
    wants = [Want("author", str(number).encode(), 100, DAY) for number in range(9)]
    mine.spend(wants)
    mine.sync()
    bad = mine._window(wants[4], mine._now()).key[0]
    world.execute("UPDATE contacts.hit SET n = 2147483647 WHERE key = %s", bad)

    theirs.spend(wants)
    theirs.spend(wants, gathered=True)
    theirs.sync()
    theirs.sync()

    assert [theirs._window(want, theirs._now()).used for want in wants] == [3] * 4 + [2] + [3] * 4
    assert theirs._dirty == set()


# The counting itself -------------------------------------------------------------------------------------------------


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def spent(limits: Limits, wants: list[Want], **how: Any) -> bool:
    """Whether a request under these limits is let in."""
    try:
        limits.spend(wants, **how)
    except Problem as refusal:
        assert refusal.kind == "quota-exceeded"
        return False
    return True


def test_a_burst_is_bounded_and_recovers_with_time() -> None:
    """A sixth of the window at once, at least 4; then at four times the window's rate."""
    clock = Clock()
    limits = Limits(b"x" * 32, None, clock)
    want = Want("author", b"ann", 60, 60)
    assert [spent(limits, [want]) for _ in range(11)] == [True] * 10 + [False]
    clock.at += 0.25
    assert [spent(limits, [want]) for _ in range(2)] == [True, False]
    clock.at += 5
    assert [spent(limits, [want]) for _ in range(11)] == [True] * 10 + [False]


def test_an_exchange_forgets_no_burst_that_is_partly_used() -> None:
    """Slow requests, with exchanges between them, are bounded as quick ones are."""
    clock = Clock()
    limits = Limits(b"x" * 32, None, clock)
    want = Want("author", b"ann", 8, DAY)
    let_in = []
    for _ in range(5):
        let_in.append(spent(limits, [want]))
        clock.at += 1
        limits.sync()
    assert let_in == [True] * 4 + [False]


def test_what_was_gathered_over_time_has_no_burst() -> None:
    """A batch is held to the window alone."""
    limits = Limits(b"x" * 32, None, Clock())
    want = Want("author", b"ann", 60, 60)
    assert [spent(limits, [want], gathered=True) for _ in range(61)] == [True] * 60 + [False]


@given(
    count=st.integers(1, 40),
    seconds=st.integers(1, 100),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=150),
    gathered=st.booleans(),
)
def test_never_more_than_the_quota_in_a_window(count: int, seconds: int, steps: list[float], gathered: bool) -> None:
    """Whatever the times between requests, each window lets in at most its quota."""
    clock = Clock()
    limits = Limits(b"x" * 32, None, clock)
    taken: dict[int, int] = {}
    for step in steps:
        clock.at += step
        if spent(limits, [Want("author", b"ann", count, seconds)], gathered=gathered):
            window = int(clock.at // seconds)
            taken[window] = taken.get(window, 0) + 1
    assert all(n <= count for n in taken.values())


@given(
    quota=st.integers(1, 10),
    attacks=st.integers(0, 60),
    others=st.lists(st.integers(0, 5), max_size=20),
)
def test_a_spent_attacker_uses_up_only_their_own(quota: int, attacks: int, others: list[int]) -> None:
    """However often one author tries, the site's window is charged with their quota at most."""
    limits = Limits(b"x" * 32, None, Clock())
    site = Want("site", b"site", 1000, 60)

    def author(name: bytes) -> list[Want]:
        return [Want("author", name, quota, 60), site]

    let_in = sum(spent(limits, author(b"attacker"), gathered=True) for _ in range(attacks))
    assert let_in == min(attacks, quota)
    let_in += sum(spent(limits, author(str(other).encode()), gathered=True) for other in others)
    assert limits._window(site, limits._now()).used == let_in


@given(order=st.permutations(["author", "prefix", "site"]), over=st.sampled_from(["author", "prefix", "site"]))
def test_a_request_counts_under_all_its_limits_or_under_none(order: list[str], over: str) -> None:
    """One limit used up leaves the others untouched, whatever their order."""
    limits = Limits(b"x" * 32, None, Clock())
    wants = [Want(name, name.encode(), 1 if name == over else 50, 60) for name in order]
    assert spent(limits, wants)
    used = {want.name: limits._window(want, limits._now()).used for want in wants}
    assert not spent(limits, wants)
    assert {want.name: limits._window(want, limits._now()).used for want in wants} == used == dict.fromkeys(used, 1)


def test_keys_say_nothing_and_differ_with_the_secret() -> None:
    """16 bytes, equal for equal parts under one secret only."""
    make: Callable[[bytes], bytes] = lambda secret: Limits(secret, None).key("a", b"b")  # noqa: E731
    assert make(b"x") == make(b"x")
    assert make(b"x") != make(b"y")
    assert len(make(b"x")) == 16


def test_what_no_longer_says_anything_is_forgotten() -> None:
    """Ended windows and free bursts leave the memory, so that it does not grow with the number of authors."""
    clock = [1_000_000.0]
    limits = Limits(b"k" * 32, None, now=lambda: clock[0])
    for number in range(1000):
        limits.spend([Want("author", str(number).encode(), 12, 60)])
    limits._dirty.clear()  # as if they had been shared
    clock[0] += 120
    limits.sync()
    assert (len(limits._windows), len(limits._bursts)) == (0, 0)


def test_however_many_come_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """More authors and networks than are remembered, new ones and known ones, in window after window."""
    monkeypatch.setattr("service.web.limits.MOST_KEYS", 100)
    clock, dice = Clock(), random.Random(1)
    limits = Limits(b"k" * 32, None, clock)
    for number in range(10_000):
        clock.at += 0.2
        whom = {"author": dice.randrange(150), "prefix": number, "site": 0}
        limits.spend([Want(name, str(who).encode(), 10**6, 60) for name, who in whom.items()], gathered=True)
    limits.sync()
    assert max(len(limits._windows), len(limits._bursts), len(limits._dirty)) <= 100


# What is given back ---------------------------------------------------------------------------------------------------


def again(world: World, body: dict[str, Any], key: str) -> TestResponse:
    """The same comment under the same key."""
    return world.request("POST", "/v1/comments", world.secret_key, body, headers={"Idempotency-Key": key})


def left(answer: TestResponse, name: str) -> int:
    """How many more the named limit lets in, by an answer's RateLimit field."""
    found = re.search(rf'"{name}";r=(\d+);', answer.headers["RateLimit"])
    assert found is not None
    return int(found[1])


def test_a_retry_costs_nothing_and_is_never_held_up(make_world: Any) -> None:
    """The first answer comes as often as it is asked for, also when the limit is used up by others since."""
    world = make_world(limit_author=(4, DAY))
    body = world.comment()
    answers = [again(world, body, "one") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [202] * 8
    assert {left(answer, "author") for answer in answers} == {3}
    assert [send(world, email=body["email"]).status_code for _ in range(4)] == [202] * 3 + [429]

    last = again(world, body, "one")

    assert (last.status_code, last.data, last.headers["Idempotent-Replayed"]) == (202, answers[0].data, "true")
    problem(again(world, {**body, "body": "Other."}, "one"), "quota-exceeded")
    problem(again(world, body, "two"), "quota-exceeded")


def test_a_batch_sent_again_costs_nothing_and_is_never_held_up(make_world: Any) -> None:
    """As for one comment; another batch waits."""
    world = make_world(limit_author=(4, DAY), limit_site=(6, DAY))
    batch = {"comments": [world.comment() for _ in range(4)]}

    def post(body: Any, key: str) -> TestResponse:
        headers = {"Idempotency-Key": key}
        return world.request("POST", "/v1/comments/batch", world.secret_key, body, headers=headers)  # type: ignore[no-any-return]

    first = post(batch, "one")
    for _ in range(3):
        answer = post(batch, "one")
        assert (answer.json, answer.headers["Idempotent-Replayed"]) == (first.json, "true")
        assert left(answer, "site") == 2
    assert left(post({"comments": [world.comment(), world.comment()]}, "other"), "site") == 0
    assert post(batch, "one").json == first.json
    problem(post(batch, "two"), "quota-exceeded")
    problem(post({"comments": batch["comments"][:1]}, "one"), "quota-exceeded")


def test_twins_at_once_are_counted_as_one(make_world: Any) -> None:
    """Twelve equal requests under one key, while the windows are being shared: one is counted."""
    world = make_world(limit_author=(100, DAY))
    limits = world.app.extensions["comity"].limits
    body, gate = world.comment(), threading.Barrier(12)

    def post(_: int) -> int:
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.secret_key}", "Idempotency-Key": "one"}
        client = world.app.test_client()
        gate.wait()
        limits.sync()
        status = client.post("/v1/comments", json=body, headers=headers).status_code
        limits.sync()
        return status

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(post, range(12))) == {202}
    limits.sync()
    assert world.rows("SELECT max(n) FROM contacts.hit") == [(1,)]
    assert left(send(world, email=body["email"]), "author") == 98


@pytest.mark.parametrize("how", ["parent", "closed", "duplicate", "key"])
def test_a_refused_comment_counts_only_as_one_that_came_at_once(make_world: Any, how: str) -> None:
    """Author, network and site keep their windows; whoever tries without end is held up all the same."""
    world = make_world(limit_author=(8, DAY), limit_prefix=(100, DAY), limit_site=(100, DAY))
    world.published(thread={"key": "closed"})
    thread = world.read(thread_key="closed").json["thread"]["id"]
    world.request("PATCH", f"/v1/threads/{thread}", world.secret_key, {"closed": True})
    address = world.comment()["email"]
    body = world.comment(email=address, author_ip="203.0.113.9")
    first = again(world, body, "one") if how in ("duplicate", "key") else None
    members = {
        "parent": {"parent_id": str(uuid4())}, "closed": {"thread": {"key": "closed"}}, "duplicate": {},
        "key": {"name": "Bob"},
    }[how]  # fmt: skip
    counted = 0 if first is None else 1

    for _ in range(4 - counted):
        refused = {**body, **members}
        answer = (
            again(world, refused, "one")
            if how == "key"
            else world.request("POST", "/v1/comments", world.secret_key, refused)
        )
        problem(answer, *{"key": ["idempotency-key-reused"], "parent": ["conflict", "#/parent_id"],
                          "closed": ["conflict", "#/thread"], "duplicate": ["conflict", "#/body"]}[how])  # fmt: skip
        assert (left(answer, "author"), left(answer, "prefix"), left(answer, "site")) == (
            8 - counted, 100 - counted, 99 - counted,
        )  # fmt: skip

    held = send(world, email=address)
    assert problem(held, "quota-exceeded")["violated-policies"] == ["author"]
    assert (held.headers["Retry-After"], left(held, "author")) == ("1", 8 - counted)


def test_what_was_shared_is_taken_back_from_all(make_world: Any) -> None:
    """Given back before, between and during exchanges: what others learn is what was kept, and nothing is left over."""
    world = make_world()
    database = world.app.extensions["comity"].database
    mine, theirs = Limits(b"x" * 32, None), Limits(b"x" * 32, None)
    want = Want("author", b"ann", 10, DAY)
    for limits in (mine, theirs):
        limits._database = database
    kept = mine.spend([want])
    mine.give_back(mine.spend([want]), bursts=True)
    late = mine.spend([want])
    mine.sync()
    mine.give_back(late, bursts=True)
    mine.sync()
    theirs.spend([want])
    theirs.sync()
    assert mine._window(want, mine._now()).used == 1
    assert theirs._window(want, theirs._now()).used == 2
    assert (mine._dirty, theirs._dirty) == (set(), set())
    assert mine.give_back(kept, bursts=False)["RateLimit"].startswith('"author";r=10;')


def test_what_is_given_back_while_it_is_shared_is_taken_back_next(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count is on its way to the table when it is given back: the next exchange tells."""
    world = make_world()
    limits = Limits(b"x" * 32, None)
    limits._database = world.app.extensions["comity"].database
    want = Want("author", b"ann", 10, DAY)
    spent, add = limits.spend([want]), hits.add

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(hits, "add", add)
        limits.give_back(spent, bursts=True)
        return add(*arguments)

    monkeypatch.setattr(hits, "add", meanwhile)
    limits.sync()
    assert world.rows("SELECT n FROM contacts.hit") == [(1,)]
    assert limits._window(want, limits._now()).used == 0
    limits.sync()
    assert world.rows("SELECT n FROM contacts.hit") == [(0,)]
    assert limits._window(want, limits._now()).used == 0


@given(kept=st.integers(0, 10), returned=st.lists(st.booleans(), max_size=20))
def test_what_is_given_back_lets_in_as_many_again(kept: int, returned: list[bool]) -> None:
    """Windows always, bursts where asked: neither more nor fewer than were there before."""
    clock = Clock()
    limits = Limits(b"x" * 32, None, clock)
    want = Want("author", b"ann", 60, 60)
    assert [spent(limits, [want]) for _ in range(kept)] == [True] * kept
    for bursts in returned:
        try:
            limits.give_back(limits.spend([want]), bursts=bursts)
        except Problem:
            break
    left_in_burst = max(0, 10 - kept - returned.count(False))
    assert limits._window(want, clock()).used == kept
    assert [spent(limits, [want]) for _ in range(left_in_burst + 1)] == [True] * left_in_burst + [False]


def test_what_belongs_to_an_ended_window_is_not_given_to_the_next() -> None:
    """A request that took longer than its window: the new one is whole and stays so, and nothing is remembered."""
    clock = Clock()
    limits = Limits(b"x" * 32, None, clock)
    want = Want("author", b"ann", 60, 60)
    long = limits.spend([want])
    limits._dirty.clear()  # as if it had been shared
    clock.at += 60
    limits.sync()
    limits.spend([want])
    limits.give_back(long, bursts=True)
    assert limits._window(want, clock()).used == 1
    assert len(limits._dirty) == 1
