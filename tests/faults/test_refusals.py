"""Started with what is known to be bad, a process refuses, names it, and says what to change."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
import pytest

from service.preflight import EX_CONFIG
from tests import world as worlds
from tests.faults.house import ROLES, ROOT, House, free_port, house, wait_for
from tests.faults.pooler import without_options

DATABASE = "comity"
OTHER_KEY = "33cc" * 4 + "".join(f"{n:02x}" for n in range(50, 74))


@pytest.fixture(scope="module")
def servers() -> Iterator[House]:
    """Servers that are as they should be, and that have met the index key."""
    with house(web={}) as made:
        made.kill("web")
        yield made


def asked(house: House, *statements: str) -> None:
    """Statements of the superuser, each for itself."""
    with psycopg.connect(house.servers.superuser_url, dbname=DATABASE, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def of_server(house: House, name: str, value: str) -> Iterator[dict[str, str]]:
    """PostgreSQL with another value of a setting."""
    asked(house, f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()")
    _wait_for_setting(house, name, value)
    try:
        yield {}
    finally:
        asked(house, f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
        _wait_for_setting(house, name, "on")


def _wait_for_setting(house: House, name: str, value: str) -> None:
    wait_for(lambda: house.rows(f"SHOW {name}") == [(value,)], 10, f"{name} is {value}")


@contextmanager
def of_role(house: House, change: str, back: str) -> Iterator[dict[str, str]]:
    """A role or a database with a value of its own, or with more power."""
    asked(house, change)
    try:
        yield {}
    finally:
        asked(house, back)


@contextmanager
def of_broker(house: House, name: str, value: str, back: str) -> Iterator[dict[str, str]]:
    """A broker with another value of a setting."""
    house.servers.broker_command("CONFIG", "SET", name, value)
    try:
        yield {}
    finally:
        house.servers.broker_command("CONFIG", "SET", name, back)


@contextmanager
def trusting(house: House) -> Iterator[dict[str, str]]:
    """A server that asks nobody who they are."""
    with psycopg.connect(house.servers.superuser_url) as connection:
        found = connection.execute("SHOW hba_file").fetchone()
    assert found is not None
    file = Path(found[0])
    before = file.read_text()
    file.write_text("local all all trust\n")
    asked(house, "SELECT pg_reload_conf()")
    try:
        yield {}
    finally:
        file.write_text(before)
        asked(house, "SELECT pg_reload_conf()")


@contextmanager
def behind_a_pooler(house: House) -> Iterator[dict[str, str]]:
    """A server behind what keeps our time-outs back."""
    owner = urlsplit(house.servers.owner_url)
    folder = parse_qs(owner.query)["host"][0] if "host" in owner.query else unquote(owner.hostname or "")
    with without_options(f"{folder}/.s.PGSQL.5432") as port:
        name = owner.path.lstrip("/")
        password = worlds.PASSWORDS["comity_worker"]
        yield {"COMITY_DATABASE_URL": f"postgresql://comity_worker:{password}@127.0.0.1:{port}/{name}"}


@contextmanager
def given(house: House, **environ: str) -> Iterator[dict[str, str]]:
    """Other settings of the process; "" takes one away."""
    yield environ


@contextmanager
def altered_model(house: House) -> Iterator[dict[str, str]]:
    """A model file whose hash nobody recorded."""
    file = house.folder / "altered.model"
    file.write_bytes(b"not a model")
    Path(f"{file}.sha256").write_text("0" * 64)
    yield {"COMITY_MODEL": str(file)}


@dataclass(frozen=True)
class Bad:
    """What is made bad, which process is started, and what its refusal has to say."""

    kind: str
    make: Callable[[House], AbstractContextManager[dict[str, str]]]
    says: tuple[str, ...]
    name: str = field(default="")


def _bad(kind: str, name: str, make: Callable[[House], AbstractContextManager[dict[str, str]]], *says: str) -> Bad:
    return Bad(kind, make, (name, *says), name)


BADS = (
    _bad("web", "fsync", lambda h: of_server(h, "fsync", "off"), "Set fsync = on in postgresql.conf"),
    _bad("worker", "full_page_writes", lambda h: of_server(h, "full_page_writes", "off"), "Set full_page_writes = on"),
    _bad("relay", "synchronous_commit", lambda h: of_server(h, "synchronous_commit", "off"), "in postgresql.conf"),
    _bad(
        "web", "synchronous_commit", lambda h: of_role(
            h, "ALTER ROLE comity_web SET synchronous_commit = off", "ALTER ROLE comity_web RESET synchronous_commit"
        ), "ALTER ROLE comity_web RESET",
    ),
    _bad(
        "relay", "synchronous_commit", lambda h: of_role(
            h, f"ALTER DATABASE {DATABASE} SET synchronous_commit = off", f"ALTER DATABASE {DATABASE} RESET ALL"
        ), "ALTER DATABASE",
    ),
    _bad(
        "worker", "default_transaction_isolation", lambda h: of_role(
            h, f"ALTER ROLE comity_worker IN DATABASE {DATABASE} SET default_transaction_isolation = 'serializable'",
            f"ALTER ROLE comity_worker IN DATABASE {DATABASE} RESET ALL",
        ), "ALTER ROLE comity_worker IN DATABASE",
    ),
    _bad(
        "relay", "role comity_relay", lambda h: of_role(
            h, "ALTER ROLE comity_relay SUPERUSER", "ALTER ROLE comity_relay NOSUPERUSER"
        ), "superuser", "ALTER ROLE",
    ),
    _bad(
        "worker", "role comity_worker", lambda h: of_role(
            h, "GRANT SELECT ON contacts.contact TO comity_worker", "REVOKE SELECT ON contacts.contact FROM comity_worker"
        ), "can read contacts.contact", "REVOKE",
    ),
    _bad("web", "authentication", trusting, "trust", "scram-sha-256"),
    _bad("worker", "statement_timeout", behind_a_pooler, "lock_timeout", "idle_in_transaction_session_timeout"),
    _bad("web", "max_connections", lambda h: given(h, COMITY_WEB_THREADS="200"), "Set max_connections ="),
    _bad("web", "COMITY_INDEX_KEY", lambda h: given(h, COMITY_INDEX_KEY=""), "is missing"),
    _bad("web", "COMITY_INDEX_KEY", lambda h: given(h, COMITY_INDEX_KEY=OTHER_KEY), "is not the one"),
    _bad("web", "COMITY_CONTACT_PUBLIC_KEY", lambda h: given(h, COMITY_CONTACT_PUBLIC_KEY=""), "is missing"),
    _bad(
        "relay", "maxmemory-policy", lambda h: of_broker(h, "maxmemory-policy", "allkeys-lru", "noeviction"),
        "Set maxmemory-policy noeviction",
    ),
    _bad("worker", "appendonly", lambda h: of_broker(h, "appendonly", "no", "yes"), "Set appendonly yes"),
    _bad("worker", "model", altered_model, "is not the one recorded", "unset COMITY_MODEL"),
)  # fmt: skip


def start(house: House, kind: str, environ: dict[str, str], seconds: float = 20) -> subprocess.CompletedProcess[str]:
    """Start a process that is to end by itself."""
    settings = worlds.environment(
        house.servers.owner_url, house.servers.broker_url, ROLES[kind], COMITY_PORT=str(free_port())
    )
    settings = {name: value for name, value in {**settings, **environ}.items() if value}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    return subprocess.run(
        [sys.executable, "-m", "service", kind], cwd=ROOT, env={**kept, **settings}, capture_output=True, text=True,
        timeout=seconds, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("bad", BADS, ids=lambda bad: f"{bad.kind}-{bad.name}".replace(" ", "-"))
def test_what_is_known_to_be_bad_is_refused_by_name(servers: House, bad: Bad) -> None:
    """Exit code 78, the name of the setting, and what to change, on standard error."""
    with bad.make(servers) as environ:
        ended = start(servers, bad.kind, environ)
    assert ended.returncode == EX_CONFIG, ended.stderr
    missing = [words for words in bad.says if words not in ended.stderr]
    assert missing == [], ended.stderr


def test_what_cannot_be_reached_is_a_warning(servers: House) -> None:
    """Database and broker are away: all three start, say so, and wait for them."""
    servers.servers.postgres.kill()
    servers.servers.valkey.kill()
    try:
        for kind in ROLES:
            servers.start(kind, wait=False)
        wait_for(lambda: servers.logged("doubtful") >= 6, 30, "each has doubted both")
        wait_for(lambda: servers.logged("web_ready") >= 2, 20, "the web serves")  # the first made the index key known
        wait_for(lambda: servers.logged("relay_ready") >= 1, 20, "the relay goes round")
    finally:
        servers.servers.postgres.start()
        servers.servers.valkey.start()
    wait_for(servers.answers, 20, "the web process is ready")
    servers.settled(servers.submit(3), 30)
    for kind in ROLES:
        servers.kill(kind)


def test_what_is_fine_is_not_doubted(servers: House) -> None:
    """On servers as we set them up nothing is said."""
    servers.log.unlink(missing_ok=True)
    servers.start("web")
    servers.start("relay")
    wait_for(lambda: servers.logged("relay_ready") == 1, 20, "the relay goes round")
    assert servers.logged("doubtful") == 0
    for kind in ("web", "relay"):
        servers.kill(kind)
