"""What every answer carries, and answers that are given before the application is asked."""

import re
import time
from collections.abc import Mapping

from flask import json

from service.domain.ids import random_id
from service.web import metrics
from service.web.errors import Problem
from service.web.notes import Notes

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


def refusal(problem: Problem, method: str, given_id: str, begun: float) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, header fields and content of an answer that needs no application. begun: by `time.perf_counter`."""
    name = request_id(given_id)
    status, headers, content = problem_parts(problem, name)
    NOTES.add(method, "unknown", status, time.perf_counter() - begun, name)
    return status, [*headers.items(), *HEADERS.items(), ("X-Request-Id", name)], content


def problem_parts(problem: Problem, name: str) -> tuple[int, dict[str, str], bytes]:
    """Status, own header fields and content of a problem's answer. name: the id of the request."""
    document = {**problem.document(), "instance": f"urn:comity:request:{name}"}
    headers = {"Content-Type": "application/problem+json", **(problem.headers or {}), "Cache-Control": "no-store"}
    return problem.status, headers, json.dumps(document).encode()
