"""`comity doctor`: what it looks at, what it calls bad, and what it only doubts."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from classifier.model import DEFAULT
from classifier.second import finding
from service import checks
from service.checks import Broker, Disk, Level
from service.cli.exits import Exit
from service.settings import Settings
from service.store.database import wanted
from service.store.inspection import Inspection, Job, Role, Standing
from tests.service.cli.conftest import Answer, Terminal
from tests.world import World

SERVER = {
    "server_version_num": "180006", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
    "max_connections": "100", "superuser_reserved_connections": "3", "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0", "log_statement": "none", "log_error_verbosity": "terse",
    "server_encoding": "UTF8", "default_transaction_isolation": "read committed",
}  # fmt: skip
TINY = Path(__file__).parents[2] / "classifier" / "tiny.tier2"
FINE = Inspection(SERVER, (), "0003")


def by_name(answer: Answer) -> dict[str, dict[str, str]]:
    """The findings of a run."""
    return {row["about"]: row for row in answer.rows}


def test_a_healthy_service_has_doubts_only_about_what_does_not_run(at_world: Terminal, world: World) -> None:
    """The tests' service has no web process; everything else is fine."""
    world.request("GET", "/readyz")
    at_world.done("job", "run", "retention")
    at_world.done("job", "run", "sum_counters")
    answer = at_world("doctor", "--json")
    assert answer.code == Exit.DOUBTS
    assert [row["about"] for row in answer.rows if row["level"] != "ok"] == ["web"]
    found = by_name(answer)
    assert {"settings of web", "fsync", "max_connections", "schema", "role comity_web", "index key", "contact key",
            "queue", "workers", "job retention", "broker", "maxmemory-policy", "model"} <= set(found)  # fmt: skip
    said = at_world("doctor").out
    assert "1 doubtful, 0 bad." in said
    assert "is the one this database began with" in said


def test_a_role_that_can_read_contacts_is_bad(at_world: Terminal, world: World) -> None:
    """And so is one that lacks what it needs."""
    with psycopg.connect(world.owner_url) as connection:
        connection.execute("GRANT SELECT ON contacts.contact TO comity_web")
        connection.execute("REVOKE UPDATE ON comity.job FROM comity_relay")
    answer = at_world("doctor", "--json")
    found = by_name(answer)
    assert answer.code == Exit.NOTHING
    assert found["role comity_web"]["found"] == "can read contacts.contact"
    assert found["role comity_web"]["remedy"] == "REVOKE ALL ON contacts.contact FROM comity_web."
    assert found["role comity_relay"]["found"] == "lacks UPDATE on comity.job"
    assert found["role comity_worker"]["level"] == "ok"


def test_the_servers_own_settings_are_looked_at(at_world: Terminal, world: World, servers: object) -> None:
    """Not those that our connections ask for."""
    name = psycopg.conninfo.conninfo_to_dict(world.owner_url)["dbname"]
    with psycopg.connect(servers.superuser_url, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        connection.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
    found = by_name(at_world("doctor", "--json"))
    assert (found["synchronous_commit"]["level"], found["log_statement"]["level"]) == ("fail", "warn")
    assert found["synchronous_commit"]["remedy"].startswith("ALTER DATABASE ... RESET synchronous_commit")


@pytest.mark.parametrize(
    ("change", "about", "level", "part"),
    [
        ({"COMITY_INDEX_KEY": "33cc" * 4 + "".join(f"{n:02x}" for n in range(120, 144))}, "index key", "fail", "is not the one"),
        ({"COMITY_INDEX_KEY": None}, "settings of web", "warn", "COMITY_INDEX_KEY is not set here"),
        ({"COMITY_WEB_THREADS": "100"}, "max_connections", "fail", "97 for pools of 120"),
        ({"COMITY_BROKER_URL": "redis://127.0.0.1:1/0"}, "broker", "warn", "does not answer"),
        ({"COMITY_MODEL": "/nonexistent/model"}, "model", "fail", "/nonexistent/model"),
        ({"COMITY_DATABASE_URL": "postgresql://x:y@127.0.0.1:1/z"}, "PostgreSQL", "fail", "does not answer"),
        ({"COMITY_DATABASE_URL": None}, "PostgreSQL", "fail", "does not answer"),
        ({"COMITY_WEB_THREDS": "1"}, "settings of web", "fail", "COMITY_WEB_THREDS is not a setting"),
        ({"COMITY_SECRET_KEY": "aa" * 32}, "settings of web", "fail", "COMITY_SECRET_KEY is not random"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_remedy(
    at_world: Terminal, world: World, change: dict[str, str | None], about: str, level: str, part: str
) -> None:
    """Bad, or doubtful when it cannot be known."""
    world.request("GET", "/readyz")
    answer = at_world("doctor", "--json", **change)
    found = by_name(answer)[about]
    assert (found["level"], part in found["found"], bool(found["remedy"])) == (level, True, True)
    assert answer.code == (Exit.NOTHING if level == "fail" else Exit.DOUBTS)


def test_an_altered_model_is_bad(at_world: Terminal, tmp_path: Path) -> None:
    """Its hash is not the recorded one."""
    for source in (DEFAULT, DEFAULT.with_name(f"{DEFAULT.name}.sha256")):
        shutil.copy(source, tmp_path)
    altered = tmp_path / DEFAULT.name
    altered.write_bytes(altered.read_bytes()[:-1] + b"x")
    assert by_name(at_world("doctor", "--json", COMITY_MODEL=str(altered)))["model"]["level"] == "fail"


def test_the_second_tier_is_shown(at_world: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is well; one that is there is named, with what it is asked; a damaged or missing one is bad."""
    monkeypatch.setattr(finding, "DEFAULT", tmp_path / "absent.tier2")

    def found(**settings: str) -> tuple[str, str]:
        row = by_name(at_world("doctor", "--json", **settings))["second tier"]
        return row["level"], row["found"]

    assert found() == ("ok", "none here: the first decides alone")
    for source in (TINY, TINY.with_name(f"{TINY.name}.sha256")):
        shutil.copy(source, tmp_path)
    placed = tmp_path / TINY.name
    level, said = found(COMITY_TIER2_MODEL=str(placed), COMITY_TIER2_BAND="0.2-0.8")
    assert (level, said.startswith("tiny-"), said.endswith("asked from 0.2 to 0.8")) == ("ok", True, True)
    assert found(COMITY_TIER2_MODEL=str(placed), COMITY_TIER2_BAND="off") == ("ok", "turned off")
    placed.write_bytes(placed.read_bytes()[:-1] + b"x")
    level, said = found(COMITY_TIER2_MODEL=str(placed))
    assert (level, "altered" in said) == ("fail", True)
    assert found(COMITY_TIER2_MODEL=str(tmp_path / "absent.tier2"))[0] == "fail"


def test_a_database_of_another_release_is_bad(at_world: Terminal, world: World) -> None:
    """Other commands refuse it."""
    with psycopg.connect(world.owner_url) as connection:
        connection.execute("UPDATE public.comity_version SET version_num = '0001'")
    assert by_name(at_world("doctor", "--json"))["schema"]["remedy"] == "Run `comity migrate`."
    answer = at_world("site", "list")
    assert (answer.code, answer.err.startswith("The database is at schema 0001")) == (Exit.DATA, True)


SETTINGS = Settings.read({}, "run")


@pytest.mark.parametrize(
    ("check", "level"),
    [
        (lambda: list(checks.server(FINE)), Level.OK),
        (lambda: list(checks.server(replace(FINE, server={**SERVER, "server_version_num": "170002"}))), Level.FAIL),
        (lambda: list(checks.server(replace(FINE, server={**SERVER, "fsync": "off"}))), Level.FAIL),
        (lambda: list(checks.server(replace(FINE, server={**SERVER, "full_page_writes": "off"}))), Level.FAIL),
        (lambda: list(checks.server(replace(FINE, server={**SERVER, "log_parameter_max_length": "-1"}))), Level.WARN),
        (lambda: list(checks.server(replace(FINE, server={**SERVER, "server_encoding": "SQL_ASCII"}))), Level.FAIL),
        (lambda: [checks.connections(FINE, SETTINGS)], Level.OK),
        (lambda: [checks.connections(replace(FINE, server={**SERVER, "max_connections": "32"}), SETTINGS)], Level.FAIL),
        (lambda: [checks.schema(FINE, "0003")], Level.OK),
        (lambda: [checks.schema(FINE, "0002")], Level.FAIL),
        (lambda: [checks.schema(replace(FINE, revision=None), "0003")], Level.FAIL),
        (lambda: list(checks.roles(replace(FINE, roles=(Role("comity_web", False),)))), Level.FAIL),
        (lambda: list(checks.roles(replace(FINE, roles=(Role("comity_web", True, False),)))), Level.FAIL),
        (
            lambda: list(checks.roles(replace(FINE, roles=(Role("comity_web", True, True, ("superuser",)),)))),
            Level.FAIL,
        ),
        (lambda: list(checks.roles(replace(FINE, roles=(Role("comity_web", True, True),)))), Level.OK),
        (lambda: list(checks.server(replace(FINE, server={**SERVER, "synchronous_commit": "off"}))), Level.FAIL),
        (
            lambda: list(
                checks.server(replace(FINE, server={**SERVER, "default_transaction_isolation": "serializable"}))
            ),
            Level.FAIL,
        ),
        (lambda: [checks.authentication(FINE)], Level.OK),
        (lambda: [checks.authentication(replace(FINE, authenticated=False))], Level.FAIL),
        (lambda: list(checks.session(Standing(FINE, wanted("web")), "web")), Level.OK),
        (lambda: list(checks.session(Standing(FINE, {**wanted("web"), "lock_timeout": "0"}), "web")), Level.FAIL),
        (lambda: list(checks.own_key(Standing(FINE, {}, True))), Level.OK),
        (lambda: list(checks.own_key(Standing(FINE, {}, False))), Level.FAIL),
        (lambda: list(checks.broker(Broker("Valkey 9", "noeviction", "yes"))), Level.OK),
        (lambda: list(checks.broker(Broker("Valkey 9", "noeviction", "no"))), Level.FAIL),
        (lambda: list(checks.broker(Broker("Valkey 9", "noeviction"))), Level.WARN),
        (lambda: list(checks.broker(Broker("Valkey 9", "unknown", "yes"))), Level.WARN),
        (lambda: list(checks.broker(Broker("Valkey 9", "allkeys-lru", "yes"))), Level.FAIL),
        (lambda: list(checks.broker(None)), Level.WARN),
        (lambda: [checks.queue(replace(FINE, pending=9, oldest=11.0))], Level.WARN),
        (lambda: [checks.workers(replace(FINE, pending=9, oldest=11.0, pulse={"worker": 60.0}))], Level.WARN),
        (lambda: [checks.workers(replace(FINE, pending=9, oldest=11.0, pulse={}))], Level.WARN),
        (lambda: [checks.workers(replace(FINE, pulse={"worker": 3600.0}))], Level.OK),
        (lambda: list(checks.relays(replace(FINE, jobs=(Job("sum", 2.0, 3.0),)))), Level.OK),
        (lambda: list(checks.relays(replace(FINE, jobs=(Job("sum", 2.0, 90.0),)))), Level.WARN),
        (lambda: list(checks.relays(replace(FINE, jobs=(Job("sum", 2.0, None),)))), Level.WARN),
        (lambda: [checks.index_key(replace(FINE, fingerprint=b"a"), b"a")], Level.OK),
        (lambda: [checks.index_key(replace(FINE, fingerprint=b"a"), b"b")], Level.FAIL),
        (lambda: [checks.index_key(FINE, None)], Level.WARN),
        (lambda: [checks.contact_key(replace(FINE, sealed_to=("1", "2")), "2")], Level.WARN),
        (lambda: [checks.disk(Disk("/", 2**20, 2**40))], Level.FAIL),
        (lambda: [checks.disk(Disk("/", 2**30, 2**40))], Level.WARN),
        (lambda: [checks.disk(Disk("/", 2**39, 2**40))], Level.OK),
    ],
)
def test_each_check_knows_good_from_bad(check: Callable[[], list[checks.Finding]], level: Level) -> None:
    """Whatever is not fine says what to change."""
    order = (Level.OK, Level.WARN, Level.FAIL)
    found = check()
    assert max((one.level for one in found), key=order.index) is level
    assert all(one.remedy for one in found if one.level is not Level.OK)
