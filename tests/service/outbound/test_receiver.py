"""The receiver for trials: what it verifies, what it writes down, and how it answers."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.outbound.client import Answer, Client
from service.outbound.guard import Guard
from service.outbound.signing import new_secret, signatures
from tools.receiver import Receiver, read

ROOT = Path(__file__).resolve().parents[3]
BODY = b'{"type":"comment.published","timestamp":"2026-11-23T03:00:00.123456Z","data":{"comment_id":"c1","seq":2}}'


def send(url: str, secrets: list[str], at: int | None = None, timeout: float = 5, body: bytes = BODY) -> Answer:
    """One signed delivery."""
    at = int(time.time()) if at is None else at
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": signatures(secrets, "msg_1", at, body),
    }

    async def post() -> Answer:
        port = urlsplit(url).port or 80
        async with Client(Guard(["127.0.0.0/8"], http=True, ports=[port]), timeout) as client:
            return await client.post(url, headers, body)

    return asyncio.run(post())


@contextmanager
def process(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The receiver as a program, and its URL."""
    command = [sys.executable, "-m", "tools.receiver", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started, started.stdout.readline().strip()
        started.kill()


def test_every_request_is_written_down_with_what_it_was(tmp_path: Path) -> None:
    """Id, time, digest, type, number and comment; good, forged or stale; what is not good gets 401."""
    secret, history = new_secret(), tmp_path / "history"
    with Receiver([secret], history) as receiver:
        now = int(time.time())
        found = [
            send(receiver.url, [secret], now), send(receiver.url, [new_secret()], now), send(receiver.url, [secret], now - 301),
            send(receiver.url, [secret], now + 310), send(receiver.url, [new_secret(), secret], now, body=b"no JSON"),
        ]  # fmt: skip
        lines = receiver.seen()
    assert [answer.status for answer in found] == [200, 401, 401, 401, 200]
    assert [line["verdict"] for line in lines] == ["good", "forged", "stale", "stale", "good"]
    assert [line["answer"] for line in lines] == ["200", "401", "401", "401", "200"]
    del lines[0]["at"]
    assert lines[0] == {
        "id": "msg_1", "timestamp": str(now), "sha256": hashlib.sha256(BODY).hexdigest(), "type": "comment.published", "seq": 2, "comment_id": "c1",
        "verdict": "good", "answer": "200",
    }  # fmt: skip
    assert (lines[4]["type"], lines[4]["seq"], lines[4]["comment_id"]) == (None, None, None)


def test_it_answers_as_it_is_told_and_may_be_told_otherwise(tmp_path: Path) -> None:
    """Down, then up; slow; a tarpit. Each request stands in the history before it is answered."""
    secret = new_secret()
    with Receiver([secret], tmp_path / "history", answer="500") as receiver:
        assert send(receiver.url, [secret]).status == 500
        receiver.answer = "410"
        assert send(receiver.url, [secret]).status == 410
        receiver.answer = "200"
        assert send(receiver.url, [secret]).status == 200
        receiver.answer = "slow:0.3"
        slow = send(receiver.url, [secret])
        assert (slow.status, slow.took >= 0.3) == (200, True)
        for answer in ("slow:30", "tarpit"):
            receiver.answer = answer
            assert send(receiver.url, [secret], timeout=0.3).error == "timeout"
        assert [line["answer"] for line in receiver.seen()] == ["500", "410", "200", "slow:0.3", "slow:30", "tarpit"]


def test_the_program_keeps_what_it_answered_when_it_is_killed(tmp_path: Path) -> None:
    """And goes on with the same history when it is started again."""
    secret, history = new_secret(), tmp_path / "history"
    for count in (1, 2):
        with process("--secret", new_secret(), "--secret", secret, "--history", str(history)) as (started, url):
            assert send(url, [secret]).status == 200
            os.kill(started.pid, signal.SIGKILL)
        assert [line["verdict"] for line in read(history)] == ["good"] * count


@pytest.mark.parametrize("answer", ["fast", "slow", "slow:x", "99", "600", "", "tarpit:1"])
def test_the_program_refuses_an_answer_that_it_cannot_give(tmp_path: Path, answer: str) -> None:
    """In a sentence, at its start."""
    words = ["--secret", new_secret(), "--history", str(tmp_path / "history"), "--answer", answer]
    done = subprocess.run([sys.executable, "-m", "tools.receiver", *words], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "slow:SECONDS" in done.stderr) == (2, True)


def test_a_hundred_at_once_are_a_hundred_lines(tmp_path: Path) -> None:
    """Threads write whole lines."""
    secret = new_secret()
    at = int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": signatures([secret], "msg_1", at, BODY),
    }

    async def post(receiver: Receiver) -> list[Answer]:
        async with Client(Guard(["127.0.0.0/8"], http=True, ports=[receiver.port])) as client:
            return await asyncio.gather(*(client.post(receiver.url, headers, BODY) for _ in range(100)))

    with Receiver([secret], tmp_path / "history") as receiver:
        assert {answer.status for answer in asyncio.run(post(receiver))} == {200}
        assert len(receiver.seen()) == 100
        assert json.dumps(BODY.decode()) not in (tmp_path / "history").read_text()
