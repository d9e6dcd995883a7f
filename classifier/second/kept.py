"""What a fine-tuning that is kept to go on from was begun with; it goes on with nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classifier.data import Corpus, DataError


def begun(corpus: Corpus, settings: Mapping[str, Any], without: Sequence[str]) -> dict[str, Any]:
    """What a fine-tuning is begun with: settings, SHA-256 of each file of data, families left out.

    Raises DataError for a family that the data have not.
    """
    unknown = sorted(set(without) - set(corpus.families()))
    if unknown:
        raise DataError(f"The data have no family {', '.join(unknown)}; they have {', '.join(corpus.families())}.")
    return {"settings": dict(settings), "data": dict(corpus.hashes), "without": sorted(set(without))}


def check(path: Path, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise DataError where what is kept at `path` was begun with something else than `asked` (see `begun`).

    A network that saw a family would else be recorded as trained without it.
    """
    missing = [name for name in asked if name not in kept]
    if missing:
        raise DataError(f"{path} does not say what it was begun with ({', '.join(missing)}): begin in another folder.")
    other = [name for name, value in asked.items() if kept[name] != value]
    if other:
        raise DataError(f"{path} was begun with other {' and '.join(other)}: begin in another folder.")
