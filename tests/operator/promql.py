"""As much of PromQL as docs/operator/alerts.yml uses, evaluated as Prometheus does; anything else is refused aloud.

`make test-alerts` compares the answers with Prometheus' own on the same samples.
"""

import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = float | Vector
Points = Sequence[tuple[float, float]]


class Unsupported(Exception):
    """Raised when an expression uses what is not known here."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What was scraped: seconds and value by series (its labels with `__name__`), the oldest first.

    now: the moment of the last scrape. current: series that it found; Prometheus calls the others stale.
    """

    series: Mapping[Labels, Points]
    now: float
    current: frozenset[Labels]

    def instant(self, name: str, wanted: Mapping[str, str]) -> Vector:
        """Values of the last scrape."""
        return {key: points[-1][1] for key, points in self._found(name, wanted) if key in self.current}

    def range(self, name: str, wanted: Mapping[str, str], seconds: float) -> dict[Labels, Points]:
        """All values of the last `seconds`."""
        since = self.now - seconds
        return {key: [p for p in points if p[0] >= since] for key, points in self._found(name, wanted)}

    def _found(self, name: str, wanted: Mapping[str, str]) -> Iterator[tuple[Labels, Points]]:
        want = {("__name__", name), *wanted.items()}
        return ((key, points) for key, points in self.series.items() if want <= key)


def evaluate(expression: str, samples: Samples) -> Value:
    """The value of an expression at the last scrape; series by their labels, without `__name__` where one was used."""
    parser = _Parser(expression, samples)
    value = parser.union()
    parser.expect("")
    return value


_TOKEN = re.compile(
    r'\s*(?:(\d+(?:\.\d+)?)(?![\w.])|(\d+[smhd])|("[^"]*")|([A-Za-z_:][\w:]*)|(==|!=|>=|<=|[-+*/()<>{}\[\],=]))'
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": lambda a, b: a / b if b else a * math.inf,
}  # fmt: skip


class _Parser:
    """Reads and evaluates at once, by descent; each method is one strength of binding."""

    def __init__(self, text: str, samples: Samples) -> None:
        self._samples = samples
        self._tokens = list(_tokens(text))

    def _peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _next(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""

    def expect(self, token: str) -> None:
        """Raises Unsupported unless `token` comes next ("" for the end)."""
        if (found := self._next()) != token:
            raise Unsupported(f"{found!r} instead of {token!r}")

    def union(self) -> Value:
        left = self._intersection()
        while self._peek() == "or":
            self._next()
            first, second = _vector(left), _vector(self._intersection())
            left = {**{key: v for key, v in second.items() if _bare(key) not in set(map(_bare, first))}, **first}
        return left

    def _intersection(self) -> Value:
        left = self._comparison()
        while self._peek() in ("and", "unless"):
            wanted = self._next() == "and"
            keys = set(map(_bare, _vector(self._comparison())))
            left = {key: value for key, value in _vector(left).items() if (_bare(key) in keys) is wanted}
        return left

    def _comparison(self) -> Value:
        left = self._sum()
        while self._peek() in _COMPARE:
            compare, right = _COMPARE[self._next()], self._sum()
            if not isinstance(right, float):
                raise Unsupported("comparison with anything but a number")
            left = {key: value for key, value in _vector(left).items() if compare(value, right)}
        return left

    def _sum(self) -> Value:
        left = self._product()
        while self._peek() in ("+", "-"):
            left = _calculate(_ARITHMETIC[self._next()], left, self._product())
        return left

    def _product(self) -> Value:
        left = self._unit()
        while self._peek() in ("*", "/"):
            left = _calculate(_ARITHMETIC[self._next()], left, self._unit())
        return left

    def _unit(self) -> Value:
        token = self._next()
        if token == "(":
            value = self.union()
            self.expect(")")
            return value
        if token[:1].isdigit():
            return float(token)
        if token in _AGGREGATES:
            return self._aggregate(_AGGREGATES[token])
        if token in _OVER_TIME:
            self.expect("(")
            counter, per_second = _OVER_TIME[token]
            value = self._over_time(counter, per_second)
            self.expect(")")
            return value
        if token == "histogram_quantile":
            return self._quantile()
        if token == "absent":
            return self._absent()
        if not re.fullmatch(r"[a-z_:][\w:]*", token) or self._peek() == "(":
            raise Unsupported(repr(token))
        return self._samples.instant(token, self._labels())

    def _labels(self) -> dict[str, str]:
        wanted: dict[str, str] = {}
        if self._peek() != "{":
            return wanted
        self._next()
        while self._peek() != "}":
            name = self._next()
            self.expect("=")
            wanted[name] = self._next().strip('"')
            if self._peek() == ",":
                self._next()
        self._next()
        return wanted

    def _aggregate(self, fold: Callable[[Sequence[float]], float]) -> Vector:
        by: set[str] = set()
        if self._peek() == "by":
            self._next()
            self.expect("(")
            while (name := self._next()) != ")":
                by |= {name} - {","}
        self.expect("(")
        groups: dict[Labels, list[float]] = {}
        for key, value in _vector(self.union()).items():
            groups.setdefault(frozenset(pair for pair in key if pair[0] in by), []).append(value)
        self.expect(")")
        return {key: fold(values) for key, values in groups.items()}

    def _over_time(self, counter: bool, per_second: bool) -> Vector:
        name, wanted = self._next(), self._labels()
        self.expect("[")
        word = self._next()
        self.expect("]")
        seconds = int(word[:-1]) * _UNITS[word[-1]]
        found = self._samples.range(name, wanted, seconds).items()
        changes = {_bare(key): _change(points, self._samples.now, seconds, counter) for key, points in found}
        return {key: v / (seconds if per_second else 1) for key, v in changes.items() if v is not None}

    def _quantile(self) -> Vector:
        self.expect("(")
        quantile = float(self._next())
        self.expect(",")
        histograms: dict[Labels, list[tuple[float, float]]] = {}
        for key, count in _vector(self.union()).items():
            bound = float(dict(key)["le"])
            histograms.setdefault(frozenset(p for p in _bare(key) if p[0] != "le"), []).append((bound, count))
        self.expect(")")
        return {key: _bucket_quantile(quantile, sorted(buckets)) for key, buckets in histograms.items()}

    def _absent(self) -> Vector:
        self.expect("(")
        name, wanted = self._next(), self._labels()
        self.expect(")")
        return {} if self._samples.instant(name, wanted) else {frozenset(wanted.items()): 1.0}


_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {"sum": sum, "max": max, "min": min}
#: Whether it counts resets, and whether it is by the second.
_OVER_TIME = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise Unsupported(text[place : place + 20])
        yield found[0].strip()
        place = found.end()


def _vector(value: Value) -> Vector:
    if isinstance(value, float):
        raise Unsupported("a number where series are wanted")
    return value


def _bare(key: Labels) -> Labels:
    """Labels without the name: what series are matched by."""
    return frozenset(pair for pair in key if pair[0] != "__name__")


def _calculate(act: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, float) and isinstance(right, float):
        return act(left, right)
    if isinstance(left, float) or isinstance(right, float):
        raise Unsupported("arithmetic of a number and series")
    others = {_bare(key): value for key, value in right.items()}
    return {_bare(key): act(value, others[_bare(key)]) for key, value in left.items() if _bare(key) in others}


def _change(points: Points, now: float, seconds: float, counter: bool) -> float | None:
    """How much a series changed in the last `seconds`, drawn out to both ends as Prometheus' extrapolatedRate does."""
    if len(points) < 2:
        return None
    values = [value for _, value in points]
    change = values[-1] - values[0]
    if counter:
        change += sum(before for before, after in itertools.pairwise(values) if after < before)
    sampled = points[-1][0] - points[0][0]
    between = sampled / (len(points) - 1)
    ends = [points[0][0] - (now - seconds), now - points[-1][0]]
    if counter and change > 0:
        ends[0] = min(ends[0], sampled * values[0] / change)  # a counter was not below 0
    drawn = sampled + sum(end if end < between * 1.1 else between / 2 for end in ends)
    return change * drawn / sampled


def _bucket_quantile(quantile: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The value below which that part of the observations lies, linear inside a bucket; NaN without observations."""
    total = buckets[-1][1]
    if not total:
        return math.nan
    rank = quantile * total
    below, counted = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if math.isinf(bound):
                return below
            return below + (bound - below) * (rank - counted) / (count - counted)
        below, counted = bound, count
    return below
