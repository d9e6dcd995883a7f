"""What is looked at before a service is trusted with comments: settings, keys, servers, roles, model, queue, disk.

Each check is a function from what was found out to findings: fine, doubtful, or known to be bad, with what to change.
What cannot be reached is doubted; what is known to be bad fails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.settings import PROCESSES, Settings, SettingsError
from service.store.database import wanted
from service.store.inspection import Inspection, Role, Standing

POSTGRES_MAJOR = 18
SPARE = 10  # connections that must stay free for the owner, backups and people
WORKER_POOL, RELAY_POOL, RELAYS = 3, 2, 2
SLOW = 10.0  # seconds after which a verdict is late
RELAY_SILENT = 60.0
DISK_FAIL, DISK_WARN = 256 * 2**20, 2 * 2**30


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report. remedy: what to change, "" when nothing has to."""

    about: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Broker:
    """What the broker said: its name and version, what it does when its memory is full, and whether it keeps a log.

    policy, appendonly: "unknown" when it does not say.
    """

    title: str
    policy: str
    appendonly: str = "unknown"


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the data folder, in bytes."""

    path: str
    free: int
    total: int


def settings(environ: Mapping[str, str], complete: bool) -> Iterator[Finding]:
    """The settings of each kind of process in this environment.

    complete: it has all that processes get here (those of `make run`); otherwise what is missing may be set elsewhere.
    """
    seen: set[str] = set()
    for process in PROCESSES:
        problems = _problems(environ, process)
        if not problems:
            yield Finding(f"settings of {process}", Level.OK, "complete and well-formed")
        for problem in problems:
            missing = " is missing: " in problem
            if problem in seen and not missing:
                continue
            seen.add(problem)
            name, _, rest = problem.partition(" ")
            if missing:
                level = Level.FAIL if complete else Level.WARN
                yield Finding(f"settings of {process}", level, f"{name} is not set here", _where(name, complete))
            else:
                yield Finding(f"settings of {process}", Level.FAIL, f"{name} {rest}", "See docs/operator/settings.md.")


def _where(name: str, complete: bool) -> str:
    return f"Set {name}." if complete else f"Set {name} where that process runs; here nothing is known of it."


def _problems(environ: Mapping[str, str], process: str) -> list[str]:
    try:
        Settings.read(environ, process)
    except SettingsError as error:
        return error.problems
    return []


def server(inspection: Inspection) -> Iterator[Finding]:
    """PostgreSQL's version and settings."""
    have = inspection.server
    major = int(have["server_version_num"]) // 10_000
    fine = major == POSTGRES_MAJOR
    yield Finding(
        "PostgreSQL", Level.OK if fine else Level.FAIL, f"answers, version {major}",
        "" if fine else f"Use PostgreSQL {POSTGRES_MAJOR}.",
    )  # fmt: skip
    for name in ("fsync", "full_page_writes"):
        yield _must(have, name, ("on",), "on", _LOST)
    for name in OWN:
        yield _own(inspection, name, have[name])
    for name in ("log_parameter_max_length", "log_parameter_max_length_on_error"):
        yield _must(have, name, ("0",), "0", "the server's log could hold what visitors wrote", Level.WARN)
    yield _must(have, "log_statement", ("none", "ddl"), "none", "its log could hold what visitors wrote", Level.WARN)
    yield _must(have, "log_error_verbosity", ("terse",), "terse", "its log could quote rows", Level.WARN)
    yield _must(have, "server_encoding", ("UTF8",), "UTF8", "not every text could be kept")


_LOST = "what was accepted could be lost in a crash"
#: Settings that a role or a database may have for itself: what is good, and why another value is not.
OWN: Mapping[str, tuple[tuple[str, ...], str]] = {
    "synchronous_commit": (("on", "remote_apply", "remote_write", "local"), _LOST),
    "default_transaction_isolation": (("read committed",), "statements would fail that have to wait for each other"),
}


def _own(inspection: Inspection, name: str, value: str) -> Finding:
    good, why = OWN[name]
    if value in good:
        return Finding(name, Level.OK, value)
    remedy = {
        "database": f"ALTER DATABASE ... RESET {name}: this database has a value of its own.",
        "user": f"ALTER ROLE {inspection.user} RESET {name}: this role has a value of its own.",
        "database user": f"ALTER ROLE {inspection.user} IN DATABASE ... RESET {name}: it has a value of its own here.",
    }.get(inspection.sources.get(name, ""), f"Set {name} = {good[0]} in postgresql.conf.")
    return Finding(name, Level.FAIL, f"{value}: {why}", remedy)


def session(standing: Standing, process: str) -> Iterator[Finding]:
    """Whether a process's connections have the time-outs and the rest that they ask for."""
    asked = wanted(process)
    wrong = [name for name in asked if standing.session[name] != asked[name]]
    for name in wrong:
        found = f"{standing.session[name] or 'empty'} on our connections, which ask for {asked[name]}"
        remedy = f"Let what stands before PostgreSQL pass `options` on, or give {name} to the role with ALTER ROLE."
        yield Finding(name, Level.FAIL, found, remedy)
    if not wrong:
        yield Finding("time-outs", Level.OK, "as our connections ask for them")


def authentication(inspection: Inspection) -> Finding:
    """Whether the server asked who we are: a role means nothing otherwise."""
    about = "authentication"
    if inspection.authenticated:
        return Finding(about, Level.OK, f"{inspection.user} had to prove who it is")
    remedy = "Replace trust by scram-sha-256 in pg_hba.conf, and give each role a password."
    return Finding(about, Level.FAIL, f"the server let {inspection.user} in unasked (trust)", remedy)


def own_key(standing: Standing) -> Iterator[Finding]:
    """Whether the process's index key is the database's; nothing of a process that has none."""
    if standing.key_matches is not None:
        known = standing.key_matches
        remedy = "" if known else _OTHER_KEY
        found = "is the one this database began with" if known else "is not the one this database began with"
        yield Finding("COMITY_INDEX_KEY", Level.OK if known else Level.FAIL, found, remedy)


_OTHER_KEY = "Set COMITY_INDEX_KEY to the key it began with: with another one authors are strangers, and bans are void."


def _must(
    have: Mapping[str, str], name: str, good: tuple[str, ...], want: str, why: str, level: Level = Level.FAIL
) -> Finding:
    if have[name] in good:
        return Finding(name, Level.OK, have[name])
    return Finding(name, level, f"{have[name]}: {why}", f"Set {name} = {want} in postgresql.conf.")


def connections(inspection: Inspection, settings: Settings) -> Finding:
    """All pools together, and some to spare, against what the server lets in."""
    pools = (
        settings.web_processes * (settings.web_threads + 2)
        + settings.worker_concurrency * WORKER_POOL
        + RELAYS * 3 * RELAY_POOL  # each with its stand-in and its sender
    )
    most = int(inspection.server["max_connections"]) - int(inspection.server["superuser_reserved_connections"])
    found = f"{most} for pools of {pools} together and {SPARE} to spare"
    if pools + SPARE <= most:
        return Finding("max_connections", Level.OK, found)
    remedy = (
        f"Set max_connections = {pools + SPARE + most_reserved(inspection)} or more, or fewer web processes or threads."
    )
    return Finding("max_connections", Level.FAIL, found, remedy)


def most_reserved(inspection: Inspection) -> int:
    """Connections that only a superuser gets."""
    return int(inspection.server["superuser_reserved_connections"])


def schema(inspection: Inspection, head: str) -> Finding:
    """Whether the database is at this release."""
    if inspection.revision == head:
        return Finding("schema", Level.OK, f"at {head}, as this release needs it")
    if inspection.revision is None:
        return Finding("schema", Level.FAIL, "the database is empty", "Run `comity migrate`, or `make run`.")
    remedy = "Run `comity migrate`." if inspection.revision < head else "Install the release that made it."
    return Finding("schema", Level.FAIL, f"at {inspection.revision}, and this release needs {head}", remedy)


def roles(inspection: Inspection) -> Iterator[Finding]:
    """Each process's role: there, with the rights it needs and none that would show it contacts."""
    for role in inspection.roles:
        trouble = _trouble(role)
        if trouble is None:
            yield Finding(f"role {role.name}", Level.OK, "has its rights, and cannot read contacts")
        else:
            yield Finding(f"role {role.name}", Level.FAIL, *trouble)


def _trouble(role: Role) -> tuple[str, str] | None:
    if not role.there:
        return "is missing", "Run `comity migrate` as an owner who may create roles."
    if role.powers:
        return f"has more power than it needs: {', '.join(role.powers)}", f"Take it from {role.name} with ALTER ROLE."
    if role.reads:
        return f"can read {', '.join(role.reads)}", f"REVOKE ALL ON {', '.join(role.reads)} FROM {role.name}."
    bad = [(name, value) for name, value in role.settings if value not in OWN[name][0]]
    if bad:
        resets = "; ".join(f"ALTER ROLE {role.name} RESET {name}" for name, _ in bad)
        return f"has {', '.join(f'{name} = {value}' for name, value in bad)} for itself", f"{resets} (or IN DATABASE)."
    if not role.login:
        return "may not log in", "Give it a password: `comity migrate` takes them on standard input."
    if role.lacks:
        return f"lacks {', '.join(role.lacks)}", "Restore the grants of the migrations (service/store/migrations)."
    return None


def index_key(inspection: Inspection, fingerprint: bytes | None) -> Finding:
    """Whether the index key is the one the database began with."""
    about = "index key"
    if fingerprint is None:
        return Finding(about, Level.WARN, "is not known here", "Set COMITY_INDEX_KEY to have it compared.")
    if inspection.fingerprint is None:
        return Finding(about, Level.OK, "the database has not met one yet")
    if inspection.fingerprint == fingerprint:
        return Finding(about, Level.OK, "is the one this database began with")
    return Finding(about, Level.FAIL, "is not the one this database began with", _OTHER_KEY)


def contact_key(inspection: Inspection, key_id: str | None) -> Finding:
    """Whether addresses are sealed to the key that they were sealed to before."""
    about = "contact key"
    if key_id is None:
        return Finding(about, Level.WARN, "is not known here", "Set COMITY_CONTACT_PUBLIC_KEY to have it compared.")
    others = [one for one in inspection.sealed_to if one != key_id]
    if not others:
        return Finding(about, Level.OK, f"{key_id}; every address is sealed to it")
    found = f"{key_id}, and some addresses are sealed to {', '.join(others)}"
    return Finding(about, Level.WARN, found, "Keep the private keys of all of them, or those addresses stay shut.")


def broker(answer: Broker | None) -> Iterator[Finding]:
    """The broker. It may be away for a while: relays judge without it."""
    if answer is None:
        remedy = "Start it, or mend COMITY_BROKER_URL; until then relays ring nobody and judge by themselves."
        yield Finding("broker", Level.WARN, "does not answer", remedy)
        return
    yield Finding("broker", Level.OK, f"answers, {answer.title}")
    if answer.policy == "noeviction":
        yield Finding("maxmemory-policy", Level.OK, answer.policy)
    else:
        level = Level.WARN if answer.policy == "unknown" else Level.FAIL
        found = "is not told to us" if answer.policy == "unknown" else f"{answer.policy}: it may drop rings"
        yield Finding("maxmemory-policy", level, found, "Set maxmemory-policy noeviction.")
    if answer.appendonly == "yes":
        yield Finding("appendonly", Level.OK, answer.appendonly)
    else:
        level = Level.WARN if answer.appendonly == "unknown" else Level.FAIL
        found = "is not told to us" if answer.appendonly == "unknown" else "no: each restart would forget all rings"
        yield Finding("appendonly", level, found, "Set appendonly yes.")


def queue(inspection: Inspection) -> Finding:
    """Whether comments are judged in time."""
    found = f"{inspection.pending:,} comments wait for a verdict, the oldest for {inspection.oldest:.0f} s"
    if inspection.oldest <= SLOW:
        return Finding("queue", Level.OK, found)
    return Finding("queue", Level.WARN, found, "See that a worker and two relays run; add workers if they are busy.")


def workers(inspection: Inspection) -> Finding:
    """When a worker last took comments."""
    since = (inspection.pulse or {}).get("worker")
    if since is None:
        if inspection.oldest <= SLOW:
            return Finding("workers", Level.OK, "had nothing to judge in the last day")
        return Finding("workers", Level.WARN, "took no comment in the last day", "Start one: `comity worker`.")
    if since > SLOW and inspection.oldest > SLOW:
        remedy = "Start a worker, or look at its log; relays judge meanwhile."
        return Finding("workers", Level.WARN, f"last took a comment {since:,.0f} s ago", remedy)
    return Finding("workers", Level.OK, f"last took a comment {since:,.0f} s ago")


def relays(inspection: Inspection) -> Iterator[Finding]:
    """Whether the work that needs a clock is done: only relays do it."""
    for job in inspection.jobs:
        if job.since is not None and job.since <= job.every + RELAY_SILENT:
            yield Finding(f"job {job.name}", Level.OK, f"done {job.since:,.0f} s ago")
        else:
            found = "was never done" if job.since is None else f"was last done {job.since:,.0f} s ago"
            remedy = f"It is due every {job.every:,.0f} s: start relays, two at least (`comity relay`)."
            yield Finding(f"job {job.name}", Level.WARN, found, remedy)


def disk(found: Disk) -> Finding:
    """Room on the disk of the data folder."""
    text = f"{found.free / 2**30:,.1f} of {found.total / 2**30:,.1f} GiB free on the disk of {found.path}"
    if found.free < DISK_FAIL:
        return Finding("disk", Level.FAIL, text, "Make room there now: without it the database stops.")
    if found.free < DISK_WARN:
        return Finding("disk", Level.WARN, text, "Make room there soon.")
    return Finding("disk", Level.OK, text)
