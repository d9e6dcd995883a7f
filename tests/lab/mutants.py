"""Guarantees taken away, one by one, from a copy of the code or from the database: the checker has to notice each."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.laboratory import REPOSITORY, scratch

_COPIED = ("service", "workers", "classifier", "tests", "tools", "pyproject.toml", "CHANGELOG.md")


@dataclass(frozen=True)
class Patch:
    """A text of a file that stands there exactly once, and what stands there instead."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Change the copy. Raises AssertionError when the code has moved on, and the mutant has to follow it."""
        file = root / self.path
        text = file.read_text(encoding="utf-8")
        count = text.count(self.old)
        assert count == 1, f"{self.path} holds {count} times: {self.old!r}"
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True)
class Mutant:
    """A guarantee that is gone, and the smallest campaign that has to notice. spoil: SQL, for one in the database."""

    name: str
    campaign: str
    patches: tuple[Patch, ...] = ()
    spoil: str = ""


@dataclass(frozen=True)
class Caught:
    """What a mutant's campaign came to. by: the invariants it broke, in the order of the checker; none: it got away."""

    mutant: Mutant
    by: tuple[str, ...]
    seconds: float
    said: str


COMMENTS, JUDGING, SUBMIT = "service/store/comments.py", "workers/judging.py", "service/web/api/comments.py"
LOTS = "service/web/lots.py"

MUTANTS = (
    Mutant("no CAS", "moderators", (
        Patch(COMMENTS,
              "c.id = w.id AND c.version = w.version AND c.content_version = w.content_version AND c.state = w.from_state\n"
              "  AND (c.due_at IS NOT NULL OR NOT w.policy)",
              "c.id = w.id"),
    )),
    Mutant("no UNIQUE", "deciders", spoil="DROP INDEX comity.decision_once"),
    Mutant("no sweep", "broker-restarts", (
        Patch("workers/relay.py", "            backlog = claims.backlog(connection)\n",
              "            backlog = Backlog(False, 0.0, 0.0, 0.0)\n"),
    )),
    Mutant("no fencing", "worker-paused", (
        Patch(COMMENTS, "c.version = w.version AND c.content_version = w.content_version AND c.state", "c.state"),
    )),
    Mutant("no key row", "web-killed", (
        Patch("service/store/submissions.py", '"key": key and key.key,', '"key": None,'),
    )),
    Mutant("early answer", "web-killed", (
        Patch(SUBMIT, "    try:\n        accepted = _store(services, taken, key)\n",
              "    try:\n        import threading\n\n"
              "        threading.Thread(target=_store, args=(services, taken, key)).start()\n"
              "        accepted = Accepted(taken.id)\n"),
        Patch(LOTS, "        stored = set() if lot.rows is None else _stored(services, lot.rows)\n",
              "        import threading\n\n"
              "        threading.Thread(target=_stored, args=(services, lot.rows)).start()\n"
              "        stored = {piece.submission.id for piece in lot.pieces}\n"),
    )),
    Mutant("publish before commit", "failpoints", (
        Patch(COMMENTS, "    _record(connection, steps)\n    return [Decided",
              '    connection.execute("COMMIT")\n    connection.execute("BEGIN")\n'
              "    _record(connection, steps)\n    return [Decided"),
    )),
    Mutant("commit error swallowed", "commits-cut", (
        Patch(SUBMIT, '            failpoints.hit("committed")\n',
              '            failpoints.hit("committed")\n    except Unavailable:\n        accepted = Accepted(taken.id)\n'),
        Patch(SUBMIT, "import Busy, Connection\n", "import Busy, Connection, Unavailable\n"),
        Patch(LOTS, "    except Unavailable:\n        raise\n",
              "    except Unavailable:\n        from json import loads\n\n"
              '        return {UUID(one["id"]) for one in loads(rows)}\n'),
    )),
    Mutant("no attempts bound", "poisoned", (
        Patch(JUDGING, "if one.attempts <= claims.MAX_ATTEMPTS", "if one.attempts"),
    )),
    Mutant("site filter dropped", "moderators", (
        Patch(COMMENTS, "AND (%s::uuid[] IS NULL OR site_id = ANY(%s))",
              "AND (%s::uuid[] IS NULL OR true OR site_id = ANY(%s))"),
    )),
    Mutant("e-mail in a schema", "moderators", (
        Patch("service/web/schemas.py", "    status_token = fields.String(",
              "    email = fields.String()\n    status_token = fields.String("),
        Patch("service/web/intake.py", 'referrer=data["referrer"]', 'referrer=data["email"]'),
    )),
    Mutant("body logged", "deciders", (
        Patch(JUDGING, '_log.info("decided", claimed=len(claimed),',
              '_log.info("decided", bodies=[one.body for one in claimed], claimed=len(claimed),'),
    )),
)  # fmt: skip


def hunt(mutant: Mutant) -> Caught:
    """Run a mutant's campaign, in its smallest size, on a copy of the code that has the mutant in it."""
    began = time.monotonic()
    with scratch() as folder:
        copy(folder)
        for patch in mutant.patches:
            patch.apply(folder)
        findings = folder / "findings.json"
        words = ["--factor", "0", "--only", mutant.campaign, "--spoil", mutant.spoil, "--findings", str(findings)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.lab", *words],
            cwd=folder, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        found = json.loads(findings.read_text(encoding="utf-8")) if findings.exists() else []
    by = dict.fromkeys(invariant for invariant, _ in found if invariant != "the campaign comes to its end")
    return Caught(mutant, tuple(by), time.monotonic() - began, done.stdout + done.stderr)


def copy(folder: Path) -> None:
    """The code as it is, without what was compiled from it."""
    for name in _COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "browser"))
        else:
            shutil.copy(source, folder / name)
    os.chmod(folder, 0o755)
