"""The measures by name: what `python -m classifier evaluate --measure NAME` runs."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from classifier import evaluate, footprint, speed, unseen
from classifier.lessons import read
from classifier.model import Model
from classifier.report import Figures


def run(
    name: str,
    model: Model,
    path: Path,
    data: Path,
    sealed: bool,
    say: Callable[[str], None],
    labels: Sequence[str] = (),
    lessons: Sequence[Path] = (),
) -> Iterable[Figures]:
    """The tables of one measure for `model`, which lies at `path`. say: gets lines of progress. labels: for unseen.

    lessons: for those that train again, see `unseen`. Raises KeyError for an unknown name, DataError where the data
    are not as they must be.
    """
    again = name in ("unseen", "calibration")
    taught = [read(one) for one in lessons] if again else []
    if again:
        unseen.check(path, taught)
    measures: dict[str, Callable[[], Iterable[Figures]]] = {
        "known": lambda: evaluate.known(model, data),
        "sources": lambda: evaluate.sources(model, data),
        "unseen": lambda: unseen.unseen(data, say, labels or unseen.ROTATED, taught),
        "identity": lambda: evaluate.identity(model, sealed),
        "disguised": lambda: evaluate.disguised(model, data),
        "harmless": lambda: evaluate.harmless(model, data),
        "calibration": lambda: unseen.calibrated(unseen.out_of_fold(data, say, lessons=taught)),
        "speed": lambda: [speed.measure(model, data)],
        "languages": lambda: evaluate.languages(model, data),
        "footprint": lambda: [footprint.measure(path)],
    }
    return measures[name]()
