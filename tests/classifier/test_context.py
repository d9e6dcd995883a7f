"""What is known beside the text counts for spam alone, by name, and only where it is known."""

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier import LABELS, Context, Model
from classifier.context import PRIOR_COMMENTS, SHARES, learn, weights
from tests.classifier.samples import ANY_TEXT

FRIEND = Context(name="Ann Miller", website="", email_class="own", user_agent="Mozilla/5.0 (X11) Gecko/20100101")
STRANGER = Context("Cheap Flights And Hotels Deals", "https://best-cheap-deals.xyz/?ref=7", "disposable", "curl/8.1")
ANY_FIELD = st.one_of(st.none(), ANY_TEXT)


@pytest.mark.parametrize(
    ("context", "names"),
    [
        (Context(), ()),
        (Context(name="Ann Miller"), ("name:person",)),
        (Context(name="ann_m7"), ("name:handle",)),
        (Context(name="Best Cheap Roofing Services"), ("name:phrase",)),
        (Context(name="visit shop-now.com"), ("name:link",)),
        (Context(name="  "), ()),
        (Context(website=""), ("website:none",)),
        (Context(website="https://ann.example.org/"), ("website:home", "website:alone")),
        (Context(website="https://ann.example.org/shoes?id=3"), ("website:page", "website:alone")),
        (Context(website="http://www.sold.example/"), ("website:home", "website:repeated")),
        (Context(website="https://a-b-c.example.com"), ("website:cheap", "website:alone")),
        (Context(website="bit.ly/xyz"), ("website:cheap", "website:alone")),
        (Context(website="http://[::1"), ("website:cheap",)),
        (Context(email_class="free"), ("email:free",)),
        (Context(email_class="ann@example.org"), ()),
        (Context(user_agent=""), ("agent:none",)),
        (Context(user_agent="python-requests/2.32"), ("agent:program",)),
        (FRIEND, ("name:person", "website:none", "email:own", "agent:browser")),
    ],
)
def test_a_field_is_one_of_a_few_classes(context: Context, names: tuple[str, ...]) -> None:
    """Each known field has its class; an unknown one has none, and no address is ever looked at."""
    assert context.features("look at http://sold.example/now, it is cheap") == names


@given(ANY_FIELD, ANY_FIELD, ANY_FIELD, ANY_FIELD, ANY_TEXT)
def test_any_fields_have_known_classes(name: str, site: str, email: str, agent: str, text: str) -> None:
    """Whatever a visitor sends, classes are those that have weights, and none raises."""
    assert set(Context(name, site, email, agent).features(text)) <= set(SHARES)


def test_context_moves_spam_alone(model: Model) -> None:
    """A stranger's praise is likelier spam than a friend's; no other label moves, and the text's language stays."""
    text = "Great post, thank you for sharing this with all of us."
    alone, friend, stranger = model.score([text] * 3, context=[None, FRIEND, STRANGER])
    assert (friend.spam or 0) < (alone.spam or 0) < (stranger.spam or 0)
    assert astuple(friend)[1:] == astuple(stranger)[1:] == astuple(alone)[1:]


def test_no_context_is_no_change(model: Model) -> None:
    """The contract of a text alone stays: nothing known gives the same score as nothing said."""
    texts = ["thank you", "buy pills at http://pills.example"]
    assert model.score(texts, context=[Context(), None]) == model.score(texts)


def test_named_features_are_explained(model: Model) -> None:
    """Each has its part under its name, and the parts add up to the score that was served."""
    text = "Great post, see http://sold.example"
    found = model.explain(text, "spam", context=STRANGER)
    named = {flag.name: flag.log_odds for flag in found.flags if ":" in flag.name}
    assert set(named) == {"name:phrase", "website:cheap", "website:alone", "email:disposable", "agent:program"}
    assert named["email:disposable"] == pytest.approx(weights()["email:disposable"], abs=1e-6)
    parts = [part.log_odds for part in (*found.words, *found.flags)]
    assert found.bias + sum(parts) + found.other == found.log_odds
    assert found.score == model.score([text], context=[STRANGER])[0].spam
    for label in LABELS[1:]:
        assert not [flag for flag in model.explain(text, label, context=STRANGER).flags if ":" in flag.name]


def test_shares_are_learned_from_comments() -> None:
    """A few comments move little, many move far, and a field nobody knew keeps its shares."""
    assert learn([]) == {name: pytest.approx(shares) for name, shares in SHARES.items()}
    few = learn([(("email:own",), True)] * 2)["email:own"][0]
    many = learn([(("email:own",), True)] * 20 * PRIOR_COMMENTS)["email:own"][0]
    assert SHARES["email:own"][0] < few < SHARES["email:own"][0] + 0.05 < 0.95 < many
    assert learn([(("email:own",), True)] * 99)["website:none"] == pytest.approx(SHARES["website:none"])


def test_the_classes_of_a_field_share_it_out() -> None:
    """Shares of the classes of one field add up to one, for spam and for other comments."""
    for fields in (("name:",), ("website:none", "website:home", "website:page", "website:cheap"), ("email:",),
                   ("website:repeated", "website:alone"), ("agent:",)):  # fmt: skip
        mine = [shares for name, shares in SHARES.items() if name.startswith(fields)]
        assert [sum(column) for column in zip(*mine, strict=True)] == pytest.approx([1.0, 1.0])
