"""Where may be sent to: a corpus of URLs, and every form in which a private address can hide."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.outbound.guard import Forbidden, Guard
from service.outbound.networks import network
from tests.service.outbound.corpus import INWARD, REBINDING, REFUSED, TAKEN

PRIVATE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
privates = st.sampled_from(PRIVATE).flatmap(lambda text: st.ip_addresses(v=4, network=text))
halves = st.integers(0, 0xFFFFFFFF)


def refused(guard: Guard, url: str) -> str | None:
    """The code with which a URL is refused, if it is."""
    try:
        guard.check_url(url)
    except Forbidden as error:
        assert error.sentence.endswith(".")
        assert len(url) < 12 or url not in error.sentence
        return error.code
    return None


def passes(guard: Guard, address: object) -> bool:
    """Whether a packet may go there."""
    try:
        guard.check_address(str(address))
    except Forbidden as error:
        assert error.code == "address"
        return False
    return True


def test_the_corpus_is_large() -> None:
    """Three hundred URLs at least, all different."""
    urls = [url for some in REFUSED.values() for url in some] + list(TAKEN)
    assert len(urls) >= 450
    assert len(set(urls)) == len(urls)


@pytest.mark.parametrize(("code", "url"), [(code, url) for code, urls in REFUSED.items() for url in urls], ids=ascii)
def test_what_must_not_be_called_is_refused(code: str, url: str) -> None:
    """Each for its reason, in a sentence that does not repeat it."""
    assert refused(Guard(), url.replace("{port}", "443")) == code


@pytest.mark.parametrize("url", TAKEN, ids=ascii)
def test_what_may_be_called_is_written_in_one_form(url: str) -> None:
    """And that form stays as it is."""
    assert Guard().check_url(url) == TAKEN[url]
    assert Guard().check_url(TAKEN[url]) == TAKEN[url]


def test_a_name_that_leads_inward_is_taken_until_it_is_looked_up() -> None:
    """What a name looks like says nothing; its addresses do."""
    assert [refused(Guard(), f"https://{name}/") for name in REBINDING] == [None] * len(REBINDING)


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_taken_or_refused(text: str) -> None:
    """Nothing else is raised, and what is taken is taken again unaltered."""
    guard = Guard(http=True)
    for url in (text, f"https://{text}", f"http://{text}/", f"https://example.org/{text}"):
        try:
            once = guard.check_url(url)
        except Forbidden:
            continue
        assert guard.check_url(once) == once
        assert once.isascii()


@given(privates, privates, halves, halves, st.integers(0, 2**16 - 1))
def test_no_private_address_passes_however_it_is_wrapped(
    private: IPv4Address, other: IPv4Address, high: int, low: int, part: int
) -> None:
    """Mapped, compatible, translated, NAT64 (both prefixes, every place), 6to4, Teredo (either half), ISATAP."""
    inner = int(private)
    isatap = [0x2A00 << 112 | high << 64 | mark << 32 | inner for mark in (0x00005EFE, 0x02005EFE)]
    nat64 = 0x0064FF9B0001 << 80
    wrapped = {
        "itself": private,
        "mapped": IPv6Address(0xFFFF << 32 | inner),
        "compatible": IPv6Address(inner),
        "translated": IPv6Address(0xFFFF << 48 | inner),
        "nat64": IPv6Address(0x0064FF9B << 96 | inner),
        "local nat64, 96": IPv6Address(nat64 | part << 32 | inner),
        "local nat64, 64": IPv6Address(nat64 | part << 64 | inner << 24),
        "local nat64, 48": IPv6Address(nat64 | (inner >> 16) << 64 | (inner & 0xFFFF) << 40),
        "6to4": IPv6Address(0x2002 << 112 | inner << 80 | high << 32 | low),
        "teredo's server": IPv6Address(0x20010000 << 96 | inner << 64 | low),
        "teredo's client": IPv6Address(0x20010000 << 96 | high << 64 | inner ^ 0xFFFFFFFF),
        "isatap": IPv6Address(isatap[0]),
        "isatap, global": IPv6Address(isatap[1]),
    }
    assert {name for name, address in wrapped.items() if passes(Guard(), address)} == set()
    urls = {
        f"https://[{address}]/" if isinstance(address, IPv6Address) else f"https://{address}/"
        for address in wrapped.values()
    }
    assert {refused(Guard(), url) for url in urls} == {"address"}


@given(privates, halves)
def test_what_is_wrapped_is_asked_for_even_where_the_wrapper_is_opened(private: IPv4Address, low: int) -> None:
    """An operator who opens 6to4, Teredo or a local NAT64 has not opened the loopback interface behind it."""
    guard = Guard(["2002::/16", "2001::/32", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fd00::/16"])
    inner = int(private)
    wrapped = [
        0x2002 << 112 | inner << 80 | low,
        0x20010000 << 96 | inner << 64 | 0xF7F7F7F7,
        0x20010000 << 96 | 0x08080808 << 64 | inner ^ 0xFFFFFFFF,
        0x0064FF9B0001 << 80 | inner,
        0x0064FF9B0001 << 80 | (inner >> 16) << 64 | (inner & 0xFFFF) << 40,
        0xFFFF << 48 | inner,
        0xFD000000 << 96 | 0x5EFE << 32 | inner,
        *([inner] if inner > 1 else []),
    ]
    assert [str(IPv6Address(one)) for one in wrapped if passes(guard, IPv6Address(one))] == []


def test_an_opened_wrapper_lets_through_what_is_of_the_world() -> None:
    """So it is the address inside that decides."""
    guard = Guard(["2002::/16", "2001::/32", "64:ff9b:1::/48", "::ffff:0:0:0/96"])
    for text in (
        "2002:808:808::1",
        "2001:0:808:808::f7f7:f7f7",
        "64:ff9b:1::808:808",
        "64:ff9b:1:808:8:800::",
        "::ffff:0:808:808",
    ):
        assert passes(guard, text)
        assert not passes(Guard(), text)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_passes_that_python_calls_private(address: IPv4Address | IPv6Address) -> None:
    """Ours is the stricter list, whatever Python's release."""
    if passes(Guard(), address):
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        assert address.is_global or nat64 or getattr(address, "ipv4_mapped", None) is not None
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_of_ipv4_only_what_is_special_is_refused(address: IPv4Address) -> None:
    """Everything outside the tables passes: the list is not stricter by accident."""
    special = [*PRIVATE, "192.88.99.0/24", "168.63.129.16/32"]
    assert passes(Guard(), address) is not any(address in ipaddress.ip_network(one) for one in special)


# What an operator may open ----------------------------------------------------------------------------------------------


def test_an_operator_opens_a_network_and_nothing_else() -> None:
    """Also behind a mapped address, and by name as well as by number."""
    guard = Guard(["10.1.0.0/16", "fd12:3456::/32"], http=True, ports=[443, 8080])
    for text in ("10.1.0.1", "10.1.255.255", "::ffff:10.1.2.3", "fd12:3456::1", "64:ff9b::10.1.2.3", "8.8.8.8"):
        assert passes(guard, text)
    for text in (
        "10.0.255.255",
        "10.2.0.0",
        "fd12:3457::1",
        "127.0.0.1",
        "::1",
        "64:ff9b::10.2.0.0",
        "169.254.169.254",
    ):
        assert not passes(guard, text)
    assert guard.check_url("http://10.1.0.1:8080/hook") == "http://10.1.0.1:8080/hook"
    assert guard.check_url("http://receiver:80/hook") == "http://receiver/hook"
    assert guard.check_url("https://localhost/") == "https://localhost/"
    assert refused(guard, "http://10.2.0.1/") == "address"


def test_some_addresses_no_operator_opens() -> None:
    """The cloud's own services, link-local, multicast and this host's nowhere, whatever network is listed."""
    guard = Guard(["0.0.0.0/0", "::/0"])
    closed = ["0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255",
              "::", "fe80::1", "ff02::1", "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::"]  # fmt: skip
    assert [text for text in closed if passes(guard, text)] == []
    assert [text for text in ("10.0.0.1", "127.0.0.1", "::1", "fc00::1") if not passes(guard, text)] == []


def test_a_zone_belongs_to_no_public_address() -> None:
    """fe80::1%eth0 names an interface of this machine; so does any address with a zone."""
    assert not passes(Guard(["2000::/16"]), "2000::1%eth0")
    assert not passes(Guard(), "2606:4700::1111%1")
    assert not passes(Guard(), "no address")


def test_http_and_ports_are_the_operators_choice() -> None:
    """Neither is open by itself; http brings port 80 with it."""
    assert refused(Guard(), "http://example.org/") == "scheme"
    with pytest.raises(Forbidden, match="COMITY_WEBHOOK_HTTP"):
        Guard().check_url("http://example.org/")
    assert Guard(http=True).check_url("http://example.org:80/") == "http://example.org/"
    assert Guard(http=True).check_url("http://example.org:443/") == "http://example.org:443/"
    assert Guard(ports=[443, 8443]).check_url("https://example.org:8443/") == "https://example.org:8443/"
    assert refused(Guard(ports=[8443]), "https://example.org/") == "port"
    assert refused(Guard(http=True), "ftp://example.org/") == "scheme"


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "8.0.0.0/7",
        "::/0",
        "2000::/3",
        "fc00::/6",
        "::/128",
        "169.254.1.0/24",
        "ff02::/16",
        "x",
        "10.0.0.1/8",
    ],
)
def test_a_network_that_cannot_be_meant_is_not_read(text: str) -> None:
    """Half the internet, link-local and multicast, or no network at all."""
    with pytest.raises(ValueError):
        network(text)


def test_every_inward_address_of_the_corpus_is_refused_where_a_socket_is_made_too() -> None:
    """The address alone, without its URL."""
    assert [text for text in INWARD if passes(Guard(), text.strip("[]"))] == []
