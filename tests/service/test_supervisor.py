"""The supervisor with real processes: starting again, stopping in order, leaving nobody behind."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.embedded import orphans
from service.embedded.errors import StartError
from service.embedded.journal import LONGEST, Journal, Lines
from service.embedded.process import Process, born
from service.supervisor import GaveUp, Interrupted, Supervisor

REPOSITORY = Path(__file__).resolve().parents[2]
ROUNDS = 20


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder with the rooms that a supervisor needs."""
    folder = Path(tempfile.mkdtemp(prefix="supervisor-"))
    (folder / "run").mkdir()
    yield folder
    shutil.rmtree(folder)


@contextmanager
def supervising(home: Path, first_pause: float = 0.01) -> Iterator[Supervisor]:
    journal = Journal(home / "log.jsonl", io.StringIO(), machine=True)
    with Supervisor(home / "run", journal, first_pause) as supervisor:
        yield supervisor
    journal.close()


def python(name: str, script: str, **more: Any) -> Process:
    """A process that runs `script`."""
    return Process(name, (sys.executable, "-I", "-c", script), {"PATH": os.defpath}, **more)


def events(home: Path, child: str) -> list[dict[str, Any]]:
    """What the supervisor logged about a child."""
    lines = (home / "log.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event.get("child") == child]


def lines_of(home: Path, process: str) -> list[dict[str, Any]]:
    """What was logged of a child's own lines."""
    lines = (home / "log.jsonl").read_text().splitlines() if (home / "log.jsonl").exists() else []
    return [event for event in map(json.loads, lines) if event.get("process") == process]


def until(supervisor: Supervisor, condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Let the supervisor work until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        supervisor.turn(0.02)


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def pid_of(home: Path, name: str) -> int:
    return int(json.loads((home / f"run/{name}.pid.json").read_text())["pid"])


def test_a_process_that_ends_is_started_again_after_growing_pauses(home: Path) -> None:
    """Each end doubles the pause before the next start."""
    with supervising(home) as supervisor:
        supervisor.start(python("brief", "raise SystemExit(3)"))
        until(supervisor, lambda: len(events(home, "brief")) >= 8)
    ends = [event for event in events(home, "brief") if event["event"] == "ended, starting again"]
    assert [event["status"] for event in ends[:4]] == [3, 3, 3, 3]
    assert [event["pause"] for event in ends[:4]] == [0.01, 0.02, 0.04, 0.08]


def test_a_killed_process_is_started_again(home: Path) -> None:
    """SIGKILL from outside leads to a new process with another number, round after round."""
    with supervising(home, first_pause=0.001) as supervisor:
        supervisor.start(python("steady", "import signal; print('here', flush=True); signal.pause()"))
        for number in range(ROUNDS // 2):
            until(supervisor, lambda number=number: len(lines_of(home, "steady")) > number)
            os.kill(pid_of(home, "steady"), signal.SIGKILL)
        until(supervisor, lambda: len(lines_of(home, "steady")) > ROUNDS // 2)
        assert born(pid_of(home, "steady"))


LAST_WORD = """\
import pathlib, signal, sys
def leave(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    raise SystemExit
signal.signal(signal.SIGTERM, leave)
print("here", flush=True)
signal.pause()
"""


def test_processes_stop_in_the_reverse_order_of_their_start(home: Path) -> None:
    """Nobody is asked to stop before all that started later are gone."""
    said = home / "said"
    with supervising(home) as supervisor:
        for name in ("database", "worker", "web"):
            argv = (sys.executable, "-I", "-c", LAST_WORD, str(said), name)
            supervisor.start(Process(name, argv, {}))
        until(supervisor, lambda: all(lines_of(home, name) for name in ("database", "worker", "web")))
    assert said.read_text().split() == ["web", "worker", "database"]


STUBBORN = """\
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
while True:
    signal.pause()
"""


def test_a_process_that_does_not_stop_is_hurried_after_its_grace(home: Path) -> None:
    """Whoever ignores the request gets the hurry signal when the time is up."""
    with supervising(home) as supervisor:
        supervisor.start(python("stubborn", STUBBORN, grace=0.3))
        until(supervisor, lambda: lines_of(home, "stubborn"))
        began = time.monotonic()
    assert 0.3 <= time.monotonic() - began < 5
    assert events(home, "stubborn")[-1]["status"] == -signal.SIGKILL


def test_a_second_wish_to_stop_hurries(home: Path) -> None:
    """The second Ctrl-C does not wait for the grace to pass; the first alone does."""
    with supervising(home) as supervisor:
        supervisor.start(python("stubborn", STUBBORN, grace=600.0))
        until(supervisor, lambda: lines_of(home, "stubborn"))
        signal.raise_signal(signal.SIGINT)
        supervisor.run()
        assert supervisor.wishes == 1
        timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        supervisor.stop()
        assert 0.5 < time.monotonic() - began < 10
    timer.join()


def test_one_press_that_arrives_twice_counts_once(home: Path) -> None:
    """The terminal and a parent may both pass the same Ctrl-C on."""
    with supervising(home) as supervisor:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert supervisor.wishes == 1


def test_a_stopped_process_is_woken_to_stop(home: Path) -> None:
    """A frozen process ends like any other."""
    with supervising(home) as supervisor:
        supervisor.start(python("frozen", LAST_WORD.replace("sys.argv[1]", "'/dev/null'").replace("sys.argv[2]", "''")))
        until(supervisor, lambda: lines_of(home, "frozen"))
        os.kill(pid_of(home, "frozen"), signal.SIGSTOP)
    assert events(home, "frozen")[-1]["status"] == 0


FAMILY = """\
import os, signal, time
if os.fork():
    print("parent", flush=True)
else:
    print("child", os.getpid(), flush=True)
signal.pause()
"""


def test_children_of_a_killed_process_end_with_it(home: Path) -> None:
    """What a killed server forked would hold its port: it is ended before the server starts again."""
    with supervising(home) as supervisor:
        supervisor.start(python("family", FAMILY))
        until(supervisor, lambda: len(lines_of(home, "family")) == 2)
        child = next(int(e["event"].split()[1]) for e in lines_of(home, "family") if e["event"].startswith("child"))
        os.kill(pid_of(home, "family"), signal.SIGKILL)
        until(supervisor, lambda: not born(child))


def test_ten_ends_for_wrong_settings_end_everything(home: Path) -> None:
    """A process that says its settings are wrong is not tried for ever; the reason is in the sentence."""
    script = "import sys; print('COMITY_X is missing.', file=sys.stderr); sys.exit(78)"
    with supervising(home, 0.0005) as supervisor:
        supervisor.start(python("bystander", "import signal; signal.pause()"))
        bystander = pid_of(home, "bystander")
        supervisor.start(python("wrong", script))
        with pytest.raises(GaveUp, match=r"wrong cannot run .*COMITY_X is missing\."):
            supervisor.run()
    assert not born(bystander)
    assert len([event for event in events(home, "wrong") if event["event"] == "started"]) == 10


def test_a_program_that_is_not_there_ends_everything(home: Path) -> None:
    """The same holds for a program that cannot be executed."""
    with supervising(home, 0.0005) as supervisor:
        supervisor.start(Process("ghost", ("/nowhere/ghost",), {}))
        with pytest.raises(GaveUp, match="No such file"):
            supervisor.run()


def test_waiting_ends_when_the_process_cannot_be_had(home: Path) -> None:
    """Who waits for a process that ends three times gets its last words."""
    with supervising(home) as supervisor:
        supervisor.start(python("brief", "print('no luck'); raise SystemExit(1)"))
        with pytest.raises(StartError, match=r"brief ended .*no luck"):
            supervisor.wait("brief", lambda: False)


def test_waiting_ends_when_somebody_wants_to_stop(home: Path) -> None:
    """Ctrl-C works during the start, too."""
    with supervising(home) as supervisor:
        supervisor.start(python("slow", "import signal; signal.pause()"))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            supervisor.wait("slow", lambda: False)


def test_what_a_person_must_know_is_said_once(home: Path) -> None:
    """A line that means trouble leads to one sentence, however often the process repeats it."""
    script = "for _ in range(9): print('No space left')\nimport signal; print('done', flush=True); signal.pause()"
    with supervising(home) as supervisor:
        warn = {"No space left": "the disk is full"}.get
        supervisor.start(python("loud", script, warn=warn))
        until(supervisor, lambda: len(lines_of(home, "loud")) == 10)
    troubles = [event for event in events(home, "loud") if event["event"] == "in trouble"]
    assert [(event["level"], event["why"]) for event in troubles] == [("error", "the disk is full")]


def test_a_question_and_its_answer(home: Path) -> None:
    """A child that runs once gets its question on standard input; its answer stays out of the log."""
    with supervising(home) as supervisor:
        script = "import sys; print('working', file=sys.stderr); print(sys.stdin.read().upper())"
        assert supervisor.once(python("once", script), b"secret") == b"SECRET\n"
    log = (home / "log.jsonl").read_text()
    assert "working" in log
    assert "secret" not in log.lower()


def test_an_answer_that_matters_is_waited_for(home: Path) -> None:
    """A patient question outlasts the first wish to stop, not the second."""
    with supervising(home) as supervisor:
        signal.raise_signal(signal.SIGINT)
        assert supervisor.once(python("once", "print('made')"), patient=True) == b"made\n"
        supervisor.wishes += 1
        with pytest.raises(Interrupted):
            supervisor.once(python("again", "import signal; signal.pause()"), patient=True)


def test_a_large_answer_does_not_block(home: Path) -> None:
    """An answer larger than a pipe holds arrives whole."""
    with supervising(home) as supervisor:
        assert len(supervisor.once(python("once", "print('x' * 300_000)"))) == 300_001


def test_a_child_that_fails_once_says_why(home: Path) -> None:
    """It is not tried again; its last line is the reason."""
    with supervising(home) as supervisor, pytest.raises(StartError, match="no schema"):
        supervisor.once(python("once", "import sys; sys.exit('no schema')"))


SUPERVISE = """\
import sys
from pathlib import Path
from service.embedded.journal import Journal
from service.embedded.process import Process
from service.supervisor import Supervisor
home, script = Path(sys.argv[1]), sys.argv[2]
with Supervisor(home / "run", Journal(home / "log.jsonl", sys.stderr, machine=False)) as supervisor:
    supervisor.start(Process("one", (sys.executable, "-I", "-c", script), {}))
    supervisor.start(Process("two", (sys.executable, "-I", "-c", script), {}))
    supervisor.run()
"""


@contextmanager
def elsewhere(home: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor in another process, with two children that have both said something."""
    command = [sys.executable, "-c", SUPERVISE, str(home), script]
    (home / "log.jsonl").unlink(missing_ok=True)
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        try:
            eventually(lambda: lines_of(home, "one") and lines_of(home, "two"))
            yield process
        finally:
            process.kill()


PAUSE = "import signal; print('here', flush=True); signal.pause()"


def test_children_end_with_a_killed_supervisor(home: Path) -> None:
    """SIGKILL of the supervisor alone: at the latest the next start, on Linux the kernel, ends all its children."""
    for _ in range(ROUNDS // 4):
        with elsewhere(home, PAUSE) as supervisor:
            pids = [pid_of(home, name) for name in ("one", "two")]
            supervisor.kill()
            supervisor.wait()
            if sys.platform.startswith("linux"):
                eventually(lambda pids=pids: not any(born(pid) for pid in pids))
            orphans.stop(home, lambda _: None)
            assert not any(born(pid) for pid in pids)


def test_children_that_ignore_the_death_of_their_supervisor_are_found(home: Path) -> None:
    """The next start finds them by number and start time, and ends those that do not listen."""
    with elsewhere(home, STUBBORN) as supervisor:
        pids = [pid_of(home, name) for name in ("one", "two")]
        supervisor.kill()
        supervisor.wait()
        assert all(born(pid) for pid in pids)
        said: list[str] = []
        assert sorted(orphans.stop(home, said.append)) == ["one", "two"]
        assert said == ["Stopping what an earlier run left behind: one, two."]
        assert not any(born(pid) for pid in pids)
        assert list((home / "run").iterdir()) == []


def test_children_of_a_dead_child_are_found(home: Path) -> None:
    """A recorded process may be gone and yet have left children behind; the next start ends those as well."""
    script = FAMILY.replace("signal.pause()", "signal.signal(15, signal.SIG_IGN)\nwhile True: signal.pause()")
    with elsewhere(home, script) as supervisor:
        eventually(lambda: len(lines_of(home, "one")) == 2 and len(lines_of(home, "two")) == 2)
        leaders = [pid_of(home, name) for name in ("one", "two")]
        left = [p.pid for leader in leaders for p in psutil.Process(leader).children()]
        supervisor.kill()
        supervisor.wait()
        for leader in leaders:
            os.kill(leader, signal.SIGKILL)
        eventually(lambda: not any(born(pid) for pid in leaders))
        assert len(left) == 2
        assert all(born(pid) for pid in left)
        orphans.stop(home, lambda _: None)
        assert not any(born(pid) for pid in left)


def test_a_record_somebody_else_wrote_counts_for_nothing(home: Path) -> None:
    """A record of another data folder, or a broken one, never leads to a signal."""
    with subprocess.Popen(["sleep", "600"]) as stranger:
        record = {
            "name": "web",
            "pid": stranger.pid,
            "born": born(stranger.pid),
            "data": "/elsewhere",
            "program": "sleep",
        }
        signals = {"stop_signal": signal.SIGKILL, "hurry_signal": signal.SIGKILL}
        (home / "run/web.pid.json").write_text(json.dumps({**record, **signals}))
        (home / "run/worker.pid.json").write_text("{broken")
        assert orphans.stop(home, lambda _: None) == []
        assert born(stranger.pid)
        stranger.kill()


def test_lines_that_are_events_pass_unchanged(home: Path) -> None:
    """A child's own JSON line reaches the log byte by byte."""
    line = '{"event": "comment judged",  "process": "worker", "request": "r1", "level": "info"}'
    with supervising(home) as supervisor:
        supervisor.once(python("worker", f"import sys; print({line!r}, file=sys.stderr)"))
    assert line in (home / "log.jsonl").read_text().splitlines()


@pytest.mark.parametrize(
    ("process", "line", "event", "level"),
    [
        ("web", "Listening at 8080", "Listening at 8080", "info"),
        ("worker", "Traceback (most recent call last):", "Traceback (most recent call last):", "error"),
        ("postgres", "[12] LOG:  ready", "[12] LOG:  ready", "info"),
        ("postgres", "[12] PANIC:  no room", "[12] PANIC:  no room", "critical"),
        ("postgres", "[12] FATAL:  the database system is starting up", None, "info"),
        ("relay", "ValueError: bad address eva@leak.example!", "ValueError: bad address [masked]", "info"),
        ("relay", "cannot reach redis://comity:pass@host/0", "cannot reach [masked]", "info"),
        ("relay", '{"no": "event"}', '{"no": "event"}', "info"),
        ("relay", "[" * 5000, "[" * 5000, "info"),
    ],
)
def test_other_lines_become_events(home: Path, process: str, line: str, event: str | None, level: str) -> None:
    """With the process's name, a level, the time, and without addresses or passwords."""
    journal = Journal(home / "log.jsonl", io.StringIO(), machine=False)
    journal.line(process, line.encode())
    journal.close()
    [logged] = lines_of(home, process)
    assert (logged["event"], logged["level"]) == (event or line, level)
    assert logged["timestamp"].endswith("Z")


def test_a_long_line_is_cut() -> None:
    """A line beyond the limit is cut there, whatever pieces it comes in; the next line is whole again."""
    lines = Lines()
    got = [
        line for piece in (b"a" * 50_000, b"b" * 50_000, b"c" * 900_000, b"\nnext\nla") for line in lines.feed(piece)
    ]
    assert [len(line) for line in got] == [LONGEST, 4]
    assert got[0].startswith(b"a" * 50_000 + b"b")
    assert got[1] == b"next"
    assert lines.end() == [b"la"]


def test_a_flood_of_output_neither_blocks_nor_grows(home: Path) -> None:
    """A child that writes without end is read without end; the files stay bounded."""
    with supervising(home) as supervisor:
        supervisor.start(python("loud", "while True: print('x' * 60_000)"))
        until(supervisor, (home / "log.jsonl.2").exists)
        sizes = [path.stat().st_size for path in home.glob("log.jsonl*")]
    assert len(sizes) == 3
    assert max(sizes) < 11_000_000


def test_a_log_that_cannot_be_written_stops_nobody(home: Path) -> None:
    """A full disk costs lines, not the service."""
    journal = Journal(Path("/dev/full"), io.StringIO(), machine=True)
    journal.event("first")
    journal.event("second")
    journal.close()
    with Supervisor(home / "run", Journal(home / "missing/log", io.StringIO(), machine=True)) as supervisor:
        assert supervisor.once(python("once", "print(1)")) == b"1\n"


def test_a_person_sees_warnings_in_short(home: Path) -> None:
    """On a terminal only what is a warning or worse shows, in one short line; a machine gets every event."""
    screen, stream = io.StringIO(), io.StringIO()
    for journal in (Journal(home / "a", screen, machine=False), Journal(home / "b", stream, machine=True)):
        journal.event("started", child="web")
        journal.event("ended, starting again", "warning", child="web", why="it said no")
        journal.close()
    assert screen.getvalue() == "warning supervisor: ended, starting again: it said no\n"
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "started",
        "ended, starting again",
    ]


def test_a_screen_nobody_reads_does_not_hold_the_service_up(home: Path) -> None:
    """With a full pipe for a screen, lines are dropped there and kept in the file."""
    read, write = os.pipe()
    with open(write, "w") as screen, open(read, "rb"):
        journal = Journal(home / "log.jsonl", screen, machine=True)
        began = time.monotonic()
        for number in range(1000):
            journal.event("x" * 1000, number=number)
        journal.close()
        assert time.monotonic() - began < 10
    assert len((home / "log.jsonl").read_text().splitlines()) == 1000
