"""Prometheus reads docs/operator/alerts.yml and answers as our evaluator does, on what a service in trouble really says.

`make test-alerts`. Each trouble is made in a service of real processes; its scrapes become input of `promtool test
rules`, which must find each alert's expression to hold for exactly as many series as tests/operator/promql.py does.
"""

import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operator.promql import Labels
from tests.operator.scrapes import RULES, Scrapes, rules
from tests.operator.troubles import TROUBLES, Watched, watched

pytestmark = pytest.mark.timeout(300)
NEEDED = "make test-alerts needs promtool: on Debian, apt-get install prometheus."
EX_UNAVAILABLE = 69


@pytest.fixture(scope="module")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prometheus' own checker: installed, or out of Debian's package, unpacked beside the test and forgotten with it."""
    if found := shutil.which("promtool"):
        return found
    folder = tmp_path_factory.mktemp("prometheus")
    if shutil.which("apt-get") and _quietly("apt-get", "download", "prometheus", folder=folder):
        _quietly("dpkg", "-x", *map(str, folder.glob("*.deb")), str(folder), folder=folder)
    if not (unpacked := folder / "usr/bin/promtool").exists():
        pytest.exit(NEEDED, returncode=EX_UNAVAILABLE)
    return str(unpacked)


@pytest.fixture(scope="module")
def seen() -> Iterator[Watched]:
    """A service of real processes with figures."""
    with watched() as made:
        yield made


def test_prometheus_takes_the_rules(promtool: str) -> None:
    """`promtool check rules` finds every rule and no fault."""
    said = _run(promtool, "check", "rules", str(RULES))
    assert f"SUCCESS: {len(rules())} rules found" in said


def test_prometheus_agrees_in_every_trouble(promtool: str, seen: Watched, tmp_path: Path) -> None:
    """For each trouble and each alert: the expression holds for as many series, before it and while it lasts."""
    tests = []
    for trouble in TROUBLES:
        scrapes = trouble.fires(seen)
        assert scrapes.firing() == {f"Comity{alert}" for alert in trouble.alerts}
        tests.append(_unit_test(scrapes, trouble.make.__name__))
    file = tmp_path / "troubles.yml"
    _write(file, tests)
    assert "SUCCESS" in _run(promtool, "test", "rules", str(file))
    print(f"\n{len(tests)} troubles, {len(rules())} alerts each: Prometheus agrees.")


def test_prometheus_can_disagree(promtool: str, tmp_path: Path) -> None:
    """The comparison notices: a count that is wrong by one is told."""
    scrapes = Scrapes("http://127.0.0.1:1/metrics")
    scrapes.scrape()
    test = _unit_test(scrapes, "nothing answers")
    wrong = next(one for one in test["promql_expr_test"] if one["exp_samples"])
    wrong["exp_samples"][0]["value"] += 1
    file = tmp_path / "wrong.yml"
    _write(file, [test])
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def _write(file: Path, tests: list[dict[str, Any]]) -> None:
    whole = {"rule_files": [str(RULES)], "evaluation_interval": "100ms", "tests": tests}
    file.write_text(yaml.safe_dump(whole, width=10**9))


def _unit_test(scrapes: Scrapes, name: str) -> dict[str, Any]:
    """One group of promtool's unit tests: a series' samples every tenth of a second, and what is expected at the end."""
    expected = [
        {
            "expr": f"count({expression})",
            "eval_time": f"{_tenths(scrapes.times[-1])}00ms",
            "exp_samples": [{"labels": "{}", "value": count}] if (count := scrapes.count(expression)) else [],
        }
        for expression in rules().values()
    ]
    series = [
        {"series": _named(key), "values": _values(points, scrapes.times)} for key, points in scrapes.series.items()
    ]
    return {"name": name, "interval": "100ms", "input_series": series, "promql_expr_test": expected}


def _named(key: Labels) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(key) if name != "__name__")
    return f"{dict(key)['__name__']}{{{labels}}}"


def _values(points: list[tuple[float, float]], times: list[float]) -> str:
    """Samples in promtool's notation: a gap is `_`, a series that a scrape did not find any more is stale."""
    at = {_tenths(moment): value for moment, value in points}
    words, seen = [], False
    for moment, later in pairwise([*map(_tenths, times), _tenths(times[-1]) + 1]):
        words.append(_number(at[moment]) if moment in at else "stale" if seen else "_")
        seen = moment in at
        words += ["_"] * (later - moment - 1)
    return " ".join(words)


def _number(value: float) -> str:
    return repr(value).replace("inf", "Inf").replace("nan", "NaN")


def _tenths(moment: float) -> int:
    return round(moment * 10)


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


def _quietly(*words: str, folder: Path) -> bool:
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0
