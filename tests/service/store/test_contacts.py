"""The private schema: written through one function, read by nobody who serves the web."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from psycopg import sql

from service import embedded
from service.domain.contact import SealError, open_sealed
from service.store import roles
from tests.world import PASSWORDS, PRIVATE_KEY, World, as_role


@pytest.fixture
def web(world: World) -> Iterator[psycopg.Connection]:
    """A connection with the rights of the web process."""
    with psycopg.connect(as_role(world.owner_url, "comity_web"), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("role", roles.ROLES)
@pytest.mark.parametrize("table", ["contact", "hit", "fingerprint", "ban"])
def test_no_process_reads_or_changes_the_private_tables(world: World, role: str, table: str) -> None:
    """Neither web nor worker nor relay may select, insert, update, delete or truncate there."""
    world.submit()
    columns = [name for (name,) in world.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'contacts' AND table_name = %s", table
    )]  # fmt: skip
    name = sql.Identifier("contacts", table)
    tries = [
        sql.SQL("SELECT * FROM {}").format(name),
        sql.SQL("SELECT count(*) FROM {}").format(name),
        *[sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), name) for column in columns],
        sql.SQL("DELETE FROM {}").format(name),
        sql.SQL("UPDATE {} SET {} = NULL").format(name, sql.Identifier(columns[0])),
        sql.SQL("INSERT INTO {} DEFAULT VALUES").format(name),
        sql.SQL("TRUNCATE {}").format(name),
        sql.SQL("COPY {} TO STDOUT").format(name),
    ]
    with psycopg.connect(as_role(world.owner_url, role), autocommit=True) as connection:
        for statement in tries:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    assert world.rows("SELECT count(*) FROM contacts.contact") == [(1,)]


def test_each_role_reaches_these_private_functions_and_no_others(world: World) -> None:
    """Keep, compare, ban, count: none that a process may call answers what was kept of an address."""
    found: dict[str, set[str]] = {role: set() for role in (*roles.ROLES, "public")}
    for role, name in world.rows(
        "SELECT r.rolname, p.proname FROM pg_roles r, pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = 'contacts' AND r.rolname = ANY(%s) AND has_function_privilege(r.oid, p.oid, 'EXECUTE') "
        "AND has_schema_privilege(r.oid, n.oid, 'USAGE')", list(roles.ROLES),
    ):  # fmt: skip
        found[role].add(name)
    assert found == {
        "comity_web": {
            "keep",
            "keep_many",
            "posted",
            "record",
            "add_hits",
            "matches",
            "ban_of_comment",
            "ban_value",
            "bans",
            "lift_ban",
            "facts",
        },
        "comity_worker": {"facts"},
        "comity_relay": {"facts", "forget_hits"},
        "public": set(),
    }


def test_a_function_that_runs_with_the_owners_rights_names_every_schema(world: World) -> None:
    """Its search path is fixed, so that nobody can put another table in its way."""
    loose = world.rows(
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname IN ('contacts', 'comity') AND p.prosecdef AND NOT 'search_path=pg_catalog' = ANY(coalesce(p.proconfig, '{}'))"
    )
    assert loose == []


def test_the_web_writes_a_contact_and_cannot_write_it_again(world: World, web: psycopg.Connection) -> None:
    """The one way in takes each comment once."""
    given = [uuid4(), world.site.id, "k", b"sealed", b"a" * 16, b"d" * 16, "own"]
    call = "SELECT contacts.keep(%s, %s, %s, %s, %s, %s, %s)"
    web.execute(call, given)
    with pytest.raises(psycopg.errors.UniqueViolation):
        web.execute(call, [*given[:3], b"other", *given[4:]])
    assert world.rows("SELECT sealed FROM contacts.contact") == [(b"sealed",)]


def test_the_record_is_the_sites_own(world: World, web: psycopg.Connection) -> None:
    """Asked for under another site's id it is empty, and it holds no digest."""
    made = world.published()
    other_id, _ = world.add_site("other")
    assert web.execute("SELECT * FROM contacts.record(%s, %s)", [made["id"], other_id]).fetchall() == []
    row: Any = web.execute("SELECT * FROM contacts.record(%s, %s)", [made["id"], world.site.id]).fetchone()
    assert (row[0], row[1], row[3]) == ("published", 1, "own")
    assert not any(isinstance(value, bytes) for value in row)


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_record_of_decisions_is_append_only(world: World, role: str) -> None:
    """No process may change or remove a decision; nor may one that writes events change them."""
    world.published()
    with psycopg.connect(as_role(world.owner_url, role), autocommit=True) as connection:
        for statement in (
            "UPDATE comity.decision SET note = 'x'", "DELETE FROM comity.decision", "TRUNCATE comity.decision",
            "UPDATE comity.outbox SET event = 'x'", "TRUNCATE comity.outbox", "DROP TABLE comity.decision",
            "ALTER TABLE comity.decision DISABLE TRIGGER ALL", "CREATE TABLE comity.mine ()", "CREATE TABLE public.mine ()",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@pytest.mark.parametrize("role", ["comity_worker", "comity_relay"])
def test_workers_and_relays_read_no_token(world: World, role: str) -> None:
    """Nor what belongs to requests."""
    with psycopg.connect(as_role(world.owner_url, role), autocommit=True) as connection:
        for statement in (
            "SELECT * FROM comity.token", "SELECT * FROM comity.token_right", "SELECT key FROM comity.idempotency",
            "INSERT INTO comity.token (id, kind, digest, name) VALUES ('x', 'admin', '', 'x')",
            "SELECT nonce FROM comity.ended_session", "INSERT INTO comity.ended_session VALUES ('', now())",
            "UPDATE comity.ended_session SET until = now()",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_the_web_ends_sessions_and_brings_none_back(world: World, web: psycopg.Connection) -> None:
    """It adds and looks."""
    web.execute("INSERT INTO comity.ended_session VALUES ('nonce', now())")
    assert web.execute("SELECT nonce FROM comity.ended_session").fetchall() == [(b"nonce",)]
    for statement in ("DELETE FROM comity.ended_session", "UPDATE comity.ended_session SET until = now()",
                      "TRUNCATE comity.ended_session"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute(statement)


def test_a_role_needs_its_password(world: World) -> None:
    """Nobody comes in on their name alone."""
    for role in PASSWORDS:
        wrong = as_role(world.owner_url, role).replace(PASSWORDS[role], "wrong")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(wrong)


# What is kept --------------------------------------------------------------------------------------------------------


def test_the_address_opens_with_the_private_key_for_its_site_and_comment(world: World) -> None:
    """And with no other key, under no other site or comment."""
    made = world.submit()
    sealed, site, key_id = world.rows("SELECT sealed, site_id, key_id FROM contacts.contact")[0]
    comment = UUID(made["id"])
    assert open_sealed(sealed, PRIVATE_KEY, site, comment) == world.addresses[-1]
    assert key_id == world.app.extensions["comity"].sealer.key_id
    for key, site_id, comment_id in (
        (X25519PrivateKey.generate(), site, comment), (PRIVATE_KEY, uuid4(), comment), (PRIVATE_KEY, site, uuid4()),
    ):  # fmt: skip
        with pytest.raises(SealError):
            open_sealed(sealed, key, site_id, comment_id)


def test_contact_and_comment_are_stored_together_or_not_at_all(world: World) -> None:
    """One row each; when the contact cannot be kept, the comment is not."""
    world.submit()
    assert world.rows("SELECT count(*) FROM comity.comment c JOIN contacts.contact k ON k.comment_id = c.id") == [(1,)]
    world.execute("ALTER TABLE contacts.contact ADD CHECK (domain_class <> 'free')")
    answer = world.request("POST", "/v1/comments", world.secret_key, world.comment(email=f"canary-{uuid4()}@gmail.com"))
    assert answer.status_code == 500
    assert world.rows("SELECT count(*) FROM comity.comment") == [(1,)]
    assert world.rows("SELECT count(*) FROM comity.idempotency") == [(0,)]


def test_no_constraint_stands_on_what_a_person_typed(world: World) -> None:
    """PostgreSQL quotes the failing row: check constraints name columns of ours alone."""
    typed = {
        "name", "body", "website", "title", "url", "key", "shown_name", "shown_body", "shown_website", "user_agent", "referrer",
        "note", "sealed",
    }  # fmt: skip
    wrong = [
        (table, column)
        for table, column in world.rows(
            "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c "
            "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey) WHERE c.contype = 'c' "
            "AND c.conrelid::regclass::text ~ '^(comity|contacts)\\.' AND pg_get_constraintdef(c.oid) !~ 'IS NOT NULL'"
        )
        if column in typed
    ]
    assert wrong == []


#: Constraints that fail on what the request below holds, and what must not be seen of it.
FAILING = [
    "ALTER TABLE comity.comment ADD CHECK (body NOT LIKE '%hidden-words%')",
    "ALTER TABLE comity.comment ADD CHECK (name <> 'Hidden Name')",
    "ALTER TABLE comity.comment ADD CHECK (user_agent <> 'hidden-agent')",
    "CREATE UNIQUE INDEX ON comity.comment (lower(body)) WHERE true",
    "ALTER TABLE comity.thread ADD CHECK (title <> 'hidden-title')",
    "ALTER TABLE contacts.contact ADD CHECK (octet_length(sealed) < 10)",
    "ALTER TABLE comity.comment ALTER COLUMN website SET NOT NULL",
    "ALTER TABLE comity.comment ALTER COLUMN body TYPE varchar(5)",
]


@pytest.mark.parametrize("failing", FAILING)
def test_database_errors_never_show_content(
    world: World, servers: embedded.Servers, capfd: pytest.CaptureFixture[str], failing: str
) -> None:
    """500 with a number to quote; neither answer nor our log nor PostgreSQL's holds a word of the comment."""
    hidden = {"body": "hidden-words of mine", "name": "Hidden Name", "user_agent": "hidden-agent"}
    if "UNIQUE" in failing:
        world.submit(**hidden)
    world.execute(failing)
    if "UNIQUE" in failing:
        hidden["body"] = hidden["body"].upper()
    logged = servers.postgres.log.stat().st_size

    body = world.comment(**hidden, thread={"key": "new", "title": "hidden-title"})
    answer = world.request("POST", "/v1/comments", world.secret_key, body)

    assert answer.status_code == 500
    out = capfd.readouterr()
    assert '"event": "request_failed"' in out.out
    ours = (answer.text + str(answer.headers) + out.out + out.err).lower()
    assert "violates" not in ours
    assert "constraint" not in ours
    everywhere = ours + servers.postgres.log.read_text()[logged:].lower()
    for words in ("hidden-words", "hidden name", "hidden-agent", "hidden-title", body["email"]):
        assert words not in everywhere
    assert answer.json["instance"].removeprefix("urn:comity:request:") in out.out
