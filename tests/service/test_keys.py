"""Keys and tokens: each purpose has its own key, and what is signed cannot be changed."""

from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from service.keys import PREFIXES, Keys, new_token, token_digest, token_id

SECRET = bytes(range(40, 72))
KEYS = Keys(SECRET)
PURPOSES = ["status", "idempotency", "limits", "cursor queue oldest", "session", ""]
ids = st.uuids()


@given(st.binary(min_size=32, max_size=64), st.text(st.characters(codec="ascii"), max_size=30))
def test_a_key_is_that_of_rfc_5869(secret: bytes, purpose: str) -> None:
    """HKDF with SHA-256, the salt "comity" and the purpose as info."""
    expected = HKDF(SHA256(), 32, b"comity", purpose.encode()).derive(secret)
    assert Keys(secret).of(purpose) == expected


def test_every_purpose_and_every_secret_has_another_key() -> None:
    """No two are equal, and none is the secret."""
    made = [Keys(secret).of(purpose) for purpose in PURPOSES for secret in (SECRET, SECRET[::-1], SECRET + b"x")]
    assert len({*made, SECRET}) == len(made) + 1


@given(ids, ids)
def test_a_status_token_opens_its_comment_and_no_other(one: UUID, two: UUID) -> None:
    """The same each time it is derived; 160 bits; another secret's opens nothing."""
    token = KEYS.status_token(one)
    assert token == KEYS.status_token(one)
    assert token.startswith("comity_st_")
    assert len(token) == len("comity_st_") + 27
    assert KEYS.opens_status(token, one)
    assert KEYS.opens_status(token, two) is (one == two)
    assert not Keys(SECRET[::-1]).opens_status(token, one)


@given(st.text(max_size=60), ids)
def test_no_other_text_opens_a_comment(text: str, comment: UUID) -> None:
    """Also with characters no header should hold."""
    assert not KEYS.opens_status(text, comment)
    assert not KEYS.opens_status(KEYS.status_token(comment) + text[:1] if text else "", comment)


@given(st.binary(max_size=60), st.sampled_from(PURPOSES), st.sampled_from(PURPOSES))
def test_what_is_signed_comes_back_for_its_purpose_alone(payload: bytes, purpose: str, other: str) -> None:
    """Text that fits into a URL; for another purpose, or under another secret, it is nothing."""
    text = KEYS.sign(purpose, payload)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert KEYS.unsign(purpose, text) == payload
    assert (KEYS.unsign(other, text) == payload) is (other == purpose)
    assert Keys(SECRET[::-1]).unsign(purpose, text) is None


@given(st.binary(max_size=40), st.data())
def test_a_signed_text_cannot_be_changed(payload: bytes, data: st.DataObject) -> None:
    """Any character replaced, added or taken away, in any way: nothing comes back."""
    text = KEYS.sign("x", payload)
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(exclude_characters=text[place]))
    changed = data.draw(
        st.sampled_from(
            [
                text[:place] + character + text[place + 1 :],
                text[:place] + character + text[place:],
                text[:place] + text[place + 1 :],
            ]
        ).filter(lambda one: one != text)
    )
    assert KEYS.unsign("x", changed) is None


@given(st.text(max_size=80))
def test_any_other_text_is_nothing(text: str) -> None:
    """No text makes it fail."""
    assert KEYS.unsign("x", text) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_fingerprint_is_keyed_and_equal_for_equal_bodies(one: bytes, two: bytes) -> None:
    """It is no plain hash of the body."""
    assert (KEYS.fingerprint(one) == KEYS.fingerprint(two)) is (one == two)
    assert KEYS.fingerprint(one) != sha256(one).digest()
    assert KEYS.fingerprint(one) != Keys(SECRET[::-1]).fingerprint(one)


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_new_token_has_prefix_id_and_160_bits(kind: str) -> None:
    """Its id stands in it, its digest is what is stored, and no two are the same."""
    made = [new_token(kind) for _ in range(200)]
    assert len({token for _, token, _ in made}) == 200
    for name, token, digest in made:
        prefix, secret = f"{PREFIXES[kind]}_{name}_", token.rpartition("_")[2]
        assert token == prefix + secret
        assert (len(name), len(secret)) == (10, 32)
        assert set(name + secret) <= set("abcdefghijklmnopqrstuvwxyz234567")
        assert token_id(token) == name
        assert digest == token_digest(token) == sha256(token.encode()).digest()


@given(st.text(max_size=60))
def test_other_text_has_no_id(text: str) -> None:
    """Nothing that is not shaped like a token is looked up."""
    assert token_id(text) is None


@pytest.mark.parametrize(
    "token",
    [
        "comity_sk_abc_" + "x" * 32, "comity_sk_" + "a" * 10, "comity_xx_" + "a" * 10 + "_" + "b" * 32,
        "comity_sk_" + "A" * 10 + "_" + "b" * 32, "comity_sk_" + "a\x00" * 5 + "_" + "b" * 32, "comity_sk_" + "a" * 10 + "_" + "b" * 31,
        "comity_sk_" + "é" * 10 + "_" + "b" * 32, "Comity_sk_" + "a" * 10 + "_" + "b" * 32, "comity_st_" + "a" * 10 + "_" + "b" * 32,
    ],
)  # fmt: skip
def test_what_almost_looks_like_a_token_has_no_id(token: str) -> None:
    """A wrong prefix, length or alphabet."""
    assert token_id(token) is None


def test_ids_of_comments_do_not_tell_their_tokens() -> None:
    """A thousand tokens share no more than their prefix."""
    tokens = [KEYS.status_token(uuid4()).removeprefix("comity_st_") for _ in range(1000)]
    assert len({token[:8] for token in tokens}) == 1000
