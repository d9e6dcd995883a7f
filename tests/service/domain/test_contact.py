"""Addresses: sealed for one key, one site and one comment; derived indexes that answer equality and nothing else."""

from uuid import UUID, uuid4

import disposable_email_domains
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from service.domain.contact import FREE_DOMAINS, Sealer, SealError, domain_class, network_prefix, open_sealed
from service.domain.ids import new_id

KEY = X25519PrivateKey.generate()
SEALER = Sealer(KEY.public_key(), b"i" * 32)
SITE, COMMENT = uuid4(), uuid4()
locals_ = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-_üé", min_size=1, max_size=64)
domains = st.sampled_from(["leak.example", "gmail.com", "sub.leak.example", "bücher.example"])
addresses = st.builds("{}@{}".format, locals_, domains)


@given(addresses)
def test_only_the_private_key_opens_and_only_for_this_site_and_comment(address: str) -> None:
    """With any other key, site or comment, or with one bit changed, it stays closed and says nothing."""
    sealed = SEALER.seal(address, SITE, COMMENT).sealed
    assert open_sealed(sealed, KEY, SITE, COMMENT) == address
    for key, site, comment in (
        (X25519PrivateKey.generate(), SITE, COMMENT), (KEY, uuid4(), COMMENT), (KEY, SITE, uuid4()), (KEY, COMMENT, SITE),
    ):  # fmt: skip
        with pytest.raises(SealError) as refusal:
            open_sealed(sealed, key, site, comment)
        assert address not in str(refusal.value)
        assert refusal.value.__cause__ is None
    for place in (0, len(sealed) // 2, len(sealed) - 1):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealError):
            open_sealed(changed, KEY, SITE, COMMENT)


@given(addresses, addresses)
def test_the_ciphertext_tells_neither_the_address_nor_its_length(one: str, two: str) -> None:
    """Each sealing differs; lengths come in steps of 64."""
    first, again, other = (SEALER.seal(address, SITE, COMMENT).sealed for address in (one, one, two))
    assert first != again
    assert one.encode() not in first
    assert (len(first) - len(other)) % 64 == 0


@given(addresses)
def test_indexes_are_equal_for_equal_authors_of_a_site(address: str) -> None:
    """Case aside; another site, another purpose or another index key gives another index."""
    contact = SEALER.seal(address, SITE, COMMENT)
    again = SEALER.seal(address.upper().lower(), SITE, uuid4())
    if address == address.upper().lower():
        assert (contact.author_index, contact.domain_index) == (again.author_index, again.domain_index)
    elsewhere = SEALER.seal(address, uuid4(), COMMENT)
    rekeyed = Sealer(KEY.public_key(), b"j" * 32).seal(address, SITE, COMMENT)
    indexes = [one for c in (contact, elsewhere, rekeyed) for one in (c.author_index, c.domain_index)]
    assert len(set(indexes)) == 6
    assert {len(index) for index in indexes} == {16}


def test_the_private_key_is_not_part_of_a_sealer() -> None:
    """What the web process holds can close and not open."""
    assert set(Sealer.__slots__) == {"public_key", "index_key"}
    assert not hasattr(SEALER.public_key, "exchange")


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("gmail.com", "free"), ("web.de", "free"), ("mailinator.com", "disposable"), ("x.mailinator.com", "disposable"),
        ("leak.example", "own"), ("notgmail.com", "own"), ("com", "own"), ("", "own"), ("gmail.com.leak.example", "own"),
    ],
)  # fmt: skip
def test_domains_have_classes(domain: str, kind: str) -> None:
    """Free, disposable with all below it, or one's own."""
    assert domain_class(domain) == kind


def test_no_free_provider_counts_as_disposable() -> None:
    """Our list of free ones and the installed list of disposable ones do not meet."""
    assert not FREE_DOMAINS & set(disposable_email_domains.blocklist)


@given(st.ip_addresses())
def test_a_network_prefix_holds_its_address_and_is_wide_enough(address: object) -> None:
    """/24 or /48, the same for all in it."""
    prefix = network_prefix(str(address))
    assert prefix.endswith(("/24", "/48"))
    assert network_prefix(prefix.partition("/")[0]) == prefix


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4/24", "1.2.3.4\n", "::g", "1.2.3.4:80"])
def test_what_is_no_ip_address_has_no_network(text: str) -> None:
    """ValueError, and never half a network."""
    with pytest.raises(ValueError):
        network_prefix(text)


def test_ids_are_version_7_sort_by_time_and_do_not_repeat() -> None:
    """RFC 9562: version and variant bits, milliseconds first."""
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert {(one.version, one.variant) for one in made} == {(7, UUID(int=0x8000 << 48).variant)}
    stamps = [one.int >> 80 for one in made]
    assert stamps == sorted(stamps)
