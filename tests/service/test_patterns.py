"""No text makes a pattern stumble: the time each takes grows with the length of what it is given, and no faster.

Every compiled pattern of the service, the workers and the classifier is found by itself, and so are the functions that
read what a visitor wrote. Processor time is measured, the best of a few, so other work on the machine changes little.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from time import process_time
from types import BuiltinMethodType
from typing import Any

import pytest

import classifier
import service
import workers
from classifier.acts import ACTS
from classifier.context import Context
from classifier.language import identify
from classifier.normalise import mend_links, normalise
from service import evidence
from service.domain import matching, text, urls
from service.web import fields, reading
from service.web.embed import form

SIZES = (1_000, 2_000, 4_000, 8_000)
FIRST = 2_000
SMALL = 0.0005  # seconds for 2,000 signs that are no matter; what takes the square of the length takes longer
#: Patterns that never meet more than so many characters, and why.
BOUNDED = {
    "service.web.fields._PLAIN_ADDRESS": 254,  # Email looks at the length first
    "classifier.language._REMOVED": 400,  # READ
}
#: Modules of the second tier that teach it.
TEACHING = {"build", "graph", "network", "quantise", "train", "unseen"}
_SIGNS = ".,/:@#-_ \\<>\"'&;%="
_PIECES = (
    *_SIGNS, *(f"a{sign}" for sign in _SIGNS), "a", "1", "\n", "\u0301", "中", "\u202e", "1.", "a 1 ", "a.b/", "//a.",
    "http://", "https://a.b/", "www.a.", "@a.", "a@b.", "[.]", ".,", "-_", "<a>", "\\\"", "%40", "a=b&", "..@", "*!$(?#",
    "a-b.", " dot ",
)  # fmt: skip
#: What stands before a run and after it: the last keep a run from being all there is.
_ENDS = (("", ""), ("a", " \x00"), ('"', "\n^"))


def runs(size: int) -> Iterator[tuple[str, str]]:
    """Texts of about `size` characters by name."""
    for piece in _PIECES:
        for before, after in _ENDS:
            yield f"{before}{piece}...{after}", before + (piece * size)[:size] + after


def _modules() -> Iterator[str]:
    for package in (service, workers, classifier):
        paths = [str(Path(path)) for path in package.__path__]
        yield from (each.name for each in walk_packages(paths, f"{package.__name__}."))


def _apart(name: str) -> bool:
    """Whether a module teaches the second tier, and meets no visitor; or is a migration, or a program."""
    teaches = name.startswith("classifier.second.") and name.rpartition(".")[2] in TEACHING
    return teaches or name.endswith("__main__") or ".migrations." in name


def patterns() -> dict[str, re.Pattern[Any]]:
    """Every pattern that a module keeps, by its name."""
    found: dict[str, re.Pattern[Any]] = {}
    for name in _modules():
        if _apart(name):
            continue
        for key, kept in vars(import_module(name)).items():
            value = kept.__self__ if isinstance(kept, BuiltinMethodType) else kept  # such as a gate's `search`
            if isinstance(value, re.Pattern) and value not in found.values():
                found[f"{name}.{key}"] = value
    return found | {f"classifier.acts.ACTS[{at}]": act.search for at, act in enumerate(ACTS)}


PATTERNS = patterns()
_WAYS = ("fullmatch", "match", "search", "finditer", "findall", "sub", "split")
_SOURCES = {name: Path(str(import_module(name).__file__)).read_text() for name in _modules() if not _apart(name)}


def ways(name: str) -> set[str]:
    """In which ways the source asks a pattern; all of them where it cannot be seen."""
    module, _, key = name.rpartition(".")
    source = _SOURCES.get(module, "") if key.startswith("_") else "\n".join(_SOURCES.values())
    found = {way for way in _WAYS if re.search(rf"\b{re.escape(key)}\.{way}\b", source)}
    return found or set(_WAYS)


def readers() -> dict[str, Callable[[str], object]]:
    """What reads a visitor's text, by name; each is given it whole."""
    return {
        "mask": text.mask, "calm": text.calm, "digest": text.digest, "forbidden": text.forbidden,
        "visible": text.visible, "stacked": text.stacked, "linklike": text.linklike,
        "words": matching.words, "domain": lambda given: matching.domain(given[:300]),
        "normalise": normalise, "mend_links": mend_links,
        "language": lambda given: identify(given, normalise(given)),
        "context": lambda given: Context(name=given, website=given, user_agent=given).features(given),
        "website": form.address, "web_url": fields.is_web_url, "page_url": lambda given: urls.page_url(f"https://a/?{given}"),
        "depth": lambda given: reading._depth(b"[[[[[[[[[[[" + given.encode()),
        "hosts": lambda given: evidence.hosts(given, None),
    }  # fmt: skip


def seconds(does: Callable[[], object], times: int = 1) -> float:
    """Processor time, the best of `times`."""
    best = 99.0
    for _ in range(times):
        begun = process_time()
        does()
        best = min(best, process_time() - begun)
    return best


def grows(does: Callable[[str], object], piece: tuple[str, int], most: float) -> str | None:
    """What is wrong with how the time of `does` grows, in words. most: that eight times the length may cost."""
    name, at = piece
    times = [seconds(partial(does, _run(at, size)), 3) for size in SIZES]
    if times[-1] <= 4 * SMALL or times[-1] <= most * max(times[0], SMALL / 8):
        return None
    return f"{name!r}: " + ", ".join(f"{1000 * one:.1f} ms" for one in times)


def _run(at: int, size: int) -> str:
    return RUNS[size][at][1]


RUNS = {size: list(runs(size)) for size in {*SIZES, FIRST}}


def found_slow(does: Callable[[str], object], small: float, most: float) -> str | None:
    """The first of the runs on which `does` takes longer than its length explains, and how long."""
    for at, (name, run) in enumerate(RUNS[FIRST]):
        if seconds(partial(does, run)) > small and (said := grows(does, (name, at), most)):
            return said
    return None


def uses(pattern: re.Pattern[Any], asked: set[str], bound: int | None = None) -> Callable[[str], object]:
    """Ask a pattern in those ways: from its beginning to the end, from its beginning, or for all in it."""

    def use(given: str) -> None:
        read = given[:bound].encode() if isinstance(pattern.pattern, bytes) else given[:bound]
        if "fullmatch" in asked:
            pattern.fullmatch(read)
        if "match" in asked:
            pattern.match(read)
        if asked - {"fullmatch", "match"}:
            pattern.findall(read)

    return use


def test_the_patterns_are_found() -> None:
    """Those of the web edge, of the domain and of the classifier are among them; a bound names one that is there."""
    assert set(BOUNDED) <= set(PATTERNS)
    assert {
        "service.web.embed.form._BARE_WEBSITE", "service.domain.text._RUN", "classifier.acts._URL",
        "service.web.fields._WEB_URL", "service.web.schemas._ORIGIN", "service.web.policy_schemas._WHOLE_DOMAIN",
    } <= set(PATTERNS)  # fmt: skip


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_takes_time_by_the_length_alone(name: str) -> None:
    """1,000 to 8,000 signs of each kind, and mixtures: eight times as many take about eight times as long."""
    assert found_slow(uses(PATTERNS[name], ways(name), BOUNDED.get(name)), SMALL, 24) is None


@pytest.mark.parametrize("name", sorted(readers()))
def test_what_reads_a_visitors_text_takes_time_by_its_length_alone(name: str) -> None:
    """As for patterns; what takes less than 5 ms for 2,000 characters is no matter."""
    assert found_slow(readers()[name], 0.005, 24) is None


def test_a_pattern_that_squares_is_seen() -> None:
    """The measure itself: two classes that share the sign between them."""
    assert found_slow(uses(re.compile(r"[^\s:/?#@]+\.[^\s:/?#@]+(/[^\s]*)?"), {"fullmatch"}), SMALL, 24) is not None
