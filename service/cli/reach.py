"""How a command finds its database: the one that is named, or the one that `make run` started here."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.cli.exits import Exit, Stop
from service.embedded.errors import StartError
from service.embedded.files import read_own
from service.embedded.folder import default_data, look, sockets_of
from service.embedded.postgres import DATABASE, OWNER, SUPERUSER, socket_url
from service.embedded.valkey import broker_url
from service.keys import Keys
from service.settings import Settings, SettingsError
from service.store import sites
from service.store.comments import NotFound
from service.store.database import Busy, Connection, Forbidden, Unavailable, single
from service.store.revision import current, newest
from service.store.sites import Site

CHECKOUT = Path(__file__).resolve().parents[2]
BY = "cli"  # as whom decisions, bans and policies remember a command


@dataclass(frozen=True, slots=True)
class Place:
    """What a command knows of the service around it.

    url: the database as its owner; empty while the embedded server does not run. superuser_url: of an embedded one.
    broker_url: of the embedded broker.
    secrets: what the data folder's secrets.json holds, if there is one.
    """

    settings: Settings
    data: Path
    environ: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    url: str = field(repr=False)
    superuser_url: str = field(default="", repr=False)
    broker_url: str = field(default="", repr=False)

    @property
    def own_server(self) -> bool:
        """Whether the database is one that COMITY_DATABASE_URL names."""
        return bool(self.settings.database_url)

    def index_key(self) -> bytes:
        """The key by which authors are recognised. Raises Stop."""
        key = self.settings.index_key or self._kept("COMITY_INDEX_KEY").index_key
        if not key:
            raise Stop(
                "Addresses and domains are kept as keyed indexes only: set COMITY_INDEX_KEY to the service's key.",
                Exit.SETTINGS,
            )
        return key

    def keys(self) -> Keys:
        """The keys derived from the service's secret key. Raises Stop."""
        key = self.settings.secret_key or self._kept("COMITY_SECRET_KEY").secret_key
        if not key:
            raise Stop(
                "Secrets of webhooks are kept sealed: set COMITY_SECRET_KEY to the service's key.", Exit.SETTINGS
            )
        return Keys(key)

    def _kept(self, name: str) -> Settings:
        """Settings in which this one is as the data folder's secrets.json has it. Raises Stop."""
        try:
            return Settings.read({name: self.secrets[name]} if name in self.secrets else {}, "run")
        except SettingsError as error:
            raise Stop(str(error), Exit.SETTINGS) from None


def find() -> Place:
    """The service that commands are about. Raises Stop."""
    place = look_around()
    if place.url:
        return place
    raise Stop(_why_not(place.data, place.secrets), _code(place))


def environment() -> dict[str, str]:
    """What this process was given."""
    return dict(os.environ)


def look_around() -> Place:
    """The same, be its database there or not. Raises Stop for wrong settings."""
    environ = environment()
    try:
        settings = Settings.read(environ, "run")
    except SettingsError as error:
        raise Stop(str(error), Exit.SETTINGS) from None
    return around(settings, environ)


def around(settings: Settings, environ: Mapping[str, str]) -> Place:
    """The place that these settings speak of."""
    data = default_data(CHECKOUT, {"COMITY_DATA": settings.data})
    secrets = secrets_of(data)
    sockets = _sockets(data)
    broker = _broker(sockets, secrets)
    if settings.database_url:
        return Place(settings, data, environ, secrets, settings.database_url, broker_url=broker)
    if sockets is None or not {OWNER, SUPERUSER} <= set(secrets) or not (sockets / ".s.PGSQL.5432").exists():
        return Place(settings, data, environ, secrets, "", broker_url=broker)
    owner, superuser = (socket_url(role, secrets[role], sockets, name) for role, name in _ROLES)
    return Place(settings, data, environ, secrets, owner, superuser, broker)


_ROLES = ((OWNER, DATABASE), (SUPERUSER, SUPERUSER))


def _sockets(data: Path) -> Path | None:
    try:
        return sockets_of(look(data))
    except (OSError, StartError):
        return None


def _broker(sockets: Path | None, secrets: Mapping[str, str]) -> str:
    return broker_url(secrets["valkey"], sockets) if sockets is not None and "valkey" in secrets else ""


def answers(place: Place) -> bool:
    """Whether the database takes connections now."""
    try:
        with single(place.url, "command"):
            return True
    except (Unavailable, Busy):
        return False


def secrets_of(data: Path) -> dict[str, str]:
    """What the secrets.json of a data folder holds; nothing where there is none, or where it is not ours."""
    return read_own(data / "secrets.json") or {}


def _why_not(data: Path, secrets: Mapping[str, str]) -> str:
    if secrets:
        return f"The servers of {data} do not run: start them with `make run`."
    if os.path.lexists(data / "secrets.json"):
        return f"{data}/secrets.json belongs to another user: run this command as that user."
    return (
        f"There is no Comity in {data}: start it with `make run`, "
        "name its folder with COMITY_DATA, or a database with COMITY_DATABASE_URL."
    )


def _code(place: Place) -> Exit:
    foreign = not place.secrets and os.path.lexists(place.data / "secrets.json")
    return Exit.NO_PERMISSION if foreign else Exit.UNAVAILABLE


@contextmanager
def database(place: Place | None = None) -> Iterator[Connection]:
    """The database as its owner, each statement a transaction of its own. Raises Stop for whatever it refuses."""
    place = place or find()
    with explained(place), single(place.url, "command") as connection:
        _check_release(place)
        yield connection


@contextmanager
def transaction(place: Place | None = None) -> Iterator[Connection]:
    """The same, as one transaction."""
    with database(place) as connection, connection.transaction():
        yield connection


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Turns what the database refuses inside into its sentence."""
    try:
        yield
    except Unavailable:
        raise Stop(_silent(place), Exit.UNAVAILABLE) from None
    except Busy:
        raise Stop("Another transaction holds what this command needs: try again in a moment.", Exit.BUSY) from None
    except Forbidden:
        raise Stop(
            "The role in COMITY_DATABASE_URL may not do this: name the owner of the database.", Exit.NO_PERMISSION
        ) from None


def _silent(place: Place) -> str:
    if place.own_server:
        return (
            "The database in COMITY_DATABASE_URL does not answer, or does not let us in: check the URL and its server."
        )
    return f"The servers of {place.data} do not answer: start them with `make run`."


def _check_release(place: Place) -> None:
    version = current(place.url)
    if version is None:
        raise Stop("The database is empty: run `comity migrate`, or `make run`, first.", Exit.DATA)
    if version != newest():
        raise Stop(
            f"The database is at schema {version} and this release works with {newest()}: run `comity migrate`.",
            Exit.DATA,
        )


def site_of(connection: Connection, name: str | None) -> Site:
    """The site of this name; without a name, the only one there is. Raises Stop."""
    if name is not None:
        try:
            return sites.site_named(connection, name)
        except NotFound:
            raise Stop(f"There is no site {name!r}: `comity site list` shows those there are.") from None
    every = sites.sites(connection)
    if len(every) == 1:
        return every[0]
    if not every:
        raise Stop("There is no site yet: make one with `comity site add`.")
    raise Stop("There are several sites: name one with --site (`comity site list` shows them).", Exit.USAGE)
