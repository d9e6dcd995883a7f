"""What is done once before a start: `python -m service.setup migrate|demo|keys|secrets`."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service import demo as demo_site
from service import secret_files
from service.settings import Settings, SettingsError
from service.store import migrate as migrations
from service.store import roles

EX_USAGE, EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 64, 69, 77, 78


def migrate() -> int:
    """Roles, then schema."""
    url = Settings.read(os.environ, "migrate").database_url
    given = "" if sys.stdin.isatty() else sys.stdin.read()
    roles.ensure(url, json.loads(given) if given.strip() else {})
    if migrations.upgrade(url):
        print("The database was brought to this release.")
    elif migrations.newer(migrations.current(url)):
        print("The database is at a newer release; the one just before it runs on it too.")
    else:
        print("The database is at this release.")
    return 0


def demo() -> int:
    """The demo site; prints null when it exists."""
    settings = Settings.read(os.environ, "migrate")
    print(json.dumps(demo_site.ensure(settings.database_url, settings.public_url)))
    return 0


def keys() -> int:
    """Fresh keys, one `NAME=value` a line; the private key's line is a comment."""
    fresh = _fresh_keys()
    private = fresh.pop("contact_private_key")
    for name, value in fresh.items():
        print(f"COMITY_{name.upper()}={value}")
    print(f"# the private key opens every address; keep it off the machines that run these processes: {private}")
    return 0


def secret_archive() -> int:
    """A tar archive of all secret files that docker-compose.yml names, with fresh secrets."""
    if sys.stdout.isatty():
        return _say("Nobody wants a tar archive on a screen: `docker/make-secrets` unpacks it.", EX_USAGE)
    secret_files.write(secret_files.make(_fresh_keys(), lambda: secrets.token_hex(32)), sys.stdout.buffer)
    return 0


def _fresh_keys() -> dict[str, str]:
    """The service's keys by the name of their setting, and the private half of the last one."""
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "secret_key": secrets.token_hex(32),
        "index_key": secrets.token_hex(32),
        "contact_public_key": _base64(public),
        "contact_private_key": _base64(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())),
    }


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


COMMANDS: Mapping[str, Callable[[], int]] = {
    "migrate": migrate,
    "demo": demo,
    "keys": keys,
    "secrets": secret_archive,
}


def main(arguments: list[str]) -> int:
    """Run one command; every failure is one sentence."""
    command = COMMANDS.get(arguments[0]) if len(arguments) == 1 else None
    if command is None:
        return _say(f"usage: python -m service {'|'.join(COMMANDS)}", EX_USAGE)
    try:
        return command()
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
