"""The command line keeps its contract: a line in, a line out, in order, and trouble is named."""

import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from classifier import LABELS, Context, Model
from classifier.__main__ import BATCH, main, score_lines

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.tier2"


def _run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "classifier", *arguments]
    return subprocess.run(command, input=given, capture_output=True, cwd=ROOT, check=False, timeout=60)


def _lines(*items: object) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def test_score_answers_line_by_line(model: Model) -> None:
    """Each line has its answer with exactly the promised fields, ids as they came, scores as the API gives them."""
    texts = {"a": "you stupid idiot", "7": "thanks for the recipe", "c": "Большое спасибо за эту статью"}
    done = _run("score", given=_lines(*({"id": name, "text": text} for name, text in texts.items())))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, b"")
    assert [list(answer) for answer in answers] == [["id", *LABELS, "language"]] * 3
    assert [answer["id"] for answer in answers] == list(texts)
    for answer, scores in zip(answers, model.score(list(texts.values())), strict=True):
        assert [answer[label] for label in LABELS] == [getattr(scores, label) for label in LABELS]
        assert answer["language"] == scores.language
    assert answers[2]["toxicity"] is None


def test_a_bad_line_is_named_and_the_others_are_answered() -> None:
    """Every unreadable line is reported by number, every other answered, and the exit status is 1."""
    given = _lines({"id": 1, "text": "hello there"}) + b"{oops\n" + b"\xff\xfe\n" + b"\n" + b"[1]\n"
    given += _lines({"id": 2}, {"id": 3, "text": 4}, {"id": None, "text": "bye", "more": [1]})
    done = _run("score", given=given)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, None]
    assert done.stderr.decode().splitlines() == [
        "line 2: not JSON",
        "line 3: not UTF-8",
        'line 5: expected an object with "id" and "text"',
        'line 6: expected an object with "id" and "text"',
        'line 7: "text" is not a string',
    ]
    assert done.returncode == 1


def test_no_input_is_no_trouble() -> None:
    """Nothing in, nothing out, status 0."""
    done = _run("score")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_hostile_lines_do_no_harm(small: Model) -> None:
    """Deep JSON, lone surrogates, NUL and separators inside texts are answered or refused, one for one."""
    lines = [
        "[" * 100_000,
        json.dumps({"id": "\ud800", "text": "\x00\ud800\u2028 x"}),
        json.dumps({"id": 2, "text": ""}),
    ]
    target, errors = io.StringIO(), io.StringIO()
    assert score_lines(small, io.StringIO("\n".join(lines)), target, errors) == 1
    assert [json.loads(line)["id"] for line in target.getvalue().splitlines()] == ["\ud800", 2]
    assert errors.getvalue() == "line 1: not JSON\n"


def test_answers_stream(small: Model) -> None:
    """The answers of a batch are out before the next batch is read."""
    target = io.StringIO()
    seen = []

    def source() -> object:
        for at in range(2 * BATCH + 1):
            seen.append(target.getvalue().count("\n"))
            yield json.dumps({"id": at, "text": "hello"})

    score_lines(small, source(), target, io.StringIO())  # type: ignore[arg-type]
    assert (seen[0], seen[BATCH], seen[2 * BATCH]) == (0, BATCH, 2 * BATCH)


def test_a_broken_model_is_one_sentence(tmp_path: Path, small_file: Path) -> None:
    """A file that is not a model ends with status 2 and says why."""
    path = tmp_path / "x.model"
    path.write_bytes(small_file.read_bytes()[:-5])
    (tmp_path / "x.model.sha256").write_text(small_file.with_name("small.model.sha256").read_text())
    done = _run("score", "--model", str(path), given=_lines({"id": 1, "text": "x"}))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().count("\n") == 1
    assert "cut short" in done.stderr.decode()


def test_explain_prints_a_sum() -> None:
    """The words come with their parts, behind the bias."""
    done = _run("explain", "you are an idiot", "--label", "insult", "--top", "2")
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert lines[0].startswith(("insult 0.9", "insult 1.0"))
    assert lines[1].endswith("bias")
    assert "'idiot' at 11 to 16" in lines[2]


@pytest.mark.parametrize("command", ["score", "explain", "evaluate", "train", "calibrate", "card"])
def test_help_says_what_a_command_does(command: str) -> None:
    """Each command has help with a description."""
    done = _run(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.decode().splitlines()) > 5


def test_known_fields_count_beside_the_text(model: Model) -> None:
    """Optional fields move spam as the API does; a field that is no text is named, and the line is not answered."""
    text, field = "Great post, thanks for sharing it with us.", {"email_class": "disposable"}
    given = _lines({"id": 1, "text": text}, {"id": 2, "text": text, **field}, {"id": 3, "text": text, "name": 5})
    done = _run("score", given=given)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2]
    scores = model.score([text, text], context=[None, Context(**field)])
    assert [answer["spam"] for answer in answers] == [one.spam for one in scores]
    assert answers[1]["spam"] > answers[0]["spam"]
    assert (done.returncode, done.stderr) == (1, b'line 3: "name" is not a string\n')
    told = _run("explain", text, "--label", "spam", "--email-class", "disposable").stdout.decode()
    assert "flag email:disposable" in told


def test_train_judge_and_calibrate_from_the_command_line(data: Path, tmp_path: Path) -> None:
    """A model is trained, judged by a measure and on a file with a plot, calibrated, and scores; trouble is a sentence."""
    model = str(tmp_path / "english.model")
    own = tmp_path / "own.csv.gz"
    own.write_bytes((data / "ads.csv.gz").read_bytes())
    assert _run("train", "--data", str(data), "--out", str(tmp_path), "--language", "english").returncode == 0

    judged = _run("evaluate", "--data", str(data), "--model", model, "--measure", "sources")
    assert (judged.returncode, judged.stderr) == (0, b"")
    assert re.search(rb"toxicity +talk", judged.stdout)
    plot = tmp_path / "own.svg"
    judged = _run("evaluate", "--csv", str(own), "--model", model, "--plot", str(plot), "--json")
    assert judged.returncode == 0
    assert all("rows" in json.loads(line) for line in judged.stdout.splitlines())
    assert plot.read_text().startswith("<svg")

    fitted = _run(
        "calibrate", "--csv", str(own), "--model", model, "--share", "spam=0.05", "--out", str(tmp_path / "own")
    )
    assert b"spam: slope" in fitted.stdout
    before, after = (
        _run("explain", "the river and the bread", "--label", "spam", "--model", path).stdout.splitlines()[0]
        for path in (model, str(tmp_path / "own" / "english.model"))
    )
    assert before != after

    refused = _run("evaluate", "--data", str(tmp_path / "nothing"))
    assert (refused.returncode, refused.stderr.count(b"\n")) == (2, 1)
    refused = _run("evaluate")
    assert (refused.returncode, refused.stderr) == (2, b"Say what to judge on: --csv FILE or --data DIR.\n")


def _wrong(directory: Path) -> dict[str, list[str]]:
    """Commands that cannot be done, by what is wrong with them."""
    head = "text,spam,toxicity,severe_toxicity,obscene,threat,insult,identity_attack,source,family,split\n"
    files = {
        "cut": gzip.compress(head.encode() * 99)[:-9],
        "latin": gzip.compress((head + "caf\xe9,1,,,,,,,a,a,train\n").encode("latin-1")),
    }
    for name, content in files.items():
        (directory / name).mkdir()
        (directory / name / "a.csv.gz").write_bytes(content)
    (directory / "empty.csv").write_text("text,spam\n")
    (directory / "wide.csv").write_text("text,spam\n" + "x" * (1 << 24) + "x,1\n")
    (directory / "few.csv").write_text("text,spam\nhello,0\nbuy pills,1\n")
    (directory / "no.json").write_text("{oops")
    (directory / "tables.json").write_text("[1]")
    file = str(directory / "few.csv")
    return {
        "cannot be read as CSV": ["train", "--data", str(directory / "cut"), "--out", str(directory)],
        "under gzip": ["train", "--data", str(directory / "latin"), "--out", str(directory)],
        "holds no comments": ["evaluate", "--csv", str(directory / "empty.csv")],
        "field larger than": ["evaluate", "--csv", str(directory / "wide.csv")],
        "cannot be written": ["evaluate", "--csv", file, "--plot", str(directory / "none" / "a.svg")],
        "cannot be read: No such": ["card", "--data", str(directory), "--unseen", str(directory / "none.json")],
        "is not JSON": ["card", "--data", str(directory), "--unseen", str(directory / "no.json")],
        "holds no tables": ["card", "--data", str(directory), "--unseen", str(directory / "tables.json")],
        "https://exa mple/x.sha256 cannot be read": ["second", "fetch", "https://exa mple/x"],
        "cannot be made": ["second", "fetch", file, "--sha256", "0" * 64, "--to", f"{file}/deep/second.tier2"],
        "first tier alone": [
            "evaluate", "--data", str(directory), "--second", str(TINY), "--measure", "footprint",
        ],
    }  # fmt: skip


def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and one line, whatever is wrong with a file or a place; no traceback."""
    for sentence, arguments in _wrong(tmp_path).items():
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert (said.count("\n"), sentence in said) == (1, True), said


@pytest.mark.parametrize("command", ["train", "unseen"])
def test_training_a_second_tier_without_torch_names_it(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package that is missing, and where the docs say how to have it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("train", "unseen"):
        monkeypatch.delitem(sys.modules, f"classifier.second.{name}", raising=False)
    place = ["--work", "w"] if command == "train" else ["w"]
    assert main(["second", command, "--base", "b", "--data", "d", *place]) == 2
    assert "This needs torch" in capsys.readouterr().err
