"""What is done once before a start: `python -m service.setup migrate|demo|keys [FILE]|secrets`."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service import demo as demo_site
from service import secret_files
from service.embedded.files import write_atomically
from service.settings import Settings, SettingsError
from service.store import migrate as migrations
from service.store import revision, roles

EX_USAGE, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 64, 69, 77, 78


def migrate() -> int:
    """Roles, then schema."""
    url = Settings.read(os.environ, "migrate").database_url
    given = "" if sys.stdin.isatty() else sys.stdin.read()
    roles.ensure(url, json.loads(given) if given.strip() else {})
    if migrations.upgrade(url):
        print("The database was brought to this release.")
    elif revision.newer(revision.current(url)):
        print("The database is at a newer release; the one just before it runs on it too.")
    else:
        print("The database is at this release.")
    return 0


def demo() -> int:
    """The demo site; prints null when it exists."""
    settings = Settings.read(os.environ, "migrate")
    print(json.dumps(demo_site.ensure(settings.database_url, settings.public_url)))
    return 0


def keys(file: str | None = None) -> int:
    """Fresh keys, one `NAME=value` a line; the private key's line is a comment.

    file: where the private key goes instead; one that is there already is kept, and its public half printed.
    """
    try:
        private = X25519PrivateKey.generate() if file is None else _kept(Path(file))
    except (OSError, ValueError) as error:
        return _say(f"{file} cannot hold the private key, or holds another thing ({type(error).__name__}).", EX_CONFIG)
    for name, value in _keys(private).items():
        print(f"COMITY_{name.upper()}={value}")
    if file is None:
        told = "the private key opens every address; keep it off the machines that run these processes"
        print(f"# {told}: {_written(private)}")
    return 0


def secret_archive() -> int:
    """A tar archive of all secret files that docker-compose.yml names, with fresh secrets."""
    if sys.stdout.isatty():
        return _say("Nobody wants a tar archive on a screen: `docker/make-secrets` unpacks it.", EX_USAGE)
    private = X25519PrivateKey.generate()
    fresh = {**_keys(private), "contact_private_key": _written(private)}
    secret_files.write(secret_files.make(fresh, lambda: secrets.token_hex(32)), sys.stdout.buffer)
    return 0


def _keys(private: X25519PrivateKey) -> dict[str, str]:
    """The keys of the processes by the name of their setting: fresh ones, and the public half of `private`."""
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "secret_key": secrets.token_hex(32),
        "index_key": secrets.token_hex(32),
        "contact_public_key": _base64(public),
    }


def _kept(file: Path) -> X25519PrivateKey:
    """The private key in `file`, made if there is none. Raises OSError, ValueError."""
    if file.exists():
        return X25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(file.read_text("ascii").strip() + "="))
    private = X25519PrivateKey.generate()
    write_atomically(file, _written(private).encode() + b"\n")
    return private


def _written(private: X25519PrivateKey) -> str:
    return _base64(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


COMMANDS: Mapping[str, Callable[..., int]] = {
    "migrate": migrate,
    "demo": demo,
    "keys": keys,
    "secrets": secret_archive,
}


def main(arguments: list[str]) -> int:
    """Run one command; every failure is one sentence."""
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None or len(arguments) > 1 + (command is keys):
        return _say(f"usage: python -m service {'|'.join(COMMANDS)} [FILE]", EX_USAGE)
    try:
        return command(*arguments[1:])
    except SettingsError as error:
        return _say(str(error), EX_CONFIG)
    except psycopg.errors.InsufficientPrivilege:
        return _say(
            "The role in COMITY_DATABASE_URL may not do this: let it own the database and create roles.", EX_NOPERM
        )
    except psycopg.OperationalError as error:
        return _say(f"The database in COMITY_DATABASE_URL does not answer ({type(error).__name__}).", EX_UNAVAILABLE)


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
