"""Logging: one JSON line per event, with the names of process and request.

What may stand in a line: names, ids, counts, times, error classes. Never an address, a body, a token or a URL's query.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_CONFIGURED: dict[str, Any] = {}


def configure(process: str, level: str = "info") -> None:
    """Send this process's events, and those of the libraries it uses, to standard error as JSON lines."""
    _CONFIGURED.update(process=process, level=_LEVELS[level])
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        _plain_error,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def get(name: str) -> Any:
    """The logger of a module."""
    return structlog.get_logger(module=name)


def many(module: str, event: str, found: Iterable[tuple[float, Mapping[str, Any]]]) -> None:
    """Log many events of one name, level info, as one piece: when each happened (seconds since the epoch), and more.

    Before `configure` there is nowhere to log to.
    """
    if not _CONFIGURED or _CONFIGURED["level"] > _LEVELS["info"]:
        return
    fixed = {"module": module, "event": event, "level": "info", "process": _CONFIGURED["process"]}
    lines = [
        json.dumps({**more, **fixed, "timestamp": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")})
        for at, more in found
    ]
    if lines:
        with suppress(OSError, ValueError):  # nobody reads any more: there is no place left to say so
            sys.stderr.write("\n".join([*lines, ""]))
            sys.stderr.flush()


def _named(process: str) -> Any:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def _plain_error(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """An exception as its class and places in the code; its message may quote data, so it stays out."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0] is not None:
        event["error"] = f"{info[0].__module__}.{info[0].__qualname__}"
        event["trace"] = [
            f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in traceback.extract_tb(info[2])[-8:]
        ]
    return event
