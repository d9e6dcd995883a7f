"""The command line. Commands that are processes become them, so that none carries what another one needs; the others
live in rooms, one noun each, which are loaded when they are asked for.
"""

import os
import sys
from typing import NoReturn

import click

from service.cli.rooms import Rooms

ROOMS = {
    "site": "Websites that embed us: list, add, show, change.",
    "key": "Secret keys of a site: list, add, revoke.",
    "token": "Admins' and moderators' tokens: list, add, revoke.",
    "user": "People who moderate: list, add, revoke.",
    "policy": "What a site lets pass: check, test, try, set, roll back; its word lists.",
    "ban": "From whom a site takes no comments: list, add, lift.",
    "webhook": "Where a site is told what happens: list, add, rotate, test, deliveries, retry.",
    "queue": "Comments that wait for a moderator: list, show.",
    "comment": "One comment: show, publish, reject, flag.",
    "job": "Work that needs a clock: list, run.",
    "doctor": "Check every setting and server, and say what to change.",
    "backup": "Write the database to a file.",
    "restore": "Read the database back from a file, or verify that one can.",
    "classifier": "The model: info, score, explain, evaluate, train, second.",
}


@click.group(cls=Rooms, rooms=ROOMS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """Comity: comments in, decided comments out.

    Commands speak to the database itself: the one in COMITY_DATABASE_URL (as its owner), or the one that `make run`
    started from this folder. Add --json to a command to get its answer for a program.
    """


@main.command()
def run() -> None:
    """Start everything: database, broker, web, worker and relays; Ctrl-C stops it."""
    _become("service.run")


@main.command()
def web() -> None:
    """Serve the API and the pages."""
    _become("service.preflight", "web")


@main.command()
def worker() -> None:
    """Judge comments when a ring says that there are some."""
    _become("service.preflight", "worker")


@main.command()
def relay() -> None:
    """Ring for due comments, and judge them when no worker does."""
    _become("service.preflight", "relay")


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
