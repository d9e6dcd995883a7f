"""docs/operator/logs.md names every event of the code, with its levels; and each line of a log is one event."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.faults.house import ROOT, house

LEVELS = {"debug", "info", "warning", "error"}


def _calls() -> Iterator[tuple[str, str]]:
    """Event and level of each call that writes one: of a module's `_log`, of many at once, or of the supervisor's journal."""
    for package in ("service", "workers", "classifier"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                    continue
                owner, name = ast.unparse(node.func.value), node.func.attr
                if owner == "_log" and name in LEVELS:
                    yield ast.literal_eval(node.args[0]), name
                if (owner, name) == ("log", "many"):
                    yield ast.literal_eval(node.args[1]), "info"
                if owner.endswith("journal") and name == "event":
                    yield ast.literal_eval(node.args[0]), ast.literal_eval(node.args[1]) if node.args[1:] else "info"


def test_every_event_is_documented() -> None:
    """Neither one too few nor one too many, in order, and at the level it has."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for event, level in _calls():
        found[event].add(level)
    text = (ROOT / "docs/operator/logs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z, ]+) \| [a-z, -]+ \| .+ \|$", text, re.MULTILINE)
    assert [(event, set(levels.split(", "))) for event, levels in rows] == sorted(found.items())


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """What web, worker and relay write while they take and decide comments."""
    with house(web={}, worker={}, relay_1={}) as made:
        made.settled(made.submit(5), 30)
        made.client.request("GET", "/v1/comments?site=blog&thread_key=a-place")
        return made.log.read_text().splitlines()


def test_a_log_is_one_json_line_an_event(lines: list[str]) -> None:
    """Each with the fields that the page names; no query, no address."""
    events = [json.loads(line) for line in lines]
    assert {"web_ready", "relay_ready", "child_ready", "request", "decided"} <= {event["event"] for event in events}
    assert all({"event", "level", "timestamp", "process"} <= set(event) for event in events)
    assert all(event["request"] for event in events if event["event"] == "request")
    assert "a-place" not in "".join(lines)
    assert "leak.example" not in "".join(lines)
