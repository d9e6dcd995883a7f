"""A service whose settings or servers are unsafe is not let pass: each is named."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.faults.house import ROOT, House, wait_for
from tests.lab.campaign import Outcome
from tests.lab.laboratory import Lab
from tests.world import as_role, environment

ANOTHER = "33cc" * 4 + "".join(f"{n:02x}" for n in range(1, 25))  # a good secret that is not the house's

#: Whether processes look at the servers before they start, as well as at their settings.
LOOKS_FIRST = (ROOT / "service/preflight.py").exists()


@dataclass(frozen=True)
class Unsafe:
    """Something unsafe: the name by which it is refused, and how it comes about.

    server: settings of PostgreSQL. broker: settings of Valkey. grant, revoke: SQL. environ: the process's environment,
    None for what is not set. kind: a process that refuses to start with it, under the name that it `says`. doctor: whether
    `comity doctor` fails, too.
    """

    name: str
    server: Mapping[str, str] = field(default_factory=dict)
    broker: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    grant: str = ""
    revoke: str = ""
    environ: Mapping[str, str | None] = field(default_factory=dict)
    kind: str = "web"
    says: str = ""
    doctor: bool = True


UNSAFE = (
    Unsafe("fsync", server={"fsync": "off"}),
    Unsafe("full_page_writes", server={"full_page_writes": "off"}),
    Unsafe("synchronous_commit", server={"synchronous_commit": "off"}),
    Unsafe("max_connections", environ={"COMITY_WEB_PROCESSES": "32"}),
    Unsafe("maxmemory-policy", broker={"maxmemory-policy": ("allkeys-lru", "noeviction")}),
    Unsafe(
        "role comity_web",
        grant="GRANT SELECT ON contacts.contact TO comity_web",
        revoke="REVOKE SELECT ON contacts.contact FROM comity_web",
    ),
    Unsafe("index key", says="COMITY_INDEX_KEY", environ={"COMITY_INDEX_KEY": ANOTHER}),
    Unsafe("model", environ={"COMITY_MODEL": "{altered}"}, kind="worker"),
    Unsafe("COMITY_SECRET_KEY", environ={"COMITY_SECRET_KEY": None}, doctor=False),
    Unsafe("COMITY_SECRET_KEY", environ={"COMITY_SECRET_KEY": "secret" * 8}, doctor=False),
    Unsafe("COMITY_CONTACT_PUBLIC_KEY", environ={"COMITY_CONTACT_PUBLIC_KEY": None}, doctor=False),
    Unsafe("COMITY_BROKER_URL", environ={"COMITY_BROKER_URL": None}, kind="worker", doctor=False),
    Unsafe("COMITY_DATABASE_URL", environ={"COMITY_DATABASE_URL": None}, kind="relay", doctor=False),
)


def unsafe(lab: Lab, factor: float) -> Outcome:
    """One after the other; a service without any is the proof that it is not the whole that is refused."""
    lab.start("web")  # the database meets the index key
    lab.house.kill("web")
    found = Outcome(f"{len(UNSAFE)} unsafe settings", "")
    named, _ = _doctor(lab.house, {})
    found.demand(not named, "what is safe is not refused", f"refused: {named}")
    refused, asked = 0, 0
    for one in UNSAFE:
        with _made(lab.house, one):
            environ = {name: value and value.format(altered=_altered(lab.house)) for name, value in one.environ.items()}
            answers = [_doctor(lab.house, environ)] if one.doctor else []
            if LOOKS_FIRST or not one.doctor:
                answers.append(_start(lab.house, one.kind, environ))
        for names, code in answers:
            asked += 1
            good = code != 0 and bool({one.name, one.says or one.name} & set(names))
            refused += good
            found.demand(good, "each refused by name", f"{one.name}: {names}, exit code {code}")
    found.found = f"{refused} of {asked} refusals by name, by `comity doctor` and by the processes themselves"
    return found


@contextmanager
def _made(house: House, one: Unsafe) -> Iterator[None]:
    """The servers with it, and as they were afterwards."""
    with psycopg.connect(house.servers.superuser_url, autocommit=True) as connection:
        for name, value in one.server.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
        for name, (value, _) in one.broker.items():
            house.servers.broker_command("CONFIG", "SET", name, value)
        if one.grant:
            house.execute(one.grant)
        _wait_for_settings(house, one.server)
        try:
            yield
        finally:
            for name in one.server:
                connection.execute(f"ALTER SYSTEM RESET {name}")
            connection.execute("SELECT pg_reload_conf()")
            for name, (_, value) in one.broker.items():
                house.servers.broker_command("CONFIG", "SET", name, value)
            if one.revoke:
                house.execute(one.revoke)


def _wait_for_settings(house: House, wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        shown, is_so = f"SHOW {name}", [(value,)]
        wait_for(lambda shown=shown, is_so=is_so: house.rows(shown) == is_so, 10, f"{name} is {value}")


def _environ(house: House, url: str, changes: Mapping[str, str | None]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMITY_")}
    given = environment(house.servers.owner_url, house.servers.broker_url)
    own = {**given, "COMITY_DATABASE_URL": url, "COMITY_DATA": str(house.folder / "none"), **changes}
    return {**kept, **{name: value for name, value in own.items() if value is not None}}


def _doctor(house: House, changes: Mapping[str, str | None]) -> tuple[list[str], int]:
    """What `comity doctor` calls bad, and its exit code."""
    done = _run(_environ(house, house.servers.owner_url, changes), "doctor", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [line["about"] for line in lines if line["level"] == "fail"], done.returncode


def _start(house: House, kind: str, changes: Mapping[str, str | None]) -> tuple[list[str], int]:
    """What a process names when it refuses to start, and its exit code."""
    done = _run(_environ(house, as_role(house.servers.owner_url, f"comity_{kind}"), changes), kind)
    said = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
    return [line.partition(":")[0] for line in said] + [line.partition(" ")[0] for line in said], done.returncode


def _run(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *words]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)


def _altered(house: House) -> str:
    """The path of a model whose bytes are not those that were recorded."""
    path = house.folder / "altered.model"
    shipped = ROOT / "classifier/model/english.model"
    content = bytearray(shipped.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.with_suffix(".model.sha256").write_bytes(shipped.with_suffix(".model.sha256").read_bytes())
    return str(path)
