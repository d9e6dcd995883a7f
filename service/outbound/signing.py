"""Signatures of webhooks by Standard Webhooks 1.0.0: HMAC-SHA-256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

PREFIX = "whsec_"
_SIZES = range(24, 65)  # bytes that the specification takes


class BadSecret(ValueError):
    """Raised when a text is no secret of a webhook; its message does not repeat it."""


def new_secret() -> str:
    """A secret for one endpoint: whsec_ and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(os.urandom(32)).decode()


def key_of(secret: str) -> bytes:
    """The HMAC key that `secret` stands for: the bytes that its base64 holds, 24 to 64. Raises BadSecret."""
    if not secret.startswith(PREFIX):
        raise BadSecret(f"A webhook's secret begins with {PREFIX}.")
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        key = b""
    if base64.b64encode(key).decode() != text:  # the decoder lets too much padding pass
        raise BadSecret(f"After {PREFIX} a webhook's secret is base64, with padding.")
    if len(key) not in _SIZES:
        raise BadSecret("A webhook's secret holds 24 to 64 bytes.")
    return key


def signatures(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> str:
    """The field webhook-signature: `v1,BASE64` for each secret in the order given, with spaces between.

    `timestamp`: Unix seconds of this attempt; receivers refuse what is five minutes off, so sign when sending. While a
    secret is being replaced both sign, the newest first. Raises BadSecret for one that is none, or for none at all.
    """
    if not secrets:
        raise BadSecret("A webhook is signed with one secret at least.")
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    return " ".join(_v1(key_of(secret), signed) for secret in secrets)


def _v1(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
