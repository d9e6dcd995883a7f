"""`comity doctor`: checks every setting and server and says what to change."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from classifier import ModelError, load
from classifier.second import finding
from service import checks, probes
from service.checks import Disk, Finding, Level
from service.cli import reach, show
from service.cli.exits import Exit
from service.cli.reach import Place
from service.cli.show import Screen
from service.domain.contact import Indexer, key_id_of
from service.ready import answers_ready
from service.run import local_url
from service.settings import SETTINGS, Settings, SettingsError
from service.store.inspection import Inspection, inspect
from service.store.revision import newest

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command("doctor")
@show.screen
def command(screen: Screen) -> None:
    """Check every setting and server, and say what to change.

    Ends with 0 when all is well, 1 when something is known to be bad, 5 when there are doubts alone: something cannot
    be reached, or should be looked at.
    """
    with show.waiting("Looking at settings and servers"):
        findings = list(_findings())
    if screen.machine:
        for one in findings:
            screen.data({**asdict(one), "level": str(one.level)})
    else:
        _show(screen, findings)
    levels = {one.level for one in findings}
    if Level.FAIL in levels:
        raise click.exceptions.Exit(Exit.NOTHING)
    if Level.WARN in levels:
        raise click.exceptions.Exit(Exit.DOUBTS)


def _show(screen: Screen, findings: list[Finding]) -> None:
    screen.grid(line for one in findings for line in _lines(one))
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    screen.say()
    screen.say(f"{counts[Level.OK]} fine, {counts[Level.WARN]} doubtful, {counts[Level.FAIL]} bad.")


def _lines(one: Finding) -> Iterator[tuple[str, tuple[str, str, str]]]:
    yield _COLOURS[one.level], (str(one.level), one.about, one.found)
    if one.remedy:
        yield "", ("", "", one.remedy)


def _findings() -> Iterator[Finding]:
    environ = reach.environment()
    place = _place(environ)
    given = _with_secrets(environ, place)
    yield from checks.settings(given, complete=place is not None and bool(place.secrets))
    if place is None:
        return
    yield from _database(place, given)
    yield from checks.broker(probes.broker(given.get("COMITY_BROKER_URL", "")))
    yield _model(place.settings)
    yield _second_tier(place.settings)
    yield _web(place.settings, environ)
    if not place.own_server:
        yield checks.disk(_disk(place.data))


def _place(environ: dict[str, str]) -> Place | None:
    """Where we are, as far as wrong settings let us see it."""
    try:
        return reach.around(Settings.read(environ, "run"), environ)
    except SettingsError:
        return None


def _with_secrets(environ: dict[str, str], place: Place | None) -> dict[str, str]:
    """The environment as processes of `make run` get it: with the keys and servers of the data folder."""
    if place is None or not place.secrets:
        return environ
    given = {one for one in environ if one.startswith("COMITY_")}
    own = {
        setting.name: place.secrets[setting.name]
        for setting in SETTINGS
        if setting.name in place.secrets and not given & {setting.name, f"{setting.name}_FILE"}
    }
    if place.url and not given & {"COMITY_DATABASE_URL", "COMITY_DATABASE_URL_FILE"}:
        own["COMITY_DATABASE_URL"] = place.url
    if place.broker_url and not given & {"COMITY_BROKER_URL", "COMITY_BROKER_URL_FILE"}:
        own["COMITY_BROKER_URL"] = place.broker_url
    return {**environ, **own}


def _database(place: Place, given: dict[str, str]) -> Iterator[Finding]:
    found = inspect(place.url) if place.url else None
    if found is None:
        where = "in COMITY_DATABASE_URL" if place.own_server else f"of {place.data}"
        remedy = "Start it, or mend the URL." if place.own_server else "Start it with `make run`."
        yield Finding("PostgreSQL", Level.FAIL, f"the server {where} does not answer", remedy)
        return
    yield from checks.server(found)
    yield checks.authentication(found)
    yield checks.connections(found, place.settings)
    yield checks.schema(found, newest())
    yield from checks.roles(found)
    if found.now is not None:
        yield from _content(found, given)


def _content(found: Inspection, given: dict[str, str]) -> Iterator[Finding]:
    settings = _readable(given)
    index = settings.index_key if settings else None
    contact = settings.contact_public_key if settings else None
    yield checks.index_key(found, Indexer(index).fingerprint if index else None)
    yield checks.contact_key(found, key_id_of(contact) if contact else None)
    yield checks.queue(found)
    yield checks.workers(found)
    yield from checks.relays(found)


def _readable(given: dict[str, str]) -> Settings | None:
    try:
        return Settings.read(given, "run")
    except SettingsError:
        return None


def _model(settings: Settings) -> Finding:
    try:
        found = load(settings.model_path)
    except ModelError as error:
        return Finding("model", Level.FAIL, str(error), "Put the file and its .sha256 back, or unset COMITY_MODEL.")
    return Finding("model", Level.OK, f"{found.version}, SHA-256 {found.sha256[:12]}… as recorded")


def _second_tier(settings: Settings) -> Finding:
    if settings.tier2_band is None:
        return Finding("second tier", Level.OK, "turned off")
    try:
        tier = finding.find(settings.tier2_path)
    except ModelError as error:
        remedy = "Fetch it anew (`python -m classifier second fetch`), or unset COMITY_TIER2_MODEL and remove the file."
        return Finding("second tier", Level.FAIL, str(error), remedy)
    if tier is None:
        return Finding("second tier", Level.OK, "none here: the first decides alone")
    low, high = settings.tier2_band
    return Finding(
        "second tier",
        Level.OK,
        f"{tier.version}, SHA-256 {tier.sha256[:12]}… as recorded; asked from {low:g} to {high:g}",
    )


def _web(settings: Settings, environ: dict[str, str]) -> Finding:
    name = settings.public_url if environ.get("COMITY_PUBLIC_URL") else local_url(settings.host, settings.port)
    if answers_ready(settings.host, settings.port, name.partition("://")[2].partition("/")[0]):
        return Finding("web", Level.OK, f"{name} is ready to take comments")
    remedy = f"Start it; it is looked for on {settings.host} port {settings.port}. Elsewhere, ask its /readyz."
    return Finding("web", Level.WARN, f"{name} does not say that it is ready", remedy)


def _disk(data: Path) -> Disk:
    there = next(folder for folder in (data, *data.parents) if folder.exists())
    usage = shutil.disk_usage(there)
    return Disk(str(there), usage.free, usage.total)
