"""`comity classifier`: which model decides, and what its own program does with it."""

import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from math import isnan
from typing import Any, NoReturn

import click

from classifier import LABELS, ModelError, load
from classifier.model import DEFAULT
from service.cli import reach, show
from service.cli.exits import Exit, Stop
from service.cli.key import site_option
from service.cli.show import Column, Screen
from service.domain import thresholds
from service.domain.lifecycle import Action
from service.domain.rules import Thresholds
from service.domain.thresholds import PRESETS, Costs, Judged, Outcome
from service.store import history
from service.store.history import DecidedComment

PASSED_ON = {
    "score": "Score JSON lines from standard input.",
    "explain": "Say which words made a score.",
    "evaluate": "Judge the model on labelled comments; needs scikit-learn.",
    "train": "Train models from labelled comments; needs scikit-learn.",
    "calibrate": "Fit the probabilities to a site's own comments; needs scikit-learn.",
    "second": "Fetch or train a second tier, or say which is here.",
    "card": "Measure the models and write their cards; needs scikit-learn.",
}


@click.group("classifier")
def command() -> None:
    """The model. All but `info` and `thresholds` is `python -m classifier`, which says more with --help."""


@command.command("info")
@show.screen
def info(screen: Screen) -> None:
    """Version, hash, size and languages of the model that scores comments here."""
    path = reach.look_around().settings.model_path or DEFAULT
    try:
        model = load(path)
    except ModelError as error:
        raise Stop(str(error), Exit.DATA) from None
    data = {
        "version": model.version, "sha256": model.sha256, "file": str(path), "size": path.stat().st_size,
        "languages": list(model.languages), "labels": list(LABELS),
    }  # fmt: skip
    shown = {**data, "size": f"{path.stat().st_size:,} bytes"}
    screen.record(data, [(name.replace("sha256", "SHA-256"), value) for name, value in shown.items()])


OUTCOMES = (
    Column("thresholds", "thresholds", whole=True),
    Column("to humans", "humans", right=True, whole=True),
    Column("harmless rejected", "wronged", right=True, whole=True),
    Column("harmful published", "missed", right=True, whole=True),
)


class _Cost(click.FloatRange):
    """A price: more than 0, and no more than sums can bear. `nan` lies in every range of click's own."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value} is not a number.", param, ctx)
        return found


_COST = _Cost(0, 1_000_000_000, min_open=True)


@command.command("thresholds")
@site_option()
@click.option("--missed", type=_COST, default=4.0, show_default=True, help="Cost of a harmful comment published.")
@click.option("--wronged", type=_COST, default=25.0, show_default=True, help="Cost of a harmless comment rejected.")
@click.option("--read", type=_COST, default=1.0, show_default=True, help="Cost of a comment that a person reads.")
@click.option("--last", type=click.IntRange(1, 10_000), default=5000, show_default=True, help="So many, newest first.")
@show.screen
def propose(site: str | None, missed: float, wronged: float, read: float, last: int, screen: Screen) -> None:
    """Propose a site's thresholds from its own decided comments and what errors cost.

    A moderator's last word says what a comment was; one that was published and that nobody took back counts as
    harmless. Nothing is saved: the lines printed go into the policy's rule `scores`.
    """
    with reach.database() as connection:
        found = reach.site_of(connection, site)
        comments = [one for row in history.last_decided(connection, found.id, last) if (one := _judged(row))]
    if not comments:
        raise Stop(f"{found.name} has no comments yet of which it is known what they were.", Exit.NOTHING)
    costs = Costs(missed, wronged, read)
    proposed = thresholds.propose(comments, costs)
    tried = {"proposed": proposed, **{name: thresholds.by_costs(preset) for name, preset in PRESETS.items()}}
    results = {name: thresholds.outcome(comments, limits) for name, limits in tried.items()}
    _show_proposal(screen, tried, results)


def _judged(comment: DecidedComment) -> Judged | None:
    """What a comment was; None where nobody can tell."""
    if comment.scores is None:
        return None
    if comment.reviewed is Action.REJECT:
        return Judged(comment.scores, comment.reason) if comment.reason in LABELS else None
    if comment.reviewed is Action.PUBLISH or (comment.reviewed is None and comment.judged is Action.PUBLISH):
        return Judged(comment.scores, None)
    return None


def _show_proposal(
    screen: Screen, tried: Mapping[str, Mapping[str, Thresholds]], results: Mapping[str, Outcome]
) -> None:
    document = {name: _as_policy(limits) for name, limits in tried.items()}
    if screen.machine:
        screen.data({name: {"thresholds": document[name], **_counts(results[name])} for name in tried})
        return
    whole = results["proposed"]
    screen.say(f"Of {whole.total:,} comments {whole.harmful:,} were harmful.")
    screen.rows(OUTCOMES, [{"thresholds": name, **_shares(one)} for name, one in results.items()], "")
    screen.say("\nProposed, for the rule `scores`:\n\nthresholds:")
    for label, limits in document["proposed"].items():
        screen.say(f"  {label}: {{{', '.join(f'{name}: {_plain(limit)}' for name, limit in limits.items())}}}")


def _plain(number: float) -> str:
    """Without an exponent, which YAML may read as a text."""
    return format(Decimal(repr(number)), "f")


def _as_policy(limits: Mapping[str, Thresholds]) -> dict[str, dict[str, float]]:
    return {
        label: {"publish_below": one.publish_below, "reject_above": one.reject_above} for label, one in limits.items()
    }


def _counts(one: Outcome) -> dict[str, Any]:
    return {
        "comments": one.total, "harmless": one.harmless, "harmful": one.harmful,
        "humans": one.humans, "wronged": one.wronged, "missed": one.missed,
    }  # fmt: skip


def _shares(one: Outcome) -> dict[str, str]:
    return {
        "humans": _share(one.humans, one.total),
        "wronged": _share(one.wronged, one.harmless),
        "missed": _share(one.missed, one.harmful),
    }


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%} ({count:,})" if of else show.NOTHING


def _pass_on(name: str, text: str) -> click.Command:
    def become(arguments: tuple[str, ...]) -> NoReturn:
        os.execv(sys.executable, [sys.executable, "-m", "classifier", name, *arguments])  # noqa: S606

    given = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    return click.Command(
        name, callback=become, params=[given], help=text, add_help_option=False, context_settings=settings
    )


for _name, _text in PASSED_ON.items():
    command.add_command(_pass_on(_name, _text))
