"""Secrets that have to be used again, sealed so that a database alone opens none of them."""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE = 12


class VaultError(Exception):
    """Raised when a sealed secret does not open: another key sealed it, or it was moved or altered."""


class Vault:
    """Seals and opens with one key of 32 bytes (ChaCha20-Poly1305, RFC 8439)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    def seal(self, secret: str, *about: UUID) -> bytes:
        """A sealed secret, bound to whom it belongs."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), _bound(about))

    def open(self, sealed: bytes, *about: UUID) -> str:
        """The secret. Raises VaultError."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(about)).decode()
        except (InvalidTag, ValueError):
            raise VaultError from None


def _bound(about: tuple[UUID, ...]) -> bytes:
    return b"".join(one.bytes for one in about)
