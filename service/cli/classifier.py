"""`comity classifier`: which model decides, and what its own program does with it."""

import os
import sys
from typing import NoReturn

import click

from classifier import LABELS, ModelError, load
from classifier.model import DEFAULT
from service.cli import reach, show
from service.cli.exits import Exit, Stop
from service.cli.show import Screen

PASSED_ON = {
    "score": "Score JSON lines from standard input.",
    "explain": "Say which words made a score.",
    "evaluate": "Judge the model on labelled comments; needs scikit-learn.",
    "train": "Train a model from labelled comments; needs scikit-learn.",
}


@click.group("classifier")
def command() -> None:
    """The model. All but `info` is `python -m classifier`, which says more with --help."""


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
