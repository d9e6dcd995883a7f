"""What Prometheus would have in its memory: the figures of one web process, scraped again and again."""

import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.operator.promql import Labels, Samples, evaluate

RULES = Path(__file__).resolve().parents[2] / "docs/operator/alerts.yml"
_TARGET = (("job", "comity"), ("instance", "web:9464"))


def rules() -> dict[str, str]:
    """The alerts of docs/operator/alerts.yml: expression by name."""
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


@dataclass
class Scrapes:
    """Scrapes of `url`, stamped with tenths of a second since the first one."""

    url: str
    series: dict[Labels, list[tuple[float, float]]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    current: frozenset[Labels] = frozenset()
    _began: float = field(default_factory=time.monotonic)

    def scrape(self) -> None:
        """One scrape; a process that does not answer is noted as Prometheus notes it: `up` is 0, the rest is stale."""
        now = round(time.monotonic() - self._began, 1)
        if self.times:
            now = max(now, round(self.times[-1] + 0.1, 1))
        self.times.append(now)
        found = self._figures()
        for key, value in found.items():
            self.series.setdefault(key, []).append((now, value))
        self.current = frozenset(found)

    def _figures(self) -> dict[Labels, float]:
        up = frozenset({("__name__", "up"), *_TARGET})
        try:
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return {up: 0.0}
        return {up: 1.0} | {
            frozenset({("__name__", sample.name), *sample.labels.items(), *_TARGET}): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def firing(self) -> set[str]:
        """The alerts whose expression holds at the last scrape."""
        return {name for name, expression in rules().items() if self.count(expression)}

    def count(self, expression: str) -> int:
        """For how many sets of labels an expression holds."""
        found = evaluate(expression, Samples(self.series, self.times[-1], self.current))
        assert isinstance(found, dict)
        return len(found)
