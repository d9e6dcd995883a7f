"""Lessons: what they are made of, that a model learns from them, and that nobody is judged by what they gave away."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier import LABELS, artifact, heads, lessons, load, measures, unseen
from classifier.data import DataError, Row, read
from classifier.disguise import HELD_OUT
from classifier.groups import ENGLISH
from classifier.lessons import DISGUISED_PART, PART, Lesson, Lessons
from classifier.second import artifact as second_artifact
from classifier.second.teach import teach
from classifier.train import learn, train_group
from tests.classifier import samples

TOXICITY = LABELS.index("toxicity")
TINY = Path(__file__).parent / "tiny.tier2"
CALM, ANGRY = (-6.0,) * len(LABELS), tuple(6.0 if label == "toxicity" else -6.0 for label in LABELS)


def _silent(line: str) -> None:
    """Say nothing."""


@given(st.text(alphabet=st.sampled_from("ab .!?;\n"), max_size=400))
def test_parts_are_what_stands_there(text: str) -> None:
    """Words of the text in their order, none of it whole, at most six parts of at most sixteen words."""
    found = lessons.parts(text)
    assert len(found) <= 6
    words = " ".join(text.split())
    start = 0
    for part in found:
        start = words.index(part, start) + len(part)
        assert 1 < len(part.split()) <= 16
        assert part != text.strip()


def test_a_file_of_lessons_holds_what_was_written(tmp_path: Path) -> None:
    """The same lessons give the same bytes, and come back."""
    made = Lessons("ab" * 32, frozenset({"ads"}), (Lesson(PART, "talk", "ein Täßchen\n", ANGRY),))
    digest = lessons.write(tmp_path / "deep" / "one.jsonl.gz", made)
    assert lessons.write(tmp_path / "two.jsonl.gz", made) == digest
    assert lessons.read(tmp_path / "two.jsonl.gz") == replace(made, digest=digest)


HEAD = b'{"teacher": "x", "without": []}\n'


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param(b"no gzip", id="not gzip"),
        pytest.param(gzip.compress(b""), id="empty"),
        pytest.param(gzip.compress(HEAD + b'["whole", "f", "t", [1, 1, 1, 1, 1, 1, 1]]'), id="a kind there is not"),
        pytest.param(gzip.compress(HEAD + b'["part", "f", "t", [1, 1]]'), id="too few targets"),
        pytest.param(gzip.compress(HEAD + b'["part", "f", "t", [1, 1, 1, 1, 1, 1, NaN]]'), id="no number"),
        pytest.param(gzip.compress(HEAD + b'["part", "f", "t", [1, 1, 1, 1, 1, 1, 1]]')[:-9], id="cut off"),
        pytest.param(gzip.compress(HEAD + b'["part", "f", 7, [1, 1, 1, 1, 1, 1, 1]]'), id="a number for a text"),
        pytest.param(gzip.compress(HEAD + b'["part", 7, "t", [1, 1, 1, 1, 1, 1, 1]]'), id="a number for a family"),
        pytest.param(gzip.compress(b'{"teacher": "x", "without": "civil"}'), id="a text for families"),
        pytest.param(gzip.compress(b'{"teacher": "x", "without": [7]}'), id="a number among families"),
    ],
)
def test_what_holds_no_lessons_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """With a sentence that says how to make some."""
    path = tmp_path / "lessons.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="second teach"):
        lessons.read(path)


def test_lessons_of_a_family_left_out_are_refused() -> None:
    """A teacher that gave lessons of a family has seen it, whatever its file says."""
    given_ = Lessons("ab" * 32, frozenset({"civil"}), (Lesson(PART, "civil", "a part", CALM),))
    with pytest.raises(DataError, match="trained without civil hold lessons of it"):
        unseen._teacher("civil", [given_])


def test_half_a_target_is_half_of_both() -> None:
    """A row with a target of a quarter is what a positive and a negative of a quarter and three of the weight are."""
    texts = ["a good cup of tea", "a bad cup of mud", "a cup", "tea and mud"] * 5
    points = heads.vectors(heads.counts(texts), heads.squared_idf(heads.counts(texts)))
    target = np.array([0, 1, 0.25, np.nan] * 5, np.float32)
    weight = np.arange(1, 21, dtype=np.float32)
    soft = heads.fit(points, target, weight)
    rows = np.flatnonzero(~np.isnan(target))
    both = np.concatenate([rows, rows])
    sharp = heads.fit(
        points[both],
        np.repeat(np.array([1, 0], np.float32), len(rows)),
        weight[both] * np.concatenate([target[rows], 1 - target[rows]]),
    )
    assert np.allclose(soft.coefficients, sharp.coefficients, atol=1e-3)
    assert soft.intercept == pytest.approx(sharp.intercept, abs=1e-3)


@pytest.fixture(scope="module")
def rows(data: Path) -> list[Row]:
    return list(read(data).rows)


def _taught(odds: tuple[float, ...], text: str) -> Lessons:
    return Lessons("00" * 32, frozenset(), tuple(Lesson(PART, "talk", text, odds) for _ in range(60)))


def test_a_lesson_is_learned(rows: list[Row]) -> None:
    """What a teacher says of a word outweighs that no row with it is toxic, and the other way round."""
    word = samples._HARMLESS[0]
    train, dev = ([row for row in rows if row.split == split] for split in ("train", "dev"))
    told = {odds: learn(train, dev, lessons=_taught(odds, f"{word} it is")) for odds in (CALM, ANGRY)}
    plain = learn(train, dev)
    calm, angry, alone = (one.decision_function([word])[0, TOXICITY] for one in (*told.values(), plain))
    assert calm < alone < angry
    assert angry - alone > 1


def test_words_of_lessons_alone_leave_no_trace(rows: list[Row]) -> None:
    """A feature that too few rows have has no weight, however often lessons repeat it: a row and its parts are one."""
    train, dev = ([row for row in rows if row.split == split] for split in ("train", "dev"))
    told, plain = (learn(train, dev, lessons=one) for one in (_taught(ANGRY, "zwyrrq pflomm"), None))
    new = heads.counts(["zwyrrq pflomm"]).indices
    assert (plain.idf2_[new] == 0).sum() > 3
    assert (told.idf2_ == plain.idf2_).all()
    assert not told.weights_[plain.idf2_ == 0].any()


def test_a_taught_model_names_its_teacher_and_no_text(data: Path, small_file: Path, tmp_path: Path) -> None:
    """The same lessons give the same bytes; the header has the digests, and no word is in the file."""
    made = _taught(ANGRY, "zwyrrq pflomm")
    digest = lessons.write(tmp_path / "lessons.jsonl.gz", made)
    given_ = lessons.read(tmp_path / "lessons.jsonl.gz")
    files = [train_group(ENGLISH, data, tmp_path / f"{name}.model", lessons=given_) for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes() != small_file.read_bytes()
    header = artifact.read(files[0]).header
    assert header.training["lessons"]["teacher"] == made.teacher
    assert header.training["lessons"]["sha256"] == digest
    assert "lessons" not in artifact.read(small_file).header.training
    assert not any(word in files[0].read_bytes() for word in (b"zwyrrq", b"pflomm"))


def _teacher(tmp_path: Path, without: list[str]) -> Path:
    """The tiny second tier, as if it had been trained without some families."""
    found = second_artifact.read(TINY)
    path = tmp_path / f"without-{'-'.join(without)}.tier2"
    header = replace(found.header, training={**found.header.training, "without": without})
    second_artifact.write(path, header, found.words, found.graph)
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three families of invented comments; each comment has two sentences."""
    made = samples.rows(600, seed=3)
    for at, row in enumerate(made):
        row["text"] += f". {'You are an idiot' if row['toxicity'] == '1' else 'Here is my letter'}, number {at}."
        if row["family"] == "ads" and at % 4:
            row["family"] = "offers"
    samples.write_data(tmp_path / "data", made)
    return tmp_path / "data"


def test_a_teacher_reads_parts_of_what_it_knows(corpus: Path, tmp_path: Path) -> None:
    """Of no family that it was trained without; bad parts are there in disguise too, as bad as in clear."""
    made = teach(_teacher(tmp_path, ["ads"]), corpus, tmp_path / "lessons.jsonl.gz", _silent)
    assert lessons.read(tmp_path / "lessons.jsonl.gz").given == made.given
    train = [row for row in read(corpus).split("train") if row.family != "ads"]
    assert {one.family for one in made.given} == {row.family for row in train}
    parts = {part.lower() for row in train for part in lessons.parts(row.text)}
    clear = {one.text.lower(): one.odds for one in made.given if one.kind == PART}
    assert set(clear) == parts
    disguised = [one for one in made.given if one.kind == DISGUISED_PART]
    bad = sum(odds[TOXICITY] > 0 for odds in clear.values())
    assert sum(one.odds[TOXICITY] > 0 for one in disguised) >= bad > 0
    assert not any("idiot" in one.text for one in disguised if "number" in one.text and one.odds[TOXICITY] > 0)
    assert {one.odds for one in disguised} <= set(clear.values())


def test_nothing_is_taught_in_a_way_held_out(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those ways are for judging."""
    used = samples.ways_used(monkeypatch)
    teach(_teacher(tmp_path, []), corpus, tmp_path / "lessons.jsonl.gz", _silent)
    assert used
    assert used.isdisjoint(HELD_OUT)


def test_a_taught_model_is_judged_by_teachers_that_never_saw_what_is_judged(corpus: Path, tmp_path: Path) -> None:
    """A family without such a teacher is refused, as is a taught model without lessons to judge it by."""
    files = []
    for without in (["ads"], ["offers"], ["talk"]):
        files.append(tmp_path / f"{without[0]}.jsonl.gz")
        teach(_teacher(tmp_path, without), corpus, files[-1], _silent)
    taught = [lessons.read(file) for file in files]
    model = train_group(ENGLISH, corpus, tmp_path / "taught.model", lessons=taught[0])
    for name in ("unseen", "calibration"):
        with pytest.raises(DataError, match="learned from lessons"):
            measures.run(name, load(model), model, corpus, False, _silent)
        with pytest.raises(DataError, match=r"trained without (offers|talk)"):
            list(measures.run(name, load(model), model, corpus, False, _silent, ("spam",), files[:1]))
    (table,) = measures.run("unseen", load(model), model, corpus, False, _silent, ("spam",), files)
    assert [tuple(row[:2]) for row in table.rows] == [("spam", "ads"), ("spam", "offers"), ("spam", "mean of 2")]
    found = unseen.out_of_fold(corpus, _silent, folds=2, lessons=taught)
    assert (found.odds[:, TOXICITY] != 0).all()
