"""A group of commands whose modules are loaded by name, when their command is called and not before."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


class Rooms(click.Group):
    """A click group of which some commands live in `service.cli.NAME`, as the attribute `command`.

    rooms: name to one line of help, so that neither help nor completion has to load a room.
    """

    def __init__(self, *args: Any, rooms: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rooms = rooms

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Processes and rooms alike."""
        return [*self.rooms, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of this name; its room is loaded now."""
        if name not in self.rooms:
            return super().get_command(ctx, name)
        command: click.Command = import_module(f"service.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The rooms, then the processes."""
        processes = [(name, command.get_short_help_str(limit=90)) for name, command in self.commands.items()]
        for title, lines in (("Commands", list(self.rooms.items())), ("Processes and set-up", processes)):
            with formatter.section(title):
                formatter.write_dl(lines)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names that begin so."""
        lines = {**self.rooms, **{name: command.get_short_help_str() for name, command in self.commands.items()}}
        found = [CompletionItem(name, help=text) for name, text in lines.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)
