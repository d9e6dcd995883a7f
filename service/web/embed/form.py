"""The reply form: what was typed, what is wrong with it in a visitor's words, and the submission it makes."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from flask import Request

from service.domain.submission import Submission
from service.store.submissions import RequestKey
from service.web import reading, schemas
from service.web.embed.discussion import Discussion
from service.web.errors import Problem
from service.web.fields import read_id
from service.web.intake import submission
from service.web.pages import wait
from service.web.room import POLICY
from service.web.services import Services

ROUTE = "POST /thread"
FIELDS = ("name", "email", "website", "comment")
TRAP = "topic"  # a field that people do not see; what fills it in is a program
_KEY = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
#: A host with a dot in it, and a path. Its first part holds no dot, so that there is one way to read any text.
_BARE_WEBSITE = re.compile(r"[^\s:/?#@.]+\.[^\s:/?#@]+(/[^\s]*)?")
_AGENT_MOST = 512


@dataclass(frozen=True, slots=True)
class Form:
    """One rendering of the form. key: makes that the same form, sent twice, is one comment.

    errors: field to words, in the order of the fields; "form" for what is about none of them.
    The address is not kept: a page never holds one.
    """

    key: str
    name: str = ""
    website: str = ""
    comment: str = ""
    reply_to: UUID | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def posted(self) -> bool:
        """Whether somebody has filled it in already."""
        return bool(self.errors)


@dataclass(frozen=True, slots=True)
class Posted:
    """A form as it came in."""

    form: Form
    data: Mapping[str, Any]
    trapped: bool
    fingerprint: bytes

    @property
    def key(self) -> RequestKey | None:
        """Under which the first of two equal forms is remembered; None for a form that did not come from our page."""
        return RequestKey(ROUTE, self.form.key, self.fingerprint) if _KEY.fullmatch(self.form.key) else None


def blank(reply_to: UUID | None = None) -> Form:
    """An empty form."""
    return Form(_new_key(), reply_to=reply_to)


def read(services: Services, discussion: Discussion, given: Mapping[str, str], request: Request) -> Posted:
    """What a visitor sent from `request`, shaped as the API takes it."""
    name, email, website = (given.get(field, "").strip() for field in ("name", "email", "website"))
    comment = given.get("comment", "")
    parent = read_id(given.get("reply_to", ""))
    place = discussion.place
    data = {
        "thread": {"key": place.key, "url": place.url},
        "name": name,
        "email": email,
        "website": address(website),
        "body": comment.strip("\n"),
        "parent_id": None if parent is None else str(parent),
        "author_ip": request.remote_addr,
        "user_agent": _printable(request.headers.get("User-Agent", "")),
    }
    typed = json.dumps([name, email, website, comment, data["parent_id"]]).encode()
    form = Form(given.get("key", ""), name, website, comment, parent)
    return Posted(form, data, bool(given.get(TRAP)), services.keys.fingerprint(typed))


def address(typed: str) -> str:
    """The web address that a visitor means who leaves its beginning out; what is too long is not looked at."""
    bare = len(typed) <= schemas.WEBSITE_MOST and _BARE_WEBSITE.fullmatch(typed)
    return f"https://{typed}" if bare else typed


def taken(services: Services, discussion: Discussion, posted: Posted) -> Submission:
    """The submission in a form. Raises Problem that names what is wrong."""
    return submission(services, discussion.site, reading.load(schemas.Submission(), posted.data))


def refused(form: Form, problem: Problem) -> Form:
    """The form again, with what is wrong in words. Raises the problem if no visitor can mend it."""
    if POLICY in (problem.extra or {}).get("violated-policies", ()):
        words = f"Many comments wait to be read just now. Wait {wait(problem)}, then send this one."
        return replace(form, errors={"form": words})
    if problem.kind == "quota-exceeded":
        words = f"You sent several comments in a short time. Wait {wait(problem)}, then send this one."
        return replace(form, errors={"form": words})
    if problem.kind == "idempotency-in-progress":
        return replace(form, errors={"form": "This comment is just being taken in. Send it again in a moment."})
    if problem.kind == "idempotency-key-reused":
        words = "This form was sent before with another text. If this is a new comment, send it once more."
        return replace(form, key=_new_key(), errors={"form": words})
    if not problem.errors:
        raise problem
    found = dict(_words(error) for error in problem.errors)
    if "reply_to" in found:
        form = replace(form, reply_to=None)
    return replace(form, errors={name: found[name] for name in ("form", "reply_to", *FIELDS) if name in found})


_FIELD_OF = {"name": "name", "email": "email", "website": "website", "body": "comment", "parent_id": "reply_to"}
_WORDS = {
    ("name", "empty"): "Enter your name.",
    ("name", "too_long"): f"Shorten your name to {schemas.NAME_MOST} characters.",
    ("name", "stacked"): "Use fewer accents on one letter of your name.",
    ("website", "too_long"): "Give a shorter web address, or none.",
    ("comment", "empty"): "Write a comment.",
    ("comment", "too_long"): f"Shorten your comment to {schemas.BODY_MOST:,} characters.",
    ("comment", "stacked"): "Use fewer accents on one letter of your comment.",
    ("comment", "duplicate"): "You sent the same comment here some minutes ago.",
    ("reply_to", "too_deep"): "Replies nest too deep here. Answer a comment further up, or post yours on its own.",
    ("form", "thread_closed"): "This discussion was closed meanwhile. It takes no more comments.",
}
_WORDS_OF_FIELD = {
    "name": "Use only letters and signs that can be printed, on one line.",
    "email": "Enter your email address: a name, an @ and a domain.",
    "website": "Enter a web address that begins with https://, or leave this empty.",
    "comment": "The comment holds characters that cannot be shown. Remove them.",
    "reply_to": "The comment that you answer is not there any more. You can post yours on its own.",
}


def _words(error: Mapping[str, str]) -> tuple[str, str]:
    """A field of the form and what to do about it."""
    name = _FIELD_OF.get(error.get("pointer", "").removeprefix("#/"), "form")
    fallback = _WORDS_OF_FIELD.get(name, "The comment could not be taken as it is.")
    return name, _WORDS.get((name, error["code"]), fallback)


def _printable(agent: str) -> str:
    return "".join(character for character in agent if character.isprintable())[:_AGENT_MOST]


def _new_key() -> str:
    return secrets.token_urlsafe(16)
