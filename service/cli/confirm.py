"""Asking before something is ended, replaced or put in force."""

import sys
from collections.abc import Callable
from typing import Any

import click

from service.cli.exits import Exit, Stop
from service.cli.show import aside


def yes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the option --yes, for programs and for people who know."""
    return click.option("--yes", is_flag=True, help="Do it without asking.")(command)


def ask(what: str, yes: bool) -> None:
    """Shows `what` is about to happen and asks; returns if it may. Raises Stop otherwise.

    Question and preview go to standard error, so that an answer in JSON stays one.
    """
    aside(what)
    if yes:
        return
    if not sys.stdin.isatty():
        raise Stop("Nothing was changed: there is no terminal to ask at, so add --yes if you mean it.", Exit.UNASKED)
    if not click.confirm("Go on?", default=False, err=True):
        raise Stop("Nothing was changed.", Exit.NOTHING)
