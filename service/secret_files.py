"""The files of secrets that docker-compose.yml hands to its containers, each with the few that it needs.

Whoever has them all: `python -m service secrets` writes them once, as a tar archive, for `docker/make-secrets`.
"""

import json
import tarfile
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO

from service.store.roles import ROLES

OWNER, DATABASE, USER = "comity_owner", "comity", "comity"
POSTGRES, VALKEY = "postgres:5432", "valkey:6379"  # as the services are called on their networks
#: What Celery's transport uses; the same as in service/embedded/valkey.py, which a test compares.
RIGHTS = "+@read +@write +@connection +@transaction +@pubsub +@scripting -@dangerous -@admin +info"


def make(keys: Mapping[str, str], token: Callable[[], str]) -> dict[str, str]:
    """Names and contents. keys: the service's keys, by the name of their file; token: makes a password."""
    passwords = {role: token() for role in (OWNER, *ROLES)}
    urls = {role: f"postgresql://{role}:{password}@{POSTGRES}/{DATABASE}" for role, password in passwords.items()}
    broker = token()
    return {
        **keys,
        "postgres_password": token(),
        "owner_password": passwords[OWNER],
        "role_passwords": json.dumps({role: passwords[role] for role in ROLES}),
        **{f"{role.removeprefix('comity_')}_database_url": url for role, url in urls.items()},
        "valkey_password": broker,
        "valkey_users": users(broker),
        "broker_url": f"redis://{USER}:{broker}@{VALKEY}/0",
    }


def users(password: str) -> str:
    """Valkey's list of users: one with the rights that rings need, and the one without a name off."""
    digest = sha256(password.encode()).hexdigest()
    default = "user default off resetpass resetkeys resetchannels -@all"
    return f"{default}\nuser {USER} on #{digest} ~* &* -@all {RIGHTS}"


def write(files: Mapping[str, str], out: BinaryIO) -> None:
    """A tar archive of the files. Anybody may read them, as containers do; their folder keeps people out."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            raw = f"{content}\n".encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(raw), 0o444, int(time.time())
            archive.addfile(entry, BytesIO(raw))
