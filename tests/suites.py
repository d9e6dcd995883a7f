"""The suites, their order and their budgets: `make test` prints how long each one took.

Two suites run at a time, each with servers of its own: one that computes beside one that mostly waits.
"""

from collections import Counter

import pytest

#: Name, seconds it may take on two cores, and where its tests lie; the first that fits counts.
SUITES: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("run", 120, ("tests/service/test_embedded", "tests/service/test_supervisor", "tests/faults/test_run")),
    ("store, races, API", 180, ("tests/service/store", "tests/service/web", "tests/workers")),
    ("faults: out of reach", 120, ("tests/faults/test_broker", "tests/faults/test_progress", "tests/faults/test_beat")),
    ("faults: too much", 120, ("tests/faults/test_overload", "tests/faults/test_slow_clients",
                               "tests/faults/test_refusals", "tests/faults/test_tools")),
    ("faults: killed", 120, ("tests/faults",)),
    ("failure lab", 120, ("tests/lab",)),
    ("unit", 120, ("tests/classifier", "tests/service/domain", "tests/service/test_keys", "tests/service/test_settings",
                   "tests/test_")),
    ("fuzz", 120, ("tests/fuzz",)),
    ("calling out", 60, ("tests/service/outbound",)),
    ("operator", 120, ("tests/operator",)),
    ("command line", 120, ("tests/service/cli",)),
    ("web server", 60, ("tests/service/",)),
    ("browser", 240, ("tests/browser",)),  # last: Playwright leaves an event loop running in its process
    ("compose", 900, ("tests/compose",)),
)  # fmt: skip


def suite_of(nodeid: str) -> int:
    """The number of the suite a test belongs to."""
    return next(number for number, (_, _, places) in enumerate(SUITES) if nodeid.startswith(places))


class Clock:
    """A pytest plugin: runs suites in order, adds up their time, prints the table."""

    def __init__(self) -> None:
        self.seconds: Counter[int] = Counter()
        self.tests: Counter[int] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The suites in their order, the tests within each as they were; a suite stays in one process."""
        items.sort(key=lambda item: suite_of(item.nodeid))
        for item in items:
            item.add_marker(pytest.mark.xdist_group(SUITES[suite_of(item.nodeid)][0]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what a test took, set-up and clean-up included."""
        number = suite_of(report.nodeid)
        self.seconds[number] += report.duration
        self.tests[number] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Time by suite against its budget."""
        terminalreporter.section("suites")
        for number, (name, budget, _) in enumerate(SUITES):
            if self.tests[number]:
                over = "  over its budget" if self.seconds[number] > budget else ""
                terminalreporter.write_line(
                    f"{name:22}{self.tests[number]:6} tests {self.seconds[number]:7.1f} s of {budget} s{over}"
                )
