"""Policies through the API: put in force, listed, rolled back, tried on the past; bans and imported lists."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from werkzeug.test import TestResponse

from classifier import Model
from service import embedded
from service.domain import policies
from service.domain.policy import Policy
from service.domain.reasons import LABELS
from service.evidence import normal
from tests.service.web.asking import problem
from tests.world import World

SCORES: dict[str, Any] = {"rule": "scores"}


def ask(world: World, method: str, path: str, body: Any = None) -> TestResponse:
    """A request of the admin about the usual site."""
    return world.request(method, f"/v1/sites/blog{path}", world.admin_token, body)


def outcome(world: World, made: dict[str, Any]) -> tuple[str, str]:
    """Where a comment stands and the rule that put it there."""
    world.settle()
    return world.status(made)["status"], world.review(made)["decisions"][-1]["rule"]


def saw(world: World, made: dict[str, Any]) -> dict[str, Any]:
    """What the last rule saw."""
    return world.review(made)["decisions"][-1]["saw"]  # type: ignore[no-any-return]


# Versions ------------------------------------------------------------------------------------------------------------


def test_the_policy_in_force_is_shown_whole(world: World) -> None:
    """The built-in one is version 0; what a new one leaves out stays at its default."""
    default = ask(world, "GET", "/policy").json
    assert (default["version"], default["policy"], default["warnings"]) == (0, policies.write(Policy()), [])

    given = {
        "rules": [
            {"rule": "links", "most": 1},
            {**SCORES, "thresholds": {"spam": {"publish_below": 0.25, "reject_above": 0.75}}},
        ]
    }
    put = ask(world, "PUT", "/policy", {**given, "note": "few links"}).json
    links, scores = put["policy"]["rules"]
    assert links == {"rule": "links", "status": "live", "then": "flag", "most": 1}
    assert scores["thresholds"]["spam"] == {"publish_below": 0.25, "reject_above": 0.75}
    assert set(scores["thresholds"]) == set(LABELS)
    assert (put["version"], put["note"]) == (1, "few links")
    assert ask(world, "GET", "/policy").json == put
    again = ask(world, "PUT", "/policy", {}).json
    assert (again["version"], again["policy"]) == (2, default["policy"])


def test_what_is_shown_can_be_put_again(world: World) -> None:
    """The answer's policy is a document: read, changed, put."""
    own = {
        "rule": "match",
        "name": "casino",
        "words": ["casino*", "poker room"],
        "patterns": [r"\bx{3}\b"],
        "domains": ["spam.example"],
        "in": ["body"],
        "then": "reject",
        "reason": "spam",
    }
    shown = world.policy(own)["policy"]
    assert {**own, "status": "live"} in shown["rules"]
    assert ask(world, "PUT", "/policy", shown).json["policy"] == shown


def test_versions_are_listed_and_rolled_back(world: World) -> None:
    """Who, when and why; going back is a new version with the old content, and 0 is the built-in one."""
    world.policy({"rule": "links", "most": 9})
    world.policy({"rule": "links", "most": 1})
    listed = ask(world, "GET", "/policy/versions").json["versions"]
    assert [one["version"] for one in listed] == [2, 1]
    assert {one["created_by"] for one in listed} == {world.admin_token.split("_")[2]}

    back = ask(world, "POST", "/policy/rollback", {"version": 1}).json
    assert (back["version"], back["note"]) == (3, "back to version 1")
    assert back["policy"] == ask(world, "GET", "/policy/versions/1").json["policy"]
    built_in = ask(world, "POST", "/policy/rollback", {"version": 0, "note": "start again"}).json
    assert (built_in["version"], built_in["note"]) == (4, "start again")
    assert built_in["policy"] == policies.write(Policy())
    problem(ask(world, "POST", "/policy/rollback", {"version": 9}), "conflict", "#/version")
    for version in ("9", "x", "-1", "1e3", "9" * 30):
        problem(ask(world, "GET", f"/policy/versions/{version}"), "not-found")


def test_policies_put_at_once_follow_each_other(world: World) -> None:
    """Eight at the same moment get eight versions, none lost and none refused."""
    gate = threading.Barrier(8)

    def put(number: int) -> tuple[int, int]:
        client = world.app.test_client()
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {world.admin_token}"}
        gate.wait()
        body = {"rules": [{"rule": "links", "most": number}, SCORES]}
        answer = client.put("/v1/sites/blog/policy", json=body, headers=headers)
        return answer.status_code, answer.json["version"]  # type: ignore[index]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(8))) == [(200, version) for version in range(1, 9)]


def test_another_sites_policy_is_its_own(world: World) -> None:
    """Policies, lists and bans of one site judge no comment of another."""
    _, key = world.add_site("other")
    everything = {"rules": [{**SCORES, "thresholds": {"spam": {"publish_below": 0, "reject_above": 0}}}]}
    world.request("PUT", "/v1/sites/other/policy", world.admin_token, everything)
    mine = world.submit()
    theirs = world.request("POST", "/v1/comments", key, world.comment()).json
    assert outcome(world, mine)[0] == "published"
    assert world.status(theirs)["status"] == "rejected"  # type: ignore[arg-type]


# Rules ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "members", "entry"),
    [
        ({"words": ["casino"]}, {"body": "Visit my CASINO today"}, "casino"),
        ({"words": ["casino"]}, {"body": "visit my c.a.s.i.n.o today"}, "casino"),
        ({"words": ["casino"]}, {"body": "visit my cаsіno today"}, "casino"),  # Cyrillic letters
        ({"words": ["casino"]}, {"body": "visit my 𝐜𝐚𝐬𝐢𝐧𝐨 today"}, "casino"),
        ({"words": ["viag*"]}, {"body": "cheap v1agra here"}, "viag*"),
        ({"words": ["poker room"]}, {"body": "the Poker-Room is open"}, "poker room"),
        ({"words": ["赌博"]}, {"body": "language:en 在线赌博网站"}, "赌 博"),
        ({"words": ["casino"]}, {"name": "Casino Joe"}, "casino"),
        ({"words": ["casino"]}, {"website": "https://casino.example/"}, "casino"),
        ({"patterns": [r"\bcheap\s+pills?\b"]}, {"body": "buy CHEAP   pills"}, r"\bcheap\s+pills?\b"),
        ({"patterns": [r"^buy now"]}, {"body": "B-u-y now"}, r"^buy now"),
        ({"domains": ["spam.example"]}, {"body": "see https://www.spam.example/x?y"}, "spam.example"),
        ({"domains": ["spam.com"]}, {"body": "see spam [dot] com for it"}, "spam.com"),
        ({"domains": ["spam.example"]}, {"website": "https://SPAM.example"}, "spam.example"),
    ],
)  # fmt: skip
def test_what_is_blocked_does_not_pass_in_disguise(world: World, rule: Any, members: Any, entry: str) -> None:
    """Words, phrases, patterns and link domains in each scope; the record says what was found where."""
    world.policy({"rule": "match", "name": "own", "then": "reject", "reason": "spam", **rule})
    made = world.submit(**members)
    assert outcome(world, made) == ("rejected", "match: own")
    assert saw(world, made)["entry"] == entry
    assert world.status(made)["reason"]["code"] == "spam"


@pytest.mark.parametrize(
    ("rule", "members"),
    [
        ({"words": ["casino"]}, {"body": "We saw casinos from afar"}),
        ({"words": ["ass"]}, {"body": "A class of its own"}),
        ({"words": ["poker room"]}, {"body": "poker in the other room"}),
        ({"words": ["casino"], "in": ["body"]}, {"name": "Casino Joe"}),
        ({"domains": ["spam.example"]}, {"body": "see https://notspam.example/ and https://spam.example.org"}),
        ({"words": ["casino"], "status": "draft"}, {"body": "casino"}),
        ({"words": ["casino"], "status": "shadow"}, {"body": "casino"}),
    ],
)
def test_what_only_looks_like_it_passes(world: World, rule: Any, members: Any) -> None:
    """Whole words, whole domains, the scopes named; drafts and shadows hold nothing."""
    world.policy({"rule": "match", "name": "own", "then": "reject", **rule})
    assert outcome(world, world.submit(**members))[0] == "published"


def test_a_rule_in_shadow_is_recorded_and_not_applied(world: World) -> None:
    """The moderator sees what it would have said."""
    world.policy({"rule": "match", "name": "try it", "words": ["casino"], "then": "reject", "status": "shadow"})
    made = world.submit(body="score:toxicity=0.8 casino")
    assert outcome(world, made) == ("flagged", "scores")
    (silent,) = saw(world, made)["shadow"]
    assert (silent["rule"], silent["action"], silent["saw"]["entry"]) == ("match: try it", "reject", "casino")


def test_near_repeats_are_held_and_far_ones_pass(world: World) -> None:
    """A text that shares most of its word pairs with an earlier one of the site, within the window."""
    text = "Our team made {} last week while working from home in the evenings and so can you if you write to Ben now"
    first = world.submit(body=text.format("plenty"))
    near = world.submit(body=text.format("enough"))
    far = world.submit(body="We made a cake last week while the children played at home and it was gone by the evening")
    assert outcome(world, first)[0] == "published"
    assert outcome(world, near) == ("flagged", "repeats")
    assert 0.8 <= saw(world, near)["similarity"] < 1
    assert outcome(world, far)[0] == "published"
    world.execute("UPDATE comity.comment SET created_at = created_at - interval '25 hours'")
    assert outcome(world, world.submit(body=text.format("loads")))[0] == "published"


@pytest.mark.parametrize("similarity", [1, 0.99])
def test_a_site_may_ask_for_exact_repeats_alone(world: World, similarity: float) -> None:
    """Similarity 1 keeps no sketches at all."""
    world.policy({"rule": "repeats", "similarity": similarity})
    text = "Our team made {} last week while working from home in the evenings and so can you if you write to Ben now"
    made = [world.submit(body=text.format(word)) for word in ("plenty", "enough", "enough")]
    assert [outcome(world, one)[0] for one in made] == ["published", "published", "flagged"]
    assert world.rows("SELECT count(*) FROM comity.sketch") == [(0 if similarity == 1 else 3,)]


def test_a_throw_away_address_is_held_unless_the_site_vouches(world: World) -> None:
    """By the class of its domain, which is all that is known of it."""
    made = world.submit(email="canary@mailinator.com")
    assert outcome(world, made) == ("flagged", "disposable_email")
    assert outcome(world, world.submit(email="canary@mailinator.com", author_verified=True))[0] == "published"


def test_a_first_comment_is_held_where_the_site_asks_for_it(world: World) -> None:
    """Until a comment of the same address was published; a name earns nothing."""
    world.policy({"rule": "first_comment"})
    address = "ann@leak.example"
    first, second = world.submit(email=address, name="Ann"), world.submit(email=address, name="Ann")
    assert [outcome(world, one) for one in (first, second)] == [("flagged", "first_comment")] * 2
    assert world.decide(first, "publish").status_code == 200
    assert outcome(world, world.submit(email=address, name="Somebody"))[0] == "published"
    assert outcome(world, world.submit(email="other@leak.example", name="Ann")) == ("flagged", "first_comment")


def test_a_sample_goes_to_moderators(world: World) -> None:
    """About the share asked for, of what would be published; the same ones however often they are judged."""
    world.policy({"rule": "audit", "share": 0.5})
    made = [world.submit() for _ in range(40)]
    world.settle()
    held = [one for one in made if world.status(one)["status"] == "flagged"]
    assert 8 <= len(held) <= 32
    assert {world.review(one)["decisions"][-1]["rule"] for one in held} == {"audit"}


# Bans ----------------------------------------------------------------------------------------------------------------


def ban(world: World, **body: Any) -> dict[str, Any]:
    """A ban that must be made."""
    answer = ask(world, "POST", "/bans", {"reason": "spam", **body})
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("whom", "what"),
    [
        ({"email": "bad@spam.example"}, "author"),
        ({"email": "BAD@SPAM.example"}, "author"),
        ({"domain": "spam.example"}, "domain"),
        ({"network": "198.51.100.0/24"}, "network"),
        ({"network": "198.51.0.0/16"}, "network"),
        ({"comment_id": ..., "what": "author"}, "author"),
        ({"comment_id": ..., "what": "domain"}, "domain"),
        ({"comment_id": ..., "what": "network"}, "network"),
    ],
)
def test_a_ban_rejects_what_comes_after_it(world: World, whom: dict[str, Any], what: str) -> None:
    """By author, domain or network; others pass, and lifted it holds nobody."""
    members = {"email": "bad@spam.example", "author_ip": "198.51.100.7"}
    before = world.submit(**members)
    assert outcome(world, before)[0] == "published"
    made = ban(world, **{name: before["id"] if value is ... else value for name, value in whom.items()})
    assert (made["what"], made["reason"], made["until"], made["ended"]) == (what, "spam", None, False)
    assert "bad@" not in str(made).lower()

    caught = world.submit(**members)
    assert outcome(world, caught) == ("rejected", "bans")
    assert saw(world, caught) == {"ban": made["id"], "what": what, "why": "spam"}
    assert world.status(before)["status"] == "published"
    other = world.submit(email="bad@ham.example", author_ip="203.0.113.7")
    assert outcome(world, other)[0] == "published"

    assert ask(world, "DELETE", f"/bans/{made['id']}").status_code == 204
    assert ask(world, "DELETE", f"/bans/{made['id']}").status_code == 204
    assert outcome(world, world.submit(**members))[0] == "published"
    assert [one["ended"] for one in ask(world, "GET", "/bans").json["bans"]] == [True]


def test_a_ban_ends_by_itself(world: World) -> None:
    """At its time, by the database's clock."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = ban(world, domain="spam.example", until=later)
    assert outcome(world, world.submit(email="a@spam.example")) == ("rejected", "bans")
    world.execute("UPDATE contacts.ban SET until = now() WHERE id = %s", made["id"])
    assert outcome(world, world.submit(email="b@spam.example"))[0] == "published"


def test_a_ban_of_another_site_is_not_here(world: World) -> None:
    """Neither in force, nor shown, nor lifted; a comment of another site bans nobody."""
    _, key = world.add_site("other")
    made = ban(world, domain="spam.example")
    ban(world, network="198.51.100.0/24")
    body = world.comment(email="a@spam.example", author_ip="198.51.100.7")
    theirs = world.request("POST", "/v1/comments", key, body).json
    world.settle()
    assert world.status(theirs)["status"] == "published"  # type: ignore[arg-type]
    assert world.request("GET", "/v1/sites/other/bans", world.admin_token).json == {"bans": []}
    problem(world.request("DELETE", f"/v1/sites/other/bans/{made['id']}", world.admin_token), "not-found")
    problem(ask(world, "POST", "/bans", {"comment_id": theirs["id"], "reason": "x"}), "conflict", "#/comment_id")  # type: ignore[index]


def test_a_comment_without_a_network_bans_none(world: World) -> None:
    """It came without author_ip."""
    made = world.submit()
    body = {"comment_id": made["id"], "what": "network", "reason": "x"}
    problem(ask(world, "POST", "/bans", body), "conflict", "#/comment_id")


# Lists ---------------------------------------------------------------------------------------------------------------


def test_a_list_is_imported_used_replaced_and_forgotten(world: World) -> None:
    """A rule names it; a new import counts for the next comment; one that is in use is not forgotten."""
    put = ask(world, "PUT", "/lists/bad-words", {"words": ["casino", "poker room"]}).json
    assert (put["name"], put["kind"], put["entries"], put["version"]) == ("bad-words", "words", 2, 1)
    world.policy({"rule": "match", "name": "imported", "lists": ["bad-words"], "then": "reject"})
    assert outcome(world, world.submit(body="A casino!")) == ("rejected", "match: imported")
    assert ask(world, "PUT", "/lists/bad-words", {"words": ["roulette"]}).json["version"] == 2
    assert outcome(world, world.submit(body="A casino again"))[0] == "published"
    assert outcome(world, world.submit(body="A roulette"))[0] == "rejected"

    problem(ask(world, "DELETE", "/lists/bad-words"), "conflict")
    world.policy()
    assert ask(world, "DELETE", "/lists/bad-words").status_code == 204
    problem(ask(world, "DELETE", "/lists/bad-words"), "not-found")
    assert ask(world, "GET", "/lists").json == {"lists": []}


def test_a_list_of_domains(world: World) -> None:
    """Links to any of them, or to what lies below."""
    ask(world, "PUT", "/lists/farms", {"domains": ["spam.example", "farm.example"]})
    world.policy({"rule": "match", "name": "farms", "lists": ["farms"]})
    assert outcome(world, world.submit(body="https://a.farm.example/")) == ("flagged", "match: farms")


def test_a_list_that_is_gone_leaves_everything_to_people(world: World) -> None:
    """Behind everybody's back: other sites go on, and once it is back so does this one."""
    ask(world, "PUT", "/lists/bad", {"words": ["casino"]})
    world.policy({"rule": "match", "name": "imported", "lists": ["bad"]})
    world.execute("DELETE FROM comity.list")
    _, key = world.add_site("other")
    made = world.submit()
    theirs = world.request("POST", "/v1/comments", key, world.comment()).json
    assert outcome(world, made) == ("flagged", "unreadable_policy")
    assert world.status(theirs)["status"] == "published"  # type: ignore[arg-type]
    assert ask(world, "GET", "/policy").status_code == 200
    ask(world, "PUT", "/lists/bad", {"words": ["casino"]})
    assert outcome(world, world.submit())[0] == "published"


# Examples, warnings, trials --------------------------------------------------------------------------------------------


def test_examples_must_get_the_verdict_they_expect(world: World) -> None:
    """Else the policy is not put in force, and the answer says what each one got."""
    rules = [{"rule": "match", "name": "casino", "words": ["casino"], "then": "reject"}, SCORES]
    good = [
        {"body": "Thank you, that was good to read.", "expect": "publish"},
        {"body": "My casino", "expect": "reject"},
    ]
    put = ask(world, "PUT", "/policy", {"rules": rules, "examples": good}).json
    assert [one["expect"] for one in put["policy"]["examples"]] == ["publish", "reject"]
    wrong = [*good, {"body": "No casino here", "expect": "flag"}]
    problem(ask(world, "PUT", "/policy", {"rules": rules, "examples": wrong}), "conflict", "#/examples/2/expect")
    assert ask(world, "GET", "/policy").json == put


def test_examples_are_judged_outside_of_any_transaction(
    world: World, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither loading the model nor reading examples holds one open, whatever they take."""
    parts, score = world.app.extensions["comity"], Model.score
    seen: list[tuple[str, set[str]]] = []
    name, database = f"comity web {os.getpid()}", urlsplit(world.owner_url).path[1:]

    def look(what: str) -> None:
        with psycopg.connect(servers.superuser_url) as connection:  # others see no state of the web's connections
            states = connection.execute(
                "SELECT state FROM pg_stat_activity WHERE application_name = %s AND datname = %s", [name, database]
            )
            seen.append((what, {state for (state,) in states}))

    def loading() -> Model | None:
        look("load")
        return parts.model()  # type: ignore[no-any-return]

    def scoring(model: Model, *given: Any) -> Any:
        look("score")
        return score(model, *given)

    monkeypatch.setitem(world.app.extensions, "comity", replace(parts, model=loading))
    monkeypatch.setattr(Model, "score", scoring)
    body = {"rules": [SCORES], "examples": [{"body": "Thank you, that was good to read.", "expect": "publish"}]}
    assert ask(world, "PUT", "/policy", body).status_code == 200
    assert seen == [("load", {"idle"}), ("score", {"idle"})]


@pytest.mark.parametrize(
    ("rule", "doubt"),
    [
        ({"rule": "match", "name": "n", "words": ["the", "casino"]}, "'the'"),
        ({"rule": "match", "name": "n", "patterns": ["x*"]}, "every comment"),
        ({"rule": "match", "name": "n", "patterns": ["."]}, "every comment"),
        ({"rule": "match", "name": "n", "patterns": ["a^b"]}, "matches nothing"),
        ({"rule": "audit", "share": 1}, "every comment"),
        ({"rule": "repeats", "similarity": 0.1}, "share little"),
    ],
)
def test_what_a_policy_hardly_means_is_said(world: World, rule: dict[str, Any], doubt: str) -> None:
    """With the answer; it is put in force all the same."""
    warnings = world.policy(rule)["warnings"]
    assert any(doubt in one["text"] for one in warnings), warnings


def test_a_trial_says_what_would_change_and_saves_nothing(world: World) -> None:
    """Against what moderators made of the same comments."""
    plain = [world.published(body=f"Number {n}: have you seen the casino?") for n in range(3)]
    held = [world.flagged() for _ in range(4)]
    for one in (*plain[:1], *held[:2]):
        assert world.decide(one, "publish").status_code == 200
    assert world.decide(plain[1], "reject", reason="spam").status_code == 200
    before = world.rows("SELECT count(*) FROM comity.policy"), world.rows("SELECT count(*) FROM comity.decision")

    loose = {
        "insult": {"publish_below": 0.9, "reject_above": 0.95},
        "toxicity": {"publish_below": 0.9, "reject_above": 0.95},
    }
    rules = [{"rule": "match", "name": "casino", "words": ["casino"]}, {**SCORES, "thresholds": loose}]
    tried = ask(world, "POST", "/policy/try", {"policy": {"rules": rules}}).json
    assert (tried["total"], tried["same"]) == (7, 0)
    released, caught = tried["changes"]
    assert (released["was"], released["would"], released["count"], released["published"], released["rejected"]) == (
        "flag",
        "publish",
        4,
        2,
        0,
    )
    assert (caught["was"], caught["would"], caught["count"], caught["published"], caught["rejected"]) == (
        "publish",
        "flag",
        3,
        1,
        1,
    )
    assert "3 more held that were published; moderators had published 1 and rejected 1 of them." in tried["text"]
    assert {one["rule"] for one in caught["examples"]} == {"match: casino"}
    assert (
        world.rows("SELECT count(*) FROM comity.policy"),
        world.rows("SELECT count(*) FROM comity.decision"),
    ) == before


def test_a_trial_of_the_policy_in_force_changes_nothing(world: World) -> None:
    """Repeats, near repeats, links, scores, closed threads: judged again, each goes as it went."""
    text = "I made {} dollars last week while working from my own home and so can you if you write to me now"
    for body in (
        text.format(1),
        text.format(2),
        "the same again and again",
        "the same again and again",
        "https://a.example " * 5,
        "score:spam=0.99 x",
        "score:spam=0.5 x",
    ):
        world.submit(body=body)
    world.settle()
    waits = world.submit(thread={"key": "closed"})
    thread = world.rows("SELECT thread_id FROM comity.comment WHERE id = %s", waits["id"])[0][0]
    world.request("PATCH", f"/v1/threads/{thread}", world.secret_key, {"closed": True})
    world.settle()
    tried = ask(world, "POST", "/policy/try", {"policy": {}}).json
    assert (tried["total"], tried["same"], tried["text"]) == (
        8,
        8,
        ["Nothing would change for the last 8 decided comments."],
    )


def test_normal_reading_is_the_classifiers() -> None:
    """Rules read what the model reads."""
    assert normal("Ｖ1agra") == "viagra"
