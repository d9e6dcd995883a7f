"""How a command ends: one exit code for each kind of end, one sentence that says what to change."""

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """The exit codes of `comity`; docs/operator/command-line.md has the table."""

    DONE = 0
    NOTHING = 1
    USAGE = 2
    CONFLICT = 3
    UNASKED = 4
    DOUBTS = 5
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    NO_PROGRAM = 72
    CANNOT_CREATE = 73
    FULL = 74
    BUSY = 75
    NO_PERMISSION = 77
    SETTINGS = 78


class Stop(click.ClickException):
    """Raised to end a command with a sentence on standard error and an exit code."""

    def __init__(self, sentence: str, code: Exit = Exit.NOTHING) -> None:
        super().__init__(sentence)
        self.exit_code = int(code)  # type: ignore[misc] # click reads it from the exception

    def show(self, file: IO[Any] | None = None) -> None:
        """The sentence alone."""
        click.echo(self.message, err=True, file=file)
