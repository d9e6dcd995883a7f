"""An application behind the short way of submissions, as the front of a web process has it."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from flask import Flask

from service.web.answers import Answered
from service.web.submission_shortcut import SubmissionShortcut

LONG = "test.long_way"  # in the environment of a request: the application alone is asked


class Fields:
    """Header fields of a WSGI request, as granian gives them; `more` stand there a second time."""

    def __init__(self, environ: dict[str, Any], more: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in environ.items():
            if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                self._values[name.removeprefix("HTTP_").replace("_", "-").lower()] = [value]
        for name, value in more:
            self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get_all(self, name: str) -> list[str]:
        return self._values.get(name, [])


class Ways:
    """A WSGI application: the short way where it answers, else the long one."""

    def __init__(self, app: Flask) -> None:
        self.long, self.shortcut = app.wsgi_app, SubmissionShortcut(app.extensions["comity"])
        self.shortened = 0

    def short(self, environ: dict[str, Any]) -> Answered | None:
        """What the short way answers."""
        if not self.shortcut.serves(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]):
            return None
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(raw)
        return self.shortcut.answer(environ.get("HTTP_HOST", ""), Fields(environ), raw)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        found = None if LONG in environ else self.short(environ)
        if found is None:
            return self.long(environ, start)  # type: ignore[no-any-return]
        self.shortened += 1
        status, headers, content = found
        start(f"{status} Said", headers)
        return [content]
