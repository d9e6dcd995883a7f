"""The model a process judges with."""

from pathlib import Path

from classifier import Model, ModelError, load
from service import log

_log = log.get(__name__)


def load_or_none(path: Path | None) -> Model | None:
    """The model; None, with an error in the log, when the file is missing, altered or of another format.

    Without a model every comment goes to a human: nothing is published unread.
    """
    try:
        return load(path)
    except ModelError as error:
        _log.error("model_refused", why=str(error))
        return None
