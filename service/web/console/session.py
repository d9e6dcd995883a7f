"""A moderator's session: a signed cookie that names their token and ends by itself, or when it is signed out.

It holds no token, only the token's id; every request looks the token up again, so revoking it ends its sessions. Which
were signed out, the server knows (`service.store.sessions`), so that a copy of the cookie opens nothing any more.
"""

import secrets
import struct
from dataclasses import dataclass, replace

from flask import Request, Response

from service.keys import Keys
from service.settings import Settings

IDLE, LONGEST = 30 * 60, 12 * 60 * 60  # seconds without a request, and in all
_RENEWED = 60  # seconds after which a request moves the end of a session
_FORM = struct.Struct(">10s16sqq")


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in. nonce: tells sessions of one token apart. begun, seen: seconds since the epoch."""

    token_id: str
    nonce: bytes
    begun: int
    seen: int

    def used(self, now: float) -> "Session":
        """The session after a request; the same for a minute, so that not every answer sets a cookie."""
        return replace(self, seen=int(now)) if now - self.seen >= _RENEWED else self


def begin(token_id: str, now: float) -> Session:
    """A new session."""
    return Session(token_id, secrets.token_bytes(16), int(now), int(now))


def write(keys: Keys, session: Session) -> str:
    """The session as a cookie's value."""
    payload = _FORM.pack(session.token_id.encode(), session.nonce, session.begun, session.seen)
    return keys.sign("session", payload)


def read(keys: Keys, cookie: str, now: float) -> Session | None:
    """The live session in a cookie; None when it was not made here or has ended."""
    payload = keys.unsign("session", cookie)
    if payload is None or len(payload) != _FORM.size:
        return None
    name, nonce, begun, seen = _FORM.unpack(payload)
    if now - seen > IDLE or now - begun > LONGEST:
        return None
    return Session(name.decode(), nonce, begun, seen)


def form_token(keys: Keys, session: Session) -> str:
    """What every form of this session carries, and no form of another website can."""
    return keys.sign("form", session.nonce)


def opens_form(keys: Keys, session: Session, given: str) -> bool:
    """Whether a form was made for this session."""
    return keys.unsign("form", given) == session.nonce


# The cookie ----------------------------------------------------------------------------------------------------------


def cookie_name(settings: Settings) -> str:
    """With the prefix that browsers keep for secure, host-only cookies, where the service is reached by https."""
    return "__Host-comity" if _secure(settings) else "comity_session"


def from_request(settings: Settings, request: Request, now: float) -> Session | None:
    """The session of a request."""
    return read(settings.keys, request.cookies.get(cookie_name(settings), ""), now)


def keep(settings: Settings, response: Response, session: Session) -> None:
    """Give the browser the session."""
    response.set_cookie(
        cookie_name(settings), write(settings.keys, session), max_age=IDLE, path="/", secure=_secure(settings),
        httponly=True, samesite="Strict",
    )  # fmt: skip


def drop(settings: Settings, response: Response) -> None:
    """Take the session from the browser."""
    response.delete_cookie(cookie_name(settings), path="/", secure=_secure(settings), httponly=True, samesite="Strict")


def _secure(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")
