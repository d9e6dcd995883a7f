"""Runs Schemathesis, with all its default checks, against the web process as it runs for real."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.serving import ROOT, judging, serving
from tests.world import World

PHASES = "examples,coverage,fuzzing,stateful"
_FREE = {f"COMITY_LIMIT_{name}": "10000000/60" for name in ("SITE", "AUTHOR", "PREFIX", "VISITOR")}


@dataclass(frozen=True)
class Outcome:
    """What came of a run: answers by status, whether every check passed, and what Schemathesis said."""

    statuses: Counter[int]
    passed: bool
    said: str

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """How many answers were the service's own fault."""
        return sum(n for status, n in self.statuses.items() if status >= 500)

    def __str__(self) -> str:
        by_status = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items()))
        return f"{self.requests} requests, {self.failed} answers 5xx ({by_status})"

    @property
    def complaints(self) -> str:
        """The part of what was said that names failures."""
        found = re.search(r"=+ (?:ERRORS|FAILURES) =+.*", self.said, re.DOTALL)
        return "\n".join(line[:400] for line in (found[0] if found else self.said).splitlines())


def fuzz(world: World, folder: Path, *options: str) -> Outcome:
    """One run on a world's database, by its credentials, while its judge works. options: of `st run`."""
    config = folder / "schemathesis.toml"
    config.write_text(_config(world))
    with (
        serving(world.owner_url, world.broker_url, folder / "web.log", COMITY_LOG_LEVEL="warning", **_FREE) as served,
        judging(world),
    ):
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
        command += [
            f"{served.url}/v1/openapi.json",
            "--no-color",
            "--phases",
            PHASES,
            "--continue-on-failure",
            *options,
        ]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environ)
        return Outcome(served.statuses(), done.returncode == 0, done.stdout + done.stderr)


def _config(world: World) -> str:
    """Real credentials for every scheme, and the ids of a few things that exist, given now and then."""
    one, two = world.published(thread={"key": "fuzz"}), world.flagged(thread={"key": "fuzz"})
    thread = world.read(thread_key="fuzz").json["thread"]["id"]
    world.add_site("other")
    return f"""
hooks = "{Path(__file__).with_name("hooks.py")}"

[auth.openapi.secretKey]
bearer = "{world.secret_key}"
[auth.openapi.statusToken]
bearer = "{one["status_token"]}"
[auth.openapi.moderatorToken]
bearer = "{world.moderator_token}"
[auth.openapi.adminToken]
bearer = "{world.admin_token}"

# Refusing a body for its size is refusing it, too.
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]

[dictionaries]
status = {{ values = ["{one["id"]}"] }}
comments = {{ values = ["{one["id"]}", "{two["id"]}"] }}
threads = {{ values = ["{thread}"] }}
sites = {{ values = ["blog", "other"] }}
others = {{ values = ["other"] }}
pages = {{ values = ["fuzz"] }}

[parameters]
"path.comment_id" = {{ dictionary = "comments", probability = 0.7 }}
"path.thread_id" = {{ dictionary = "threads", probability = 0.7 }}
"path.site" = {{ dictionary = "sites", probability = 0.7 }}
"query.site" = {{ dictionary = "sites", probability = 0.7 }}
"query.thread_key" = {{ dictionary = "pages", probability = 0.5 }}

# A limit that the fuzzer sets for the site of its own key would refuse most of what it submits from then on.
[[operations]]
include-operation-id = "change_site"
parameters = {{ "path.site" = {{ dictionary = "others", probability = 0.7 }} }}

[[operations]]
include-operation-id = "comment_status"
parameters = {{ "path.comment_id" = {{ dictionary = "status", probability = 0.7 }} }}
"""
