"""Answers are counted and logged a moment later, and none is forgotten."""

import json
import time
from datetime import datetime

import pytest

from service import log
from service.web import metrics
from service.web.notes import Notes

_LABELS = {"method": "GET", "route": "/noted", "status": "200"}


def counted() -> float:
    """How many answers are counted."""
    return metrics.REGISTRY.get_sample_value("comity_requests_total", _LABELS) or 0


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a web process, but for the loggers, which would keep a test's standard error for ever."""
    monkeypatch.setitem(log._CONFIGURED, "level", 20)
    monkeypatch.setitem(log._CONFIGURED, "process", "web")


def test_answers_are_logged_later_and_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its status, its request and the time it was given."""
    notes = Notes()
    before = counted()
    for number in range(20):
        notes.add("GET", "/noted", 200, 0.0012, f"noted-{number}")
    deadline = time.monotonic() + 5
    text = ""
    while text.count("noted-") < 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        text += capsys.readouterr().err
    found = [json.loads(line) for line in text.splitlines() if "noted-" in line]
    assert [event["request"] for event in found] == [f"noted-{number}" for number in range(20)]
    told = {(event["event"], event["method"], event["route"], event["status"], event["ms"]) for event in found}
    assert told == {("request", "GET", "/noted", 200, 1.2)}
    assert all(abs(datetime.fromisoformat(event["timestamp"]).timestamp() - time.time()) < 10 for event in found)
    assert counted() == before + 20


def test_whoever_looks_at_the_figures_sees_the_latest(capsys: pytest.CaptureFixture[str]) -> None:
    """What waits is counted first."""
    notes = Notes()
    metrics.before(notes.write)
    before = counted()
    notes.add("GET", "/noted", 200, 0.0012, "noted-at-once")
    assert counted() == before + 1
    capsys.readouterr()


def test_a_level_above_info_keeps_the_lines_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not logged."""
    monkeypatch.setitem(log._CONFIGURED, "level", 30)
    before = counted()
    notes = Notes()
    notes.add("GET", "/noted", 200, 0.0012, "noted-in-silence")
    notes.write()
    assert counted() == before + 1
    assert "noted-in-silence" not in capsys.readouterr().err
