"""Who calls, and what they may do: every route declares a right, and this is where it is asked for."""

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from service.keys import Keys, token_digest, token_id
from service.store import sessions, sites
from service.store.comments import NotFound
from service.store.database import Busy, Database, Unavailable
from service.store.sites import Site, Token
from service.web.errors import Problem

REMEMBERED = 2.0  # seconds: how long a revoked token, or a session that was signed out, may still work
_MOST = 10_000

Found = TypeVar("Found")


class Right(Enum):
    """What a route asks of its caller."""

    PUBLIC = "everybody"
    PUBLIC_OR_READ = "everybody; more with a secret key (scope read)"
    SUBMIT = "a secret key (scope submit)"
    READ = "a secret key (scope read)"
    MANAGE = "a secret key (scope manage)"
    STATUS = "the comment's status token, or a secret key (scope read)"
    VIEW = "a moderator token (viewer)"
    MODERATE = "a moderator token (moderator)"
    ADMIN = "an admin token"


_SCOPES = {
    Right.SUBMIT: "submit",
    Right.READ: "read",
    Right.MANAGE: "manage",
    Right.STATUS: "read",
    Right.PUBLIC_OR_READ: "read",
}
_LEVELS = {"viewer": 1, "moderator": 2, "lead": 3}
_LEVEL_OF = {Right.VIEW: 1, Right.MODERATE: 2}
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="comity"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. site: the secret key's own. sites: where a moderator may do what the route asks for."""

    token: Token | None = None
    site: Site | None = None
    sites: Sequence[UUID] = ()
    by_status_token: bool = False

    @property
    def token_id(self) -> str | None:
        """The id of the caller's stored token, for the record."""
        return None if self.token is None else self.token.id


class Gate:
    """Turns a bearer token into a Caller with the right asked for, or into a problem."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._memory = Memory()

    def admit(self, right: Right, bearer: str | None, comment_id: UUID | None = None) -> Caller:
        """The caller behind `bearer`, allowed to do what `right` says. Raises Problem 401 or 403."""
        if right is Right.PUBLIC or (right is Right.PUBLIC_OR_READ and bearer is None):
            return Caller()
        if bearer is None:
            raise Problem("unauthorized", f"Send {right.value} as Authorization: Bearer.", headers=_CHALLENGE)
        if right is Right.STATUS and bearer.startswith("comity_st_"):
            if comment_id is None or not self._keys.opens_status(bearer, comment_id):
                raise Problem("unauthorized", "This status token is not of this comment.", headers=_CHALLENGE)
            return Caller(by_status_token=True)
        return self._caller(right, self.token(bearer))

    def token(self, bearer: str) -> Token:
        """The live token behind `bearer`. Raises Problem 401."""
        name = token_id(bearer)
        found = None if name is None else self._known(name)
        if found is None or not hmac.compare_digest(found.digest, token_digest(bearer)):
            raise Problem("unauthorized", "This token is not known here. Check that it is whole.", headers=_CHALLENGE)
        return _live(found)

    def returning(self, right: Right, name: str) -> Caller:
        """The caller whose token has the id `name`, shown when their session began. Raises Problem 401 or 403."""
        found = self._known(name)
        if found is None:
            raise Problem("unauthorized", "This token is not known here any more.", headers=_CHALLENGE)
        return self._caller(right, _live(found))

    def ended(self, nonce: bytes) -> bool:
        """Whether a session was signed out, here or in another web process some seconds ago."""

        def read() -> bool:
            with self._database.connection() as connection:
                return sessions.ended(connection, nonce)

        return self._memory.get(("session", nonce), read)

    def end(self, nonce: bytes) -> None:
        """Sign a session out: here at once, in other web processes as soon as they forget what they know of it."""
        with self._database.connection() as connection:
            sessions.end(connection, nonce)
        self.forget()

    def site(self, name: str) -> Site:
        """The site with this public id. Raises Problem 404."""

        def read() -> Site | None:
            with self._database.connection() as connection:
                try:
                    return sites.site_named(connection, name)
                except NotFound:
                    return None

        found = self._memory.get(("site", name), read)
        if found is None:
            raise Problem("not-found", "There is no site of this name. Check the site parameter.")
        return found

    def known_site(self, name: str) -> Site | None:
        """The site with this public id; None without one, or when that cannot be told now.

        All sites are remembered together: whoever asks for many names asks the database no more often.
        """
        try:
            return self._memory.get(("sites by name",), lambda: {site.name: site for site in self._read_sites()}).get(
                name
            )
        except (Unavailable, Busy):
            return None

    def site_by_id(self, site_id: UUID) -> Site:
        """The site of something that was found. Raises NotFound when it is gone."""
        return self._memory.get(("site id", site_id), lambda: self._read_site(site_id))

    def origins(self) -> Collection[str]:
        """The origins of all sites; none when that cannot be told now."""
        try:
            return self._memory.get(
                ("origins",), lambda: frozenset(origin for site in self._read_sites() for origin in site.origins)
            )
        except (Unavailable, Busy):
            return frozenset()

    def forget(self) -> None:
        """Look everything up anew: something was changed through this process."""
        self._memory.clear()

    def _caller(self, right: Right, token: Token) -> Caller:
        if right is Right.ADMIN:
            if token.kind != "admin":
                raise Problem("forbidden", f"This route needs {right.value}.")
            return Caller(token)
        if right in _LEVEL_OF:
            return Caller(token, sites=self._sites(token, right))
        scope = _SCOPES[right]
        if token.kind != "secret_key" or token.site_id is None:
            raise Problem("forbidden", f"This route needs {right.value}.")
        if scope not in token.scopes:
            raise Problem("forbidden", f"This key lacks the scope {scope}. Use one that has it.")
        site = self.site_by_id(token.site_id)
        return Caller(token, site, [site.id])

    def _sites(self, token: Token, right: Right) -> Sequence[UUID]:
        """Where a moderator's token reaches the level of `right`. Raises Problem 403 when nowhere."""
        enough = {site for site, may in token.rights.items() if _LEVELS[may] >= _LEVEL_OF[right]}
        if token.kind != "moderator" or not enough:
            raise Problem("forbidden", f"This route needs {right.value}.")
        if None not in enough:
            return [site for site in enough if site is not None]
        return [site.id for site in self._memory.get(("sites",), self._read_sites)]

    def _known(self, name: str) -> Token | None:
        return self._memory.get(("token", name), lambda: self._read_token(name))

    def _read_token(self, name: str) -> Token | None:
        with self._database.connection() as connection:
            return sites.token(connection, name)

    def _read_site(self, site_id: UUID) -> Site:
        with self._database.connection() as connection:
            return sites.site(connection, site_id)

    def _read_sites(self) -> list[Site]:
        with self._database.connection() as connection:
            return sites.sites(connection)


def _live(token: Token) -> Token:
    if token.revoked or token.expired:
        word = "was revoked" if token.revoked else "has expired"
        raise Problem("unauthorized", f"This token {word}. Ask for a new one.", headers=_CHALLENGE)
    return token


class Memory:
    """Answers remembered for REMEMBERED seconds; the oldest of too many are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def get(self, key: Any, read: Callable[[], Found]) -> Found:
        """What is remembered under `key`, or what `read` says now."""
        now = time.monotonic()
        known = self._known.get(key)
        if known is not None and known[0] > now:
            remembered: Found = known[1]
            return remembered
        found = read()
        with self._lock:
            self._known[key] = (now + REMEMBERED, found)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()


def bearer(header: str | None) -> str | None:
    """The token in an Authorization field; None without one. Raises Problem 401 for another scheme."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unauthorized", "Send the token as Authorization: Bearer.", headers=_CHALLENGE)
    return token.strip()
