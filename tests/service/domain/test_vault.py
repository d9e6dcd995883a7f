"""Sealed secrets."""

from uuid import UUID

import pytest

from service.domain.vault import Vault, VaultError

KEY, ONE, TWO = bytes(range(32)), UUID(int=1), UUID(int=2)


def test_what_is_sealed_opens_for_whom_it_belongs_to_alone() -> None:
    """With the same key, for the same endpoint and row."""
    vault = Vault(KEY)
    sealed = vault.seal("whsec_secret", ONE, TWO)
    assert vault.open(sealed, ONE, TWO) == "whsec_secret"
    assert b"secret" not in sealed
    assert vault.seal("whsec_secret", ONE, TWO) != sealed
    for other, about in ((Vault(bytes(32)), (ONE, TWO)), (vault, (TWO, ONE)), (vault, (ONE,)), (vault, ())):
        with pytest.raises(VaultError):
            other.open(sealed, *about)


def test_what_was_altered_does_not_open() -> None:
    """Not a bit of it, and nothing shorter."""
    vault = Vault(KEY)
    sealed = vault.seal("whsec_secret", ONE)
    for at in range(len(sealed)):
        with pytest.raises(VaultError):
            vault.open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], ONE)
        with pytest.raises(VaultError):
            vault.open(sealed[:at], ONE)
