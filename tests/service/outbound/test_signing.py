"""Signatures of webhooks: those of the specification, and such that others' libraries take."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from service.outbound.signing import BadSecret, key_of, new_secret, signatures
from tools.receiver import verdict

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


def headers(secrets: list[str], event_id: str, at: int, body: bytes) -> dict[str, str]:
    """The three fields of a delivery."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signatures(secrets, event_id, at, body),
    }


def test_the_vector_of_the_specification() -> None:
    """Standard Webhooks 1.0.0 gives one signature in full."""
    assert signatures([SECRET], ID, AT, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.text("abcXYZ019_", min_size=1), st.dictionaries(st.text(), st.text()))
def test_others_take_our_signatures(key: bytes, event_id: str, message: dict[str, str]) -> None:
    """The library that receivers use finds the message unaltered."""
    secret, body, now = "whsec_" + base64.b64encode(key).decode(), json.dumps(message).encode(), int(time.time())
    assert Webhook(secret).verify(body, headers([secret], event_id, now, body)) == message


def test_one_bit_turned_over_anywhere_is_seen() -> None:
    """In the id, the time, the body or the signature; by the library and by our own receiver."""
    now = int(time.time())
    good = headers([SECRET], ID, now, BODY)
    assert verdict([SECRET], good, BODY, now) == "good"
    for name, value in good.items():
        for position in range(len(value)):
            for bit in range(7):
                turned = value[:position] + chr(ord(value[position]) ^ 1 << bit) + value[position + 1 :]
                if name == "webhook-signature" and position == len(value) - 2:
                    continue  # the last digit of base64 holds two bits that mean nothing
                assert verdict([SECRET], {**good, name: turned}, BODY, now) != "good"
    for position in range(len(BODY)):
        for bit in range(8):
            body = bytearray(BODY)
            body[position] ^= 1 << bit
            assert verdict([SECRET], good, bytes(body), now) == "forged"
            with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
                Webhook(SECRET).verify(bytes(body), good, json_parse=False)


def test_two_secrets_sign_in_the_order_given_and_either_is_taken() -> None:
    """While one is being replaced."""
    new, old, other = new_secret(), new_secret(), new_secret()
    now = int(time.time())
    fields = headers([new, old], ID, now, BODY)
    assert fields["webhook-signature"] == f"{signatures([new], ID, now, BODY)} {signatures([old], ID, now, BODY)}"
    for secret in (new, old):
        Webhook(secret).verify(BODY, fields)
        assert verdict([secret], fields, BODY, now) == "good"
    assert verdict([other], fields, BODY, now) == "forged"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, fields)


def test_a_new_secret_is_32_random_bytes() -> None:
    """In the form that every library reads."""
    made = {new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(key_of(secret)) for secret in made} == {32}


@pytest.mark.parametrize(
    "secret",
    [
        "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + base64.b64encode(b"x" * 65).decode(), "whsec_" + "é" * 32,
        SECRET + " ", SECRET + "\n", SECRET + "=", "whsec_" + "-_" * 16, "whsk_" + base64.b64encode(b"x" * 32).decode(),
    ],
)  # fmt: skip
def test_what_is_no_secret_is_refused(secret: str) -> None:
    """Without repeating it."""
    with pytest.raises(BadSecret) as caught:
        signatures([SECRET, secret], ID, AT, BODY)
    assert len(secret) < 8 or secret.strip() not in str(caught.value)


def test_nothing_goes_out_unsigned() -> None:
    """No secret, no signature."""
    with pytest.raises(BadSecret):
        signatures([], ID, AT, BODY)
