"""Keys derived from the one secret key, and the tokens made with them. Derived tokens are never stored."""

import base64
import hmac
import secrets
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from service.domain.mac import mac

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
#: Kinds of stored tokens by the prefix that makes them findable in a leak.
PREFIXES = {"secret_key": "comity_sk", "moderator": "comity_mod", "admin": "comity_adm"}


class Keys:
    """Purposes of the secret key, each with a key of its own (HKDF-Expand of one block, RFC 5869)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(b"comity", secret, sha256)
        self.of = lru_cache(1024)(self._of)

    def _of(self, purpose: str) -> bytes:
        """The 32-byte key for `purpose`."""
        return hmac.digest(self._secret, purpose.encode() + b"\x01", sha256)

    def status_token(self, comment_id: UUID) -> str:
        """The token that shows the state of this one comment."""
        return "comity_st_" + _base64(mac(self.of("status"))(comment_id.bytes)[:20])

    def opens_status(self, token: str, comment_id: UUID) -> bool:
        """Whether `token` is the status token of this comment; takes equally long for every wrong one."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.status_token(comment_id).encode())

    def fingerprint(self, body: bytes) -> bytes:
        """32 bytes that are equal for equal request bodies."""
        return mac(self.of("idempotency"))(body)

    def sign(self, purpose: str, payload: bytes) -> str:
        """`payload` with a signature, as text that fits into a URL."""
        return _base64(payload + mac(self.of(purpose))(payload)[:16])

    def unsign(self, purpose: str, text: str) -> bytes | None:
        """The payload of a signed text; None when it was not signed here for `purpose`."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (ValueError, UnicodeEncodeError):
            return None
        if _base64(raw) != text:
            return None  # the decoder passes over strange characters; a signed text has one form
        payload, signature = raw[:-16], raw[-16:]
        good = mac(self.of(purpose))(payload)[:16]
        return payload if hmac.compare_digest(signature, good) else None


def new_token(kind: str) -> tuple[str, str, bytes]:
    """A fresh token of a kind in PREFIXES: its id, the token itself (shown once), and the digest to store."""
    token_id = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(32))
    token = f"{PREFIXES[kind]}_{token_id}_{secret}"
    return token_id, token, token_digest(token)


def token_digest(token: str) -> bytes:
    """What is stored of a token. It has 160 random bits, so a plain hash cannot be searched."""
    return sha256(token.encode("utf-8", "replace")).digest()


def token_id(token: str) -> str | None:
    """The id inside a token; None when `token` does not look like one of ours."""
    head, _, secret = token.rpartition("_")
    prefix, _, name = head.rpartition("_")
    if prefix not in PREFIXES.values() or len(name) != 10 or len(secret) != 32 or not set(name) <= set(_ALPHABET):
        return None
    return name


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
