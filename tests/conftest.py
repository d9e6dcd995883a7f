"""Real servers for every test: one PostgreSQL and one Valkey a session, a database of its own a test."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from service import embedded
from tests import world as worlds
from tests.suites import Clock
from tests.world import World

settings.register_profile(
    "tests",
    deadline=None,
    print_blob=True,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")
_names = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Every run is timed by suite."""
    config.pluginmanager.register(Clock(), "suites")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that the servers' own user can reach."""
    made = Path(tempfile.mkdtemp(prefix="comity-tests-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(folder: Path) -> Iterator[embedded.Servers]:
    """PostgreSQL and Valkey, as `make run` starts them."""
    started = embedded.start(folder / "data", progress=lambda _: None)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def template(servers: embedded.Servers) -> str:
    """The name of a migrated, empty database that tests copy."""
    worlds.migrate(servers.owner_url)
    return psycopg.conninfo.conninfo_to_dict(servers.owner_url)["dbname"]


@pytest.fixture(scope="session")
def new_database(servers: embedded.Servers, template: str) -> Callable[[], str]:
    """Makes a fresh copy of the empty service's database; returns the owner's URL of it."""

    def make() -> str:
        name = f"test_{os.getpid()}_{next(_names)}"
        with psycopg.connect(servers.superuser_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER comity_owner").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
            for role in worlds.PASSWORDS:
                connection.execute(
                    sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(role))
                )
        return urlsplit(servers.owner_url)._replace(path=f"/{name}").geturl()

    return make


@pytest.fixture
def owner_url(new_database: Callable[[], str]) -> str:
    """A database of the test's own, migrated and empty, as its owner."""
    return new_database()


@pytest.fixture
def make_world(new_database: Callable[[], str], servers: embedded.Servers) -> Iterator[Callable[..., World]]:
    """Makes worlds, each on a database of its own; settings by attribute name."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World.make(new_database(), servers.broker_url, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A whole small service with a site, its keys and a model that does what texts say."""
    return make_world()
