"""The command line. Each command becomes the process it names, so that none carries what another one needs."""

import os
import sys
from typing import NoReturn

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Comity: comments in, decided comments out."""


@main.command()
def run() -> None:
    """Start everything: database, broker, web, worker and relays; Ctrl-C stops it."""
    _become("service.run")


@main.command()
def web() -> None:
    """Serve the API and the pages."""
    _become("service.server")


@main.command()
def worker() -> None:
    """Judge comments when a ring says that there are some."""
    _become("workers.worker")


@main.command()
def relay() -> None:
    """Ring for due comments, and judge them when no worker does."""
    _become("workers.relay")


@main.command()
def migrate() -> None:
    """Bring the database to this release: roles, then schema.

    COMITY_DATABASE_URL is the owner's. Passwords for the roles come as a JSON object on standard input, if one is
    given: {"comity_web": "..."}.
    """
    _become("service.setup", "migrate")


@main.command()
def demo() -> None:
    """Make the demo site once, and print its tokens as JSON. COMITY_DATABASE_URL is the owner's."""
    _become("service.setup", "demo")


@main.command()
@click.argument("file", required=False)
def keys(file: str | None) -> None:
    """Print fresh keys for the settings. With FILE, the private key goes there and is not printed."""
    _become("service.setup", "keys", *([file] if file else []))


@main.command()
def secrets() -> None:
    """Write fresh secret files for docker-compose.yml, as a tar archive, to standard output."""
    _become("service.setup", "secrets")


def _become(module: str, *arguments: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is the point
