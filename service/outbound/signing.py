"""Signatures of messages (Standard Webhooks 1.0.0)."""

import base64
import hmac
import secrets as random
from collections.abc import Sequence
from hashlib import sha256

_PREFIX = "whsec_"


def new_secret() -> str:
    """A fresh secret: whsec_ and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def signatures(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> str:
    """The field webhook-signature, one signature for each secret in their order. timestamp: seconds since the epoch."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), signed, sha256)).decode()
        for secret in secrets
    )
