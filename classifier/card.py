"""Write the model cards: prose from `classifier/cards`, figures measured now, and reliability plots."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from classifier import artifact, evaluate, footprint, speed, unseen
from classifier.groups import ENGLISH, GROUPS, Group
from classifier.lessons import Lessons, read
from classifier.model import Model, load
from classifier.report import Figures

PROSE = Path(__file__).parent / "cards"
Say = Callable[[str], None]


def write(
    path: Path, data: Path, out: Path, sealed: bool, brief: bool, measured: Sequence[Mapping[str, Any]], say: Say,
    lessons: Sequence[Path] = (),
) -> list[Path]:  # fmt: skip
    """Write the card of each group that the model at `path` has, and its plot, to the directory `out`.

    sealed: see `evaluate.identity`. brief: leave out what trains again. measured: records of tables of unseen
    sources, if they were measured before. lessons: for what trains again, see `unseen`. Returns the cards. Raises
    DataError.
    """
    model, taught = load(path), [] if brief else [read(one) for one in lessons]
    if not brief:
        unseen.check(path, taught)
    out.mkdir(parents=True, exist_ok=True)
    return [
        _write_one(group, model, path, data, out, sealed, brief, measured, say, taught if group == ENGLISH else ())
        for group in GROUPS
        if model.supports(group.language)
    ]


def _write_one(
    group: Group, model: Model, path: Path, data: Path, out: Path, sealed: bool, brief: bool,
    measured: Sequence[Mapping[str, Any]], say: Say, lessons: Sequence[Lessons],
) -> Path:  # fmt: skip
    loaded = artifact.read(path.with_name(group.file) if group != ENGLISH else path)
    measures = (
        _english(model, path, data, sealed, brief, measured, say, lessons)
        if group == ENGLISH
        else _other(group, model, data)
    )
    tables = [table.as_markdown() for table in measures]
    plot = out / f"calibration-{group.name}.svg"
    if not brief:
        found = unseen.out_of_fold(data, say, group, lessons=lessons)
        tables += [table.as_markdown() for table in unseen.calibrated(found)]
        plot.write_text(unseen.plotted(found, f"{group.name}: rows out of fold"), encoding="utf-8")
        tables.append(f"![Reliability of rows out of fold]({plot.name})\n")
    prose = Template((PROSE / ("english.md" if group == ENGLISH else "other.md")).read_text(encoding="utf-8"))
    card = out / group.card
    text = prose.substitute(
        version=model.version,
        sha256=loaded.sha256,
        file=group.file,
        name=group.name.capitalize(),
        language=group.language,
        labels=", ".join(loaded.header.measured),
        size=f"{len(loaded.packed) / 1e6:.1f}",
        train=f"{loaded.header.training['rows']['train']:,}",
        dev=f"{loaded.header.training['rows']['dev']:,}",
        data=_sources(loaded.header.training, group),
        figures="\n".join(tables),
    )
    card.write_text(text, encoding="utf-8")
    say(f"wrote {card}")
    return card


def _english(
    model: Model, path: Path, data: Path, sealed: bool, brief: bool, measured: Sequence[Mapping[str, Any]], say: Say,
    lessons: Sequence[Lessons],
) -> Iterator[Figures]:  # fmt: skip
    steps: list[Callable[[], Iterable[Figures]]] = [
        lambda: evaluate.known(model, data),
        lambda: map(Figures.from_record, measured),
        *([] if brief or measured else [lambda: unseen.unseen(data, say, lessons=lessons)]),
        lambda: evaluate.sources(model, data),
        lambda: evaluate.identity(model, sealed),
        lambda: evaluate.disguised(model, data),
        lambda: evaluate.harmless(model, data),
        lambda: evaluate.languages(model, data),
        lambda: [speed.measure(model, data)],
        lambda: [footprint.measure(path)],
    ]
    for step in steps:
        for table in step():
            say(table.as_text())
            yield table


def _other(group: Group, model: Model, data: Path) -> Iterator[Figures]:
    yield from evaluate.languages(model, data, group)
    yield from evaluate.sources(model, data, group)


_FAMILIES = {
    "germeval": "GermEval 2018, tweets (Wiegand et al. 2018) | CC BY 4.0",
    "toldbr": "ToLD-Br, tweets (Leite et al. 2020); positive where two of three annotators say so | CC BY-SA 4.0",
    "kmhas": "K-MHaS, news comments (Lee et al. 2022) | CC BY-SA 4.0",
    "beep": "Korean hate speech, news comments (Moon et al. 2020) | CC BY-SA 4.0",
    "curse_ko": "Curse detection data, 2runo | MIT",
    "cold": "COLDataset, posts and comments (Deng et al. 2022) | Apache-2.0",
    "spam_intl": "posts on X labelled by the janitr project, for their language alone | MIT",
}


def _sources(training: dict[str, Any], group: Group) -> str:
    if group == ENGLISH:
        return ""
    names = sorted(name.removesuffix(".csv.gz") for name in training["data"])
    lines = [f"| {name} | {_FAMILIES[name]} |" for name in names if name in _FAMILIES]
    return "\n".join(["| family | what | licence |", "| --- | --- | --- |", *lines])
