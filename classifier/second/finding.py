"""Is there a second tier here? Packages and file are looked for; nothing is loaded where one of them is missing."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from classifier.artifact import ModelError
from classifier.normalise import Normalised
from classifier.scores import Scores

DEFAULT = Path(__file__).parents[1] / "model" / "second.tier2"
"""Where `python -m classifier second fetch` puts the file, and where it is looked for without another path."""

LANGUAGES = ("en", "unknown")
"""What the first tier calls the texts that a second tier reads: those of its English table."""

PACKAGE = "onnxruntime"


class Second(Protocol):
    """What a second tier can be asked (see `model.SecondTier`)."""

    version: str
    sha256: str

    def score(
        self, first: Sequence[Scores], texts: Sequence[Normalised], until: float | None = None
    ) -> list[Scores | None]: ...


def find(path: Path | None = None) -> Second | None:
    """The second tier at `path`; without a path the one at `DEFAULT`, and None where there is none.

    Raises ModelError for a file that is damaged, or that was asked for and cannot be used.
    """
    installed = find_spec(PACKAGE) is not None
    if path is None and not (installed and DEFAULT.exists()):
        return None
    if not installed:
        raise ModelError(f"The second tier {path} needs {PACKAGE}, which is not installed: see requirements-tier2.txt.")
    loaded: Second = import_module("classifier.second.model").load(path or DEFAULT)
    return loaded
