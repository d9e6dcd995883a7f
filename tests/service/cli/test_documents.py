"""docs/operator/command-line.md says what the code does: every command, every option, every exit code."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from service.cli import main
from service.cli.exits import Exit

PAGE = (Path(__file__).resolve().parents[3] / "docs/operator/command-line.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("`")[0]: part for part in PAGE.split("### `comity ")[1:]}
COMMON = {"--help", "-h", "--json", "--yes", "--site"}


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{above}{name} ")
        else:
            yield f"{above}{name}", found


COMMANDS = dict(commands(main))


def test_every_command_has_its_section() -> None:
    """And no section is about a command that is gone."""
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_named_in_its_section(name: str) -> None:
    """Those that all share are described once, at the top."""
    own = {
        option
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert [option for option in own - COMMON if option not in SECTIONS[name]] == []
    top = PAGE.partition("## Exit codes")[0]
    assert [option for option in own & COMMON - {"-h"} if option not in top] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """A sentence for the command, and one for each option."""
    command = COMMANDS[name]
    assert command.help
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []


def test_every_example_is_of_a_command_that_there_is() -> None:
    """What a reader types can be typed."""
    typed = re.findall(r"^(?:\$ |\$ echo .*\| )comity ([a-z]+(?: [a-z]+)?)", PAGE, re.MULTILINE)
    assert len(typed) > 30
    assert [words for words in typed if words not in COMMANDS and words.split()[0] not in COMMANDS] == []


def test_every_exit_code_is_documented() -> None:
    """The table is the enumeration."""
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == sorted(Exit)


def test_no_token_stands_in_the_examples() -> None:
    """They were real once."""
    assert re.search(r"comity_(sk|adm|mod)_[a-z2-7]{10}_[a-z2-7]{32}", PAGE) is None
