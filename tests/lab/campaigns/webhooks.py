"""The website's receiver goes down and comes up, and senders are killed between sending and noting that they did."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.house import ROOT, free_port, wait_for
from tests.lab.campaign import Outcome, sized
from tests.lab.laboratory import Lab

AT_ONCE = 4  # messages to one endpoint that are on their way together
_TOLD = "SELECT d.comment_id || ':' || d.seq FROM comity.delivery d WHERE d.comment_id IS NOT NULL"
_WAITING = "SELECT FROM comity.delivery WHERE state = 'pending' LIMIT 1"


def webhooks(lab: Lab, factor: float) -> Outcome:
    """All is delivered; what is told twice was on its way when a sender or the receiver was killed."""
    rounds = sized(20, factor, 1)
    port = free_port()
    open_to = {
        "COMITY_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "COMITY_WEBHOOK_HTTP": "yes",
        "COMITY_WEBHOOK_PORTS": str(port),
    }
    lab.start("web", **open_to)
    receiver = Receiver(lab.house.folder / f"told-{time.time_ns()}.jsonl", port, _endpoint(lab, port))
    lab.delivered = lambda: (receiver.events(), frozenset(event for (event,) in lab.house.rows(_TOLD)))
    lab.stand_in("relay_judge")
    try:
        receiver.start()
        for _ in range(rounds):
            _killed_between(lab, open_to)
            _down_and_up(lab, receiver, open_to)
    finally:
        receiver.kill()
    seen = Counter(event for event, _ in receiver.events())
    repeats, most = sum(seen.values()) - len(seen), AT_ONCE * 2 * rounds
    found = Outcome(
        f"{rounds:,} outages of the receiver, {rounds:,} senders killed between send and mark",
        f"{len(seen):,} events, each delivered; {repeats:,} repeats (at most {most:,} were on their way at a kill)",
    )
    found.demand(repeats > 0, "the kill fell between send and mark", "nothing was told twice")
    found.demand(repeats <= most, "repeats only where a kill fell", f"{repeats} repeats, {most} on their way")
    return found


def _endpoint(lab: Lab, port: int) -> str:
    """Have the site told at this port; the secret that signs."""
    line = lab.line()
    answer = line.ask("POST", "/v1/sites/blog/webhooks", lab.people.admin, {"url": f"http://127.0.0.1:{port}/hook"})
    line.close()
    assert answer.status == 201, f"the site cannot be told anything: {answer.status} {answer.body}"
    return str(answer.body["signing_secret"])


def _sender(lab: Lab, name: str, **environ: str) -> None:
    command = [sys.executable, "-m", "workers.sender", str(os.getpid())]
    lab.house.start(name, "relay", command=command, **environ)


def _killed_between(lab: Lab, environ: dict[str, str]) -> None:
    """A sender dies after a message was sent and before it was noted; another one goes on."""
    with lab.crowd(visitors=1, readers=0, moderators=1, rate=40.0, most=60) as crowd:
        _sender(lab, "relay_sender", **environ, COMITY_FAILPOINTS="sent=kill")
        process = lab.house.processes["relay_sender"]
        wait_for(lambda: process.poll() is not None, 60, "the sender died")
        lab.house.kill("relay_sender")
        _sender(lab, "relay_sender", **environ)
        crowd.finish()
    _all_told(lab)
    lab.house.kill("relay_sender")


def _down_and_up(lab: Lab, receiver: "Receiver", environ: dict[str, str]) -> None:
    _sender(lab, "relay_sender", **environ)
    receiver.kill()
    with lab.crowd(visitors=1, readers=0, moderators=1, rate=40.0, most=60) as crowd:
        crowd.finish()
    receiver.start()
    _all_told(lab)
    lab.house.stop("relay_sender")


def _all_told(lab: Lab) -> None:
    """Wait until no delivery waits.

    A second try comes after seconds, a third after minutes, and a dead sender's lease lasts 40 s: what has waited for
    long enough is brought forward, as the operator's own command does it.
    """
    lab.settle()
    until = time.monotonic() + 120
    while lab.house.rows(_WAITING):
        assert time.monotonic() < until, "deliveries wait"
        time.sleep(0.5)
        if time.monotonic() > until - 110:
            lab.house.execute("UPDATE comity.endpoint SET paused_until = '-infinity'")
            lab.house.execute(
                "UPDATE comity.delivery SET due_at = least(due_at, now()) WHERE state = 'pending' AND lease IS NULL"
            )


class Receiver:
    """The website's receiver, in a process of its own, to be killed and started again on the same port."""

    def __init__(self, history: Path, port: int, secret: str) -> None:
        self._history, self._port, self._secret = history, port, secret
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        words = ["--port", str(self._port), "--secret", self._secret, "--history", str(self._history)]
        command = [sys.executable, "-m", "tools.receiver", *words]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "the receiver says where it listens"

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def events(self) -> list[tuple[str, bytes]]:
        """What came, well signed: which decision was told, and what stands for its id and bytes."""
        found: list[tuple[str, bytes]] = []
        with contextlib.suppress(FileNotFoundError):
            for line in self._history.read_text(encoding="utf-8").splitlines():
                told: dict[str, Any] = json.loads(line)
                assert told["verdict"] == "good", f"a message came {told['verdict']}"
                found.append((f"{told['comment_id']}:{told['seq']}", f"{told['id']} {told['sha256']}".encode()))
        return found
