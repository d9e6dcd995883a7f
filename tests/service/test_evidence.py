"""What a comment's texts say for a verdict."""

import re
import unicodedata
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import evidence
from service.domain import text
from service.domain.ids import new_id
from service.domain.matching import Lexicon, Matcher, domain


@pytest.mark.parametrize(
    ("body", "website", "hosts"),
    [
        ("no link here", None, ()),
        ("see https://A.example/x and http://b.example:8080", None, ("a.example", "b.example")),
        ("see a.example.com now", "https://c.example", ("a.example.com", "c.example")),
        ("spam [dot] com and spam(.)com and hxxp://deal .example", None, ("spam.com",)),
        ("https://bücher.example/", None, ("xn--bcher-kva.example",)),
        ("https://[broken", "https://[::1]/", ("::1",)),
    ],
)
def test_hosts_of_links_are_found_also_when_broken(body: str, website: str | None, hosts: tuple[str, ...]) -> None:
    """Each once, in the form DNS has."""
    assert set(hosts) <= set(evidence.hosts(body, website))
    if not hosts:
        assert evidence.hosts(body, website) == ()


#: A body, and the host that a browser opens by the URL standard of the WHATWG when its address is followed.
ODD = [
    (r"https://spam.example\@good.example/x", "spam.example"),
    (r"https://spam.example\\@good.example/x", "spam.example"),
    (r"http://spam.example:80\@good.example/", "spam.example"),
    ("https://a\uff0f@spam.example/", "spam.example"), ("https://a\u2100@spam.example/", "spam.example"),
    ("https://a\uff20b@spam.example/", "spam.example"), ("https://good.example@spam.example/", "spam.example"),
    ("https://good.example:443@spam.example:443/x", "spam.example"), ("https://a@b@spam.example", "spam.example"),
    ("https://good.example%2f@spam.example/", "spam.example"), ("https://sp%61m.example/x", "spam.example"),
    ("https://spam\u3002example/", "spam.example"), ("https://spam\uff0eexample/", "spam.example"),
    ("https://SPAM.Example/", "spam.example"), ("https://\u24e2pam.example/", "spam.example"),
    ("https://\uff53\uff50\uff41\uff4d.example/", "spam.example"), ("https://spam\u00ad.example/", "spam.example"),
    (r"https:\\spam.example/", "spam.example"), (r"https:/\spam.example\x", "spam.example"),
    ("https:/spam.example/", "spam.example"), ("https:spam.example", "spam.example"), ("//spam.example/", "spam.example"),
    ("https:///spam.example/", "spam.example"), ("https://spam.example?@good.example/", "spam.example"),
    ("https://spam.example#@good.example/", "spam.example"), ("https://spam.example/@good.example", "spam.example"),
    ("https://spam.example./x", "spam.example"), ("https://www.spam.example:8443/", "www.spam.example"),
    ("see (https://spam.example\\@good.example) now", "spam.example"), ("x:https://a@spam.example", "spam.example"),
    ("https://fa\u00df.example/", "xn--fa-hia.example"), ("https://b\u00fccher.example/", "xn--bcher-kva.example"),
    ("https://\U0001f4a9.example/", "xn--ls8h.example"), (r"www.spam.com\@good.com", "www.spam.com"),
    ("https://spam.example:@good.example/", "good.example"), ("https://spam.example&@good.example/", "good.example"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "opened"), ODD, ids=[ascii(body) for body, _ in ODD])
def test_what_is_linked_is_what_is_judged(body: str, opened: str) -> None:
    """The host that a browser opens is among those judged, and a rule that blocks it fires, linked or not.

    What is linked names one host for all readers: the one that is opened.
    """
    found = evidence.hosts(body, None)
    if text.links(body) or "http" in body.lower() or "//" in body:
        assert opened in found
        blocked = Matcher(domains=(Lexicon.of_domains([opened.removeprefix("www.")]),))
        assert blocked.find({}, found) is not None
    for url in text.links(body):
        assert not {"@", "\\", "%"}.intersection(url.split("/")[2].partition("?")[0].partition("#")[0])


SIGNS = st.sampled_from(
    [*"ab.:/\\@?#%[]", "spam.example", "good.com", "https://", "\uff0f", "\uff20", "\u2100", "\u3002", "%40"]
)


@given(st.lists(SIGNS, max_size=8).map("".join))
def test_no_link_has_a_user_or_a_sign_that_readers_take_otherwise(rest: str) -> None:
    """Whatever stands behind a scheme: the host of each link is among those judged, and holds no delimiter."""
    body = f"https://{rest}"
    for url in text.links(body):
        place = re.split("[/?#]", url.split("//", 1)[1], maxsplit=1)[0]
        assert not re.search(r"[@\\%]", unicodedata.normalize("NFKC", place))
        host = domain(place.partition(":")[0])
        assert not host or host in evidence.hosts(body, None)


@given(st.text(max_size=300), st.none() | st.text(max_size=50))
def test_any_text_can_be_looked_at(body: str, website: str | None) -> None:
    """Whatever a visitor writes, reading it raises nothing."""
    evidence.hosts(body, None)
    assert set(evidence.texts("Ann", body, website)) <= {"name", "body", "website"}
    evidence.sketched(UUID(int=1), body)


def test_a_lot_is_spread_evenly_and_stays() -> None:
    """Between 0 and 1, by the comment's id alone."""
    lots = [evidence.lot(new_id()) for _ in range(4000)]
    assert all(0 <= lot < 1 for lot in lots)
    assert 0.45 < sum(lots) / len(lots) < 0.55
    one = new_id()
    assert evidence.lot(one) == evidence.lot(UUID(str(one)))
