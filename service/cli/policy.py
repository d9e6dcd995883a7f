"""`comity policy`: what a site lets pass, as files that can be checked, tested, tried, put in force and rolled back."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from classifier import Model, ModelError, load
from service import policing, policy_files, trials, word_lists
from service.cli import confirm, reach, show
from service.cli.asked import checked
from service.cli.exits import Exit, Stop
from service.cli.key import site_option
from service.cli.show import Column, Screen
from service.domain import policies
from service.domain.policies import UnknownList
from service.domain.policy import Policy
from service.domain.trial import Trial
from service.evidence import normal
from service.policy_files import Fault, Faulty, PolicyFile
from service.store import lists, sites
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.sites import PolicyVersion, Site
from service.web.policy_schemas import Rollback

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LIST_NAME = r"1 to 63 characters"
VERSIONS = (
    Column("version", "version", right=True, whole=True),
    Column("put", "created_at", whole=True),
    Column("by", "created_by", whole=True),
    Column("note", "note"),
)
LISTS = (
    Column("list", "name", whole=True),
    Column("kind", "kind"),
    Column("entries", "entries", right=True, whole=True),
    Column("version", "version", right=True),
    Column("by", "created_by", whole=True),
    Column("changed", "updated_at", whole=True),
)


@click.group("policy")
def command() -> None:
    """What a site lets pass.

    A policy is a YAML file: rules in order, the first that fires decides, and examples with the verdicts they expect.
    `comity policy show > policy.yaml` writes the one in force.
    """


# Looking -------------------------------------------------------------------------------------------------------------


@command.command("show")
@site_option()
@click.option("--version", type=click.IntRange(0), help="An earlier one; without: the one in force.")
@show.screen
def show_policy(site: str | None, version: int | None, screen: Screen) -> None:
    """The policy in force, every value spelt out, as a file."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        stored = _version(connection, found, version)
        document = _spelt_out(connection, found, stored)
    if screen.machine:
        screen.data({**_stamp(stored), "site": found.name, "policy": document})
        return
    by = f", put by {stored.created_by} on {stored.created_at:%Y-%m-%d}" if stored.created_at else ""
    click.echo(f"# Policy of {found.name}, version {stored.version}{by}")
    click.echo(policy_files.write(document), nl=False)


@command.command("history")
@site_option()
@show.screen
def history(site: str | None, screen: Screen) -> None:
    """All versions a site ever had: who put them, when and why."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        rows = [_stamp(one) for one in sites.policy_versions(connection, found.id)]
    screen.rows(VERSIONS, rows, f"Site {found.name} has the built-in policy (version 0) and never had another.")


@command.command("diff")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@site_option()
@show.screen
def diff(one: str, other: str, site: str | None, screen: Screen) -> None:
    """What changed from A to B; each is the number of a version or a file."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        before, after = (_document(connection, found, side) for side in (one, other))
    changes = _changes(before, after, one, other)
    if screen.machine:
        screen.data({"a": one, "b": other, "same": not changes, "diff": changes})
        return
    _show_changes(screen, changes)


# Files ---------------------------------------------------------------------------------------------------------------


@command.command("check")
@click.argument("file", type=FILE)
@site_option()
@show.screen
def check(file: Path, site: str | None, screen: Screen) -> None:
    """Whether FILE holds a policy, and what it probably does not mean.

    Needs no database, unless --site asks for the site's own lists.
    """
    found = _file(file, screen)
    policy = _policy(found, file, site, screen)
    doubts = [Fault(found.rule_line(one.rule), one.rule, one.text) for one in policing.warnings(policy)]
    rules, examples = len(policy.rules), len(found.document.get("examples", ()))
    if screen.machine:
        screen.data({"ok": True, "rules": rules, "examples": examples, "errors": [], "warnings": _listed(doubts)})
        return
    for doubt in doubts:
        screen.say(f"{file}:{doubt.line}: the rule {doubt.place} {doubt.text}", "yellow")
    unread = "" if site or not lists.named_by(found.document) else " Its lists were not looked at: name a --site."
    screen.say(f"{file} is a policy: {rules} rules, {examples} examples, {len(doubts)} doubts.{unread}")


@command.command("test")
@click.argument("file", type=FILE)
@site_option()
@show.screen
def test(file: Path, site: str | None, screen: Screen) -> None:
    """Judge the examples in FILE; ends with 1 when one does not get the verdict it expects.

    The classifier runs here; no database is needed, unless --site asks for the site's own lists.
    """
    found = _file(file, screen)
    policy = _policy(found, file, site, screen)
    total = len(found.document.get("examples", ()))
    wrong = _missed(found, policy)
    if screen.machine:
        screen.data({"examples": total, "failed": len(wrong), "errors": _listed(wrong)})
    for one in wrong:
        screen.say(one.show(str(file)), "red")
    screen.say(f"{total - len(wrong)} of {total} examples get the verdict they expect." if total else _NO_EXAMPLES)
    if wrong:
        raise click.exceptions.Exit(Exit.NOTHING)


_NO_EXAMPLES = "The file has no examples: add some, with body and expect, so that there is something to test."


@command.command("try")
@click.argument("file", type=FILE)
@site_option()
@click.option("--last", type=click.IntRange(1, 10_000), default=1000, help="So many comments, the newest first.")
@show.screen
def try_policy(file: Path, site: str | None, last: int, screen: Screen) -> None:
    """Judge the last decided comments by FILE and say what would change, against what moderators decided.

    Nothing is saved. Bans and lists count as they are now.
    """
    found = _file(file, screen)
    with reach.database() as connection:
        place = reach.site_of(connection, site)
        policy = _read(connection, place, found, file, screen)
        with show.waiting(f"Judging the last {last:,} comments of {place.name} again"):
            tried = trials.run(connection, place.id, policy, last)
    _show_trial(screen, tried, place)


@command.command("set")
@click.argument("file", type=FILE)
@site_option()
@click.option("--note", help="Why, for whoever reads the history.")
@confirm.yes
@show.screen
def put(file: Path, site: str | None, note: str | None, yes: bool, screen: Screen) -> None:
    """Put the policy in FILE in force. Its examples must get the verdicts they expect."""
    found = _file(file, screen)
    given = checked(Rollback(), {"version": 0, "note": note})
    with reach.database() as connection:
        place = reach.site_of(connection, site)
        policy = _read(connection, place, found, file, screen)
        if wrong := _missed(found, policy):
            _faulty(wrong, file, screen)
        _ask(connection, place, policies.write(policy) | _examples(found.document), str(file), yes)
        with connection.transaction():
            stored = policing.put(connection, place.id, found.document, policy, reach.BY, given["note"])
    _done(screen, place, stored)


@command.command("rollback")
@click.argument("version", type=click.IntRange(0))
@site_option()
@click.option("--note", help="Why, for whoever reads the history.")
@confirm.yes
@show.screen
def roll_back(version: int, site: str | None, note: str | None, yes: bool, screen: Screen) -> None:
    """Put an earlier VERSION in force again, as a new version; 0 is the built-in one."""
    given = checked(Rollback(), {"version": version, "note": note})
    with reach.database() as connection:
        place = reach.site_of(connection, site)
        earlier = _version(connection, place, version)
        try:
            policy = policing.read(connection, place.id, earlier.document)
        except UnknownList as error:
            raise Stop(f"Version {version} names the list {error.name!r}, which is gone: import it first.") from None
        _ask(connection, place, _spelt_out(connection, place, earlier), f"version {version}", yes)
        with connection.transaction():
            why = given["note"] or f"back to version {version}"
            stored = policing.put(connection, place.id, earlier.document, policy, reach.BY, why)
    _done(screen, place, stored)


# Lists ---------------------------------------------------------------------------------------------------------------


@command.command("lists")
@site_option()
@show.screen
def list_lists(site: str | None, screen: Screen) -> None:
    """A site's imported lists."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        rows = [_list_view(one) for one in lists.listed(connection, found.id)]
    screen.rows(LISTS, rows, f"Site {found.name} has no lists: make one with `comity policy import`.")


@command.command("import")
@click.argument("name")
@click.argument("file", type=FILE)
@click.option("--kind", type=click.Choice(("words", "domains")), required=True, help="What its lines are.")
@site_option()
@confirm.yes
@show.screen
def import_list(name: str, file: Path, kind: str, site: str | None, yes: bool, screen: Screen) -> None:
    """Import FILE as the list NAME: one entry a line, up to a million; `#` begins a comment.

    `casino*` stands for every word that begins so; a domain stands for all below it. A list of that name is replaced.
    """
    if not 1 <= len(name) <= 63 or not name.isprintable():
        raise click.UsageError(f"NAME must have {LIST_NAME}.")
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        report = _import(file, kind)
        if not len(report.lexicon):
            raise Stop(f"{file} has no entry that can be taken; nothing was imported.", Exit.DATA)
        before = {one.name: one for one in lists.listed(connection, found.id)}.get(name)
        if before is not None:
            confirm.ask(
                f"List {name} of site {found.name} has {before.entries:,} {before.kind}; "
                f"{len(report.lexicon):,} {kind} take their place.", yes,
            )  # fmt: skip
        made = lists.put(connection, found.id, name, kind, report.lexicon, reach.BY)
    _imported(screen, found, made, report)


@command.command("forget")
@click.argument("name")
@site_option()
@confirm.yes
@show.screen
def forget(name: str, site: str | None, yes: bool, screen: Screen) -> None:
    """Forget an imported list; one that the policy in force names stays."""
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        one = {one.name: one for one in lists.listed(connection, found.id)}.get(name)
        if one is None:
            raise Stop(f"Site {found.name} has no list {name!r}: `comity policy lists` shows those it has.")
        confirm.ask(f"List {name} of site {found.name} with {one.entries:,} {one.kind} will be gone.", yes)
        with connection.transaction():
            if name in lists.named_by(sites.policy(connection, found.id).document):
                raise Stop("The policy in force names this list: put one in force that does not, first.", Exit.CONFLICT)
            lists.remove(connection, found.id, name)
    screen.done({"name": name, "site": found.name, "forgotten": True}, f"Forgot the list {name}.")


# What they share -----------------------------------------------------------------------------------------------------


def _file(file: Path, screen: Screen) -> PolicyFile:
    try:
        return policy_files.read(file)
    except Faulty as error:
        _faulty(error.faults, file, screen)
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror}.", Exit.NO_INPUT) from None


def _faulty(faults: list[Fault], file: Path, screen: Screen) -> NoReturn:
    """End with every fault on a line of its own."""
    if screen.machine:
        screen.data({"ok": False, "errors": _listed(faults)})
        raise click.exceptions.Exit(Exit.NOTHING)
    raise Stop("\n".join(show.clean(fault.show(str(file))) for fault in faults))


def _listed(faults: list[Fault]) -> list[dict[str, Any]]:
    return [{"line": fault.line, "place": fault.place, "text": fault.text} for fault in faults]


def _policy(found: PolicyFile, file: Path, site: str | None, screen: Screen) -> Policy:
    """The policy of a file, with the lists of a site if one is named."""
    if site is None:
        return policies.read(found.document, 0, normal, policy_files.stand_in)
    with reach.database() as connection:
        return _read(connection, reach.site_of(connection, site), found, file, screen)


def _read(connection: Connection, site: Site, found: PolicyFile, file: Path, screen: Screen) -> Policy:
    try:
        return policing.read(connection, site.id, found.document)
    except UnknownList as error:
        _faulty([found.unknown_list(error)], file, screen)


def _missed(found: PolicyFile, policy: Policy) -> list[Fault]:
    if not found.document.get("examples"):
        return []
    missed = policing.examples(found.document, policy, _model())
    return [found.fault(f"/examples/{one.at}/expect", one.text) for one in missed]


def _model() -> Model:
    try:
        return load(reach.look_around().settings.model_path)
    except ModelError as error:
        raise Stop(str(error), Exit.DATA) from None


def _version(connection: Connection, site: Site, version: int | None) -> PolicyVersion:
    try:
        return sites.policy(connection, site.id, version)
    except NotFound:
        raise Stop(
            f"Site {site.name} never had a policy of version {version}: `comity policy history` shows those it had."
        ) from None


def _document(connection: Connection, site: Site, side: str) -> Mapping[str, Any]:
    """The document of a version by its number, or of a file."""
    if side.isascii() and side.isdigit() and len(side) < 9:
        return _spelt_out(connection, site, _version(connection, site, int(side)))
    path = Path(side)
    if not path.is_file():
        raise Stop(f"{side} is neither the number of a version nor a file.", Exit.NO_INPUT)
    found = _file(path, Screen(False))
    policy = policies.read(found.document, 0, normal, policy_files.stand_in)
    return policies.write(policy) | _examples(found.document)


def _spelt_out(connection: Connection, site: Site, stored: PolicyVersion) -> Mapping[str, Any]:
    try:
        policy = policing.read(connection, site.id, stored.document)
        return policies.write(policy) | _examples(stored.document)
    except UnknownList:
        return {"rules": stored.document["rules"]} | _examples(stored.document)


def _examples(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document's examples, each with its members in one order: the database keeps none."""
    order = ("name", "website", "body", "expect")
    own = [
        {name: example[name] for name in order if example.get(name) is not None}
        for example in document.get("examples", ())
    ]
    return {"examples": own} if own else {}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], one: str, other: str) -> list[str]:
    old, new = policy_files.write(before).splitlines(), policy_files.write(after).splitlines()
    return list(difflib.unified_diff(old, new, one, other, lineterm="", n=2))


def _show_changes(screen: Screen, changes: list[str]) -> None:
    for line in changes or ["There is no difference."]:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        screen.say(line, colour)


def _ask(connection: Connection, site: Site, after: Mapping[str, Any], name: str, yes: bool) -> None:
    now = sites.policy(connection, site.id)
    changes = _changes(_spelt_out(connection, site, now), after, f"version {now.version}", name)
    told = "\n".join(changes) if changes else "(the same as the one in force)"
    confirm.ask(f"{told}\n\nThis becomes the policy of site {site.name}; the next comment is judged by it.", yes)


def _done(screen: Screen, site: Site, stored: PolicyVersion) -> None:
    screen.done({**_stamp(stored), "site": site.name}, f"Version {stored.version} is the policy of {site.name} now.")


def _stamp(stored: PolicyVersion) -> dict[str, Any]:
    return {
        "version": stored.version, "created_at": stored.created_at, "created_by": stored.created_by,
        "note": stored.note,
    }  # fmt: skip


def _list_view(one: lists.WordList) -> dict[str, Any]:
    return {
        "name": one.name, "kind": one.kind, "entries": one.entries, "version": one.version,
        "created_by": one.created_by, "updated_at": one.updated_at,
    }  # fmt: skip


def _show_trial(screen: Screen, tried: Trial, site: Site) -> None:
    changes = [
        {
            "was": str(change.was), "would": str(change.would), "count": change.count, "published": change.published,
            "rejected": change.rejected, "text": change.sentence,
            "examples": [
                {"comment_id": one.comment_id, "rule": one.rule, "reviewed": one.reviewed and str(one.reviewed)}
                for one in change.examples
            ],
        }
        for change in tried.changes
    ]  # fmt: skip
    if screen.machine:
        screen.data({"site": site.name, "total": tried.total, "same": tried.same, "changes": changes})
        return
    for sentence in tried.sentences:
        screen.say(sentence)
    if not changes:
        return
    screen.say()
    screen.rows(TRIAL, list(_examples_of(changes)), "")


TRIAL = (
    Column("for example", "comment_id", whole=True),
    Column("was", "was"),
    Column("would be", "would"),
    Column("by the rule", "rule"),
    Column("moderator", "reviewed"),
)


def _examples_of(changes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for change in changes:
        for example in change["examples"]:
            yield {**example, "was": change["was"], "would": change["would"]}


def _import(file: Path, kind: str) -> word_lists.Import:
    bars = show.progress()
    try:
        with file.open(encoding="utf-8-sig", newline=None) as lines, bars:
            total = sum(1 for _ in lines)
            lines.seek(0)
            bar = bars.add_task(f"Reading {file.name}", total=total)
            return word_lists.read(lines, kind, lambda count: bars.update(bar, advance=count))
    except word_lists.TooMany:
        raise Stop(f"{file} has more than {word_lists.ENTRIES_MOST:,} entries: split it.", Exit.DATA) from None
    except UnicodeDecodeError:
        raise Stop(f"{file} is not UTF-8: save it as UTF-8.", Exit.DATA) from None
    except OSError as error:
        raise Stop(f"{file} cannot be read: {error.strerror}.", Exit.NO_INPUT) from None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Lines that were refused for one reason."""

    why: str
    count: int
    first: int


def _imported(screen: Screen, site: Site, made: lists.WordList, report: word_lists.Import) -> None:
    refusals = [_Refusal(why, count, report.examples[why]) for why, count in report.refused.most_common()]
    if screen.machine:
        told = [{"why": one.why, "count": one.count, "first_line": one.first} for one in refusals]
        screen.data({**_list_view(made), "site": site.name, "doubles": report.doubles, "refused": told})
        return
    screen.say(f"List {made.name} of site {site.name} has {made.entries:,} {made.kind} now (version {made.version}).")
    if report.doubles:
        said = "line says" if report.doubles == 1 else "lines say"
        screen.say(f"{report.doubles:,} {said} what another one says: dropped.")
    for one in refusals:
        lines = "line was" if one.count == 1 else "lines were"
        screen.say(f"{one.count:,} {lines} refused: an entry {one.why} (first on line {one.first}).", "yellow")
