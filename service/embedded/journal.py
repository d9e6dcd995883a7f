"""The log of `make run`: one JSON line per event in a file that cannot outgrow its folder, short lines for a person."""

import json
import os
import re
import select
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

LONGEST = 65_536  # bytes of one line
_PIECE = 4096  # bytes that a writable pipe takes without blocking
_PATIENCE = 0.2  # seconds
_LARGEST, _KEPT = 10_000_000, 3  # bytes of one file, files
_LOUD = {"warning", "error", "critical"}
_WORD = re.compile(r"\S+")
_POSTGRES = re.compile(r"\b(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC): ")
_POSTGRES_LEVELS = {"WARNING": "warning", "ERROR": "error", "FATAL": "error", "PANIC": "critical"}
#: What PostgreSQL calls fatal and is only a connection that came too early or was closed by an orderly stop.
_HARMLESS = ("is starting up", "is shutting down", "not yet accepting", "administrator command", "in recovery mode")


class Lines:
    """Cuts what a child writes into lines, none over LONGEST; the rest of a longer one is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines = [line[:LONGEST] for line in whole]
        if lines and self._dropping:
            lines, self._dropping = lines[1:], False
        if len(self._rest) > LONGEST:
            if not self._dropping:
                lines.append(self._rest[:LONGEST])
            self._rest, self._dropping = b"", True
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """What is left without a line's end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() and not self._dropping else []


class Screen:
    """Shows lines on a stream that may be a pipe nobody reads or a terminal held with Ctrl-S.

    The supervisor must never wait for it: after a short patience lines are dropped until it moves again.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        try:
            self._descriptor: int | None = stream.fileno()
        except (OSError, ValueError):
            self._descriptor = None  # In memory.
        self._stuck = False

    def show(self, text: str) -> None:
        """Raises OSError when the stream is closed."""
        if self._descriptor is None:
            print(text, file=self._stream)
            return
        data = text.encode() + b"\n"
        while data and self._moves(self._descriptor):
            data = data[os.write(self._descriptor, data[:_PIECE]) :]

    def _moves(self, descriptor: int) -> bool:
        patience = 0.0 if self._stuck else _PATIENCE
        self._stuck = not select.select([], [descriptor], [], patience)[1]
        return not self._stuck


class Journal:
    """Writes each event to `path`; to `screen` too, as JSON (`machine`) or, if it is a warning or worse, in short.

    A full disk or a closed terminal must not stop the service: a line that cannot be written is dropped.
    """

    def __init__(self, path: Path, screen: TextIO, machine: bool) -> None:
        self._path = path
        self._screen = Screen(screen)
        self._machine = machine
        self._file: int | None = None
        self._size = 0
        self._shown = ""

    def event(self, event: str, level: str = "info", **fields: object) -> None:
        """One event of the supervisor itself."""
        self._write(_event("supervisor", event, level, **fields))

    def line(self, process: str, raw: bytes) -> str:
        """One line a child wrote: passed on as it is if it is an event already, else made one; its event."""
        if (event := _parsed(raw)) is not None:
            self._write(event, raw)
        else:
            text = raw.decode("utf-8", "replace").rstrip()
            event = _event(process, _masked(text), _level(process, text))
            self._write(event)
        return str(event["event"])

    def _write(self, event: dict[str, object], raw: bytes | None = None) -> None:
        line = raw.rstrip() if raw is not None else json.dumps(event, ensure_ascii=False).encode()
        with suppress(OSError):
            self._append(line + b"\n")
        with suppress(OSError, ValueError):
            self._show(event, line)

    def _append(self, line: bytes) -> None:
        if self._file is None or self._size > _LARGEST:
            self._open()
        if self._file is None:
            return
        if (written := os.write(self._file, line)) == len(line):
            self._size += written
        else:
            os.ftruncate(self._file, self._size)  # A full disk took half of it: better no line than half a one.

    def _open(self) -> None:
        self.close()
        if self._path.exists() and self._path.stat().st_size > _LARGEST:
            for number in range(_KEPT - 1, 0, -1):
                older = self._path.with_name(f"{self._path.name}.{number}")
                newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
                if newer.exists():
                    newer.replace(older)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self._size = os.fstat(self._file).st_size

    def _show(self, event: dict[str, object], line: bytes) -> None:
        text = line.decode("utf-8", "replace") if self._machine else _short(event)
        if not self._machine and (event.get("level") not in _LOUD or text == self._shown):
            return
        self._shown = text
        self._screen.show(text)

    def close(self) -> None:
        """Close the file; the next event opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _event(process: str, event: str, level: str, **fields: object) -> dict[str, object]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"event": event, "process": process, "level": level, "timestamp": now, **fields}


def _parsed(raw: bytes) -> dict[str, object] | None:
    if not raw.startswith(b"{"):
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "event" in value else None


def _masked(text: str) -> str:
    """Without words that may be an address, or a URL with a password in it."""
    if "@" not in text:
        return text
    return _WORD.sub(lambda word: "[masked]" if "@" in word[0] else word[0], text)


def _level(process: str, text: str) -> str:
    if process == "postgres":
        found = _POSTGRES.search(text)
        if found is None or any(words in text for words in _HARMLESS):
            return "info"
        return _POSTGRES_LEVELS.get(found[1], "info")
    if process == "valkey":
        return "info"
    return "error" if text.startswith("Traceback ") else "info"


def _short(event: dict[str, object]) -> str:
    why = f": {event['why']}" if event.get("why") else ""
    return f"{event.get('level')} {event.get('process')}: {event.get('event')}{why}"[:500]
