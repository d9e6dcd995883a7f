"""E-mail addresses: the one module that holds one in clear, and only for the length of a call.

Whoever steals the index key *and* the contacts table can still test guessed addresses against it: that is the price of
recognising an author. Without the key the indexes say nothing; without the private key the sealed part says nothing.
"""

import ipaddress
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

import disposable_email_domains
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.domain.mac import mac
from service.domain.submission import SealedContact

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_BLOCK = 64  # addresses are padded to a multiple of this, so that the ciphertext's length tells little


class SealError(Exception):
    """Raised when a sealed contact does not open with the given key for the given site and comment."""


@dataclass(frozen=True, slots=True)
class Indexer:
    """Recognises authors and domains by keyed indexes, which say nothing without the key."""

    index_key: bytes

    @property
    def fingerprint(self) -> bytes:
        """16 bytes by which a database knows the index key again."""
        return mac(self.index_key)(b"comity fingerprint")[:16]

    def author_index(self, address: str, site_id: UUID) -> bytes:
        """By what the author with this validated `address` is known again on a site."""
        return self.index("author", site_id, address.casefold())

    def domain_index(self, domain: str, site_id: UUID) -> bytes:
        """By what addresses of `domain` are known again on a site, whether it is written in Unicode or for DNS."""
        return self.index("domain", site_id, _for_dns(domain.casefold()))

    def index(self, purpose: str, site_id: UUID, value: str) -> bytes:
        """16 bytes of HMAC-SHA-256 over `value`, different for each site and purpose."""
        message = b"\0".join((purpose.encode(), site_id.bytes, value.encode()))
        return mac(self.index_key)(message)[:16]


@dataclass(frozen=True, slots=True)
class Sealer:
    """Turns an address into what may be stored. Holds the public key and the index key, never the private key."""

    public_key: X25519PublicKey
    index_key: bytes

    @property
    def key_id(self) -> str:
        """The short name of the public key, kept beside each sealed contact."""
        return key_id(self.public_key)

    @property
    def fingerprint(self) -> bytes:
        """16 bytes by which a database knows the index key again."""
        return Indexer(self.index_key).fingerprint

    def seal(self, address: str, site_id: UUID, comment_id: UUID) -> SealedContact:
        """The sealed contact of a validated `address`, bound to its site and comment."""
        domain = address.rpartition("@")[2].casefold()
        return SealedContact(
            key_id=self.key_id,
            sealed=_SUITE.encrypt(_pad(address.encode()), self.public_key, info=_binding(site_id, comment_id)),
            author_index=self.author_index(address, site_id),
            domain_index=self.domain_index(domain, site_id),
            domain_class=domain_class(domain),
        )

    def author_index(self, address: str, site_id: UUID) -> bytes:
        """By what the author with this validated `address` is known again on a site."""
        return Indexer(self.index_key).author_index(address, site_id)

    def domain_index(self, domain: str, site_id: UUID) -> bytes:
        """By what addresses of `domain` are known again on a site, whether it is written in Unicode or for DNS."""
        return Indexer(self.index_key).domain_index(domain, site_id)


def open_sealed(sealed: bytes, private_key: X25519PrivateKey, site_id: UUID, comment_id: UUID) -> str:
    """The address in `sealed`. Only the mailer and the rights desk hold the key for this.

    Raises SealError when key, site or comment is not the one it was sealed for.
    """
    try:
        padded = _SUITE.decrypt(sealed, private_key, info=_binding(site_id, comment_id))
    except Exception:
        raise SealError("the sealed contact does not open with this key for this site and comment") from None
    return padded.rstrip(b"\0").decode()


def key_id(public_key: X25519PublicKey) -> str:
    """8 hexadecimal digits that name a public key."""
    return sha256(public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:8]


def key_id_of(public_key: bytes) -> str:
    """The same, of a key in its 32 raw bytes."""
    return key_id(X25519PublicKey.from_public_bytes(public_key))


def network_prefix(address: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of an IP address; an IPv4 address inside IPv6 counts as IPv4.

    Raises ValueError when `address` is no IP address.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ipaddress.IPv6Address(int(ip))  # drops a zone
    if isinstance(ip, ipaddress.IPv4Address):
        first, second, third, _ = ip.packed
        return f"{first}.{second}.{third}.0/24"
    return str(ipaddress.ip_network((ip, 48), strict=False))


def _for_dns(domain: str) -> str:
    try:
        return domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        return domain


def _binding(site_id: UUID, comment_id: UUID) -> bytes:
    return b"comity contact 1" + site_id.bytes + comment_id.bytes


def _pad(plain: bytes) -> bytes:
    return plain + b"\0" * (-len(plain) % _BLOCK)


#: Large providers that give anybody an address; a list of ours, kept short.
FREE_DOMAINS = frozenset(
    """
    126.com 163.com aol.com bk.ru comcast.net daum.net duck.com fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch
    gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr hotmail.it
    hushmail.com icloud.com inbox.ru kakao.com laposte.net libero.it list.ru live.com live.fr mac.com mail.com mail.de
    mail.ru mailbox.org me.com msn.com nate.com naver.com o2.pl orange.fr outlook.com outlook.de outlook.fr pm.me
    posteo.de posteo.net proton.me protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com seznam.cz sina.com
    t-online.de terra.com.br tuta.com tutanota.com uol.com.br virgilio.it wanadoo.fr web.de wp.pl yahoo.co.in
    yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru
    ya.ru ymail.com zoho.com
    """.split()  # noqa: SIM905
)


def domain_class(domain: str) -> str:
    """ "disposable" for a throw-away provider (by the installed list), "free" for a large public one, else "own"."""
    labels = domain.split(".")
    if any(".".join(labels[start:]) in disposable_email_domains.blocklist for start in range(len(labels) - 1)):
        return "disposable"
    return "free" if domain in FREE_DOMAINS else "own"
