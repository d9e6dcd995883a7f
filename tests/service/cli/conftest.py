"""Commands in this process, on a database of the test's own; every answer is searched for what must not be shown."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner

from service import embedded
from service.cli import confirm, main
from tests.world import World, environment

EXAMPLE = "ann@example.org"  # in the sentence that says how an address looks
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+")


@dataclass(frozen=True)
class Answer:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def data(self) -> dict[str, Any]:
        """Its only JSON object."""
        (row,) = self.rows
        return row


@dataclass
class Terminal:
    """Runs commands on one database."""

    environ: Mapping[str, str | None]
    hidden: tuple[str, ...] = ()
    runner: CliRunner = field(default_factory=CliRunner)

    def __call__(self, *words: object, given: str | None = None, **environ: str | None) -> Answer:
        """Run `comity WORDS` without a terminal."""
        result = self.runner.invoke(
            main, [str(word) for word in words], input=given, env={**self.environ, **environ}, prog_name="comity"
        )
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        answer = Answer(result.exit_code, result.stdout, result.stderr)
        said = answer.out + answer.err
        assert not [word for word in self.hidden if word in said]
        assert set(ADDRESS.findall(said)) <= {EXAMPLE}, said
        return answer

    def done(self, *words: object, **more: Any) -> Answer:
        """Run a command that must succeed."""
        answer = self(*words, **more)
        assert answer.code == 0, (answer.out, answer.err)
        return answer


def terminal(owner_url: str, broker_url: str = "redis://127.0.0.1:1/0", **more: str) -> Terminal:
    """Commands on this database, with the keys of the tests' service."""
    given = environment(owner_url, broker_url, **more)
    hidden = (str(urlsplit(owner_url).password), given["COMITY_INDEX_KEY"], given["COMITY_SECRET_KEY"])
    return Terminal({**given, "COMITY_DATABASE_URL": owner_url, "COMITY_DATA": "/nonexistent/comity"}, hidden)


@pytest.fixture
def comity(owner_url: str) -> Terminal:
    """Commands on an empty service."""
    return terminal(owner_url)


@pytest.fixture
def at_world(world: World) -> Terminal:
    """Commands on the service of `world`, whose only site is "blog"."""
    return terminal(world.owner_url, world.broker_url)


@pytest.fixture
def states(servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the connections of commands stand, as the server sees them, whenever somebody is asked something."""
    seen: list[str] = []
    ask, name = confirm.ask, f"comity command {os.getpid()}"

    def looked_at(what: str, yes: bool) -> None:
        with psycopg.connect(servers.owner_url) as connection:
            found = connection.execute("SELECT state FROM pg_stat_activity WHERE application_name = %s", [name])
            seen.extend(state for (state,) in found)
        ask(what, yes)

    monkeypatch.setattr(confirm, "ask", looked_at)
    return seen


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Puts a policy into a file."""

    def put(text: str) -> Path:
        file = tmp_path / "policy.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return put
