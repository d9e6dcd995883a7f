"""What every answer carries, and answers that are given before the application is asked."""

import re
import time
from collections.abc import Mapping

from flask import json

from service.domain.ids import random_id
from service.web import metrics
from service.web.errors import Problem
from service.web.notes import Notes

#: Status, header fields and content.
Answered = tuple[int, list[tuple[str, str]], bytes]

NOTES = Notes()
metrics.before(NOTES.write)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


def request_id(given: str) -> str:
    """The id of a request: the one it came with, if that is fit for a log, or a new one."""
    return given if _REQUEST_ID.fullmatch(given) else str(random_id())


def refusal(problem: Problem, method: str, given_id: str, begun: float) -> Answered:
    """Status, header fields and content of an answer that needs no application. begun: by `time.perf_counter`."""
    name = request_id(given_id)
    NOTES.add(method, "unknown", problem.status, time.perf_counter() - begun, name)
    return of_problem(problem, name)


def of_problem(problem: Problem, name: str) -> Answered:
    """Status, header fields and content of the answer to the request `name` that ended in a problem."""
    content = json.dumps(problem.document(name)).encode()
    headers = {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(content)),
        **(problem.headers or {}),
        "Cache-Control": "no-store",
        **HEADERS,
        "X-Request-Id": name,
    }
    return problem.status, list(headers.items()), content
