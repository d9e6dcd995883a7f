"""The second tier, on a tiny one: what it reads, that its scores hold still, and that a damaged one is refused."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from time import monotonic
from typing import Any

import numpy as np
import pytest

from classifier import LABELS, ModelError, Scores
from classifier import load as load_first
from classifier.__main__ import main
from classifier.artifact import checksum_path
from classifier.normalise import normalise, normalise_all
from classifier.scores import UNIT
from classifier.second import artifact, finding
from classifier.second.artifact import Blend, Header
from classifier.second.both import Both
from classifier.second.model import SecondTier, load
from classifier.second.pieces import Pieces
from classifier.second.wording import wording
from tests.classifier import hostile

TINY = Path(__file__).with_name("tiny.tier2")
IDIOT = "You are an idiot, go home"


def _first(**scores: float | None) -> Scores:
    given: dict[str, Any] = dict.fromkeys(LABELS, 0.2)
    return Scores(**{**given, **scores}, language="en", confidence=1.0)


@pytest.fixture(scope="module")
def tiny() -> SecondTier:
    return load(TINY)


def test_words_become_the_longest_pieces_known() -> None:
    """As BERT cuts them: signs and ideographs alone, accents gone, what has no piece unknown."""
    pieces = Pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "!", "cafe", "中", "文", "a", "##a"])
    said = [[pieces.words[one] for one in pieces.encode(text, 32)] for text in ("unaffable!", "café 中文", "xyz a aa")]
    assert said == [
        ["[CLS]", "un", "##aff", "##able", "!", "[SEP]"],
        ["[CLS]", "cafe", "中", "文", "[SEP]"],
        ["[CLS]", "[UNK]", "a", "a", "##a", "[SEP]"],
    ]
    assert pieces.encode("a" * 101, 32) == [2, 1, 3]


def test_a_long_text_is_read_at_its_head_and_its_tail() -> None:
    """Two thirds from the front, a third from the end, and never more than is allowed."""
    pieces = Pieces(["[UNK]", "[CLS]", "[SEP]", *"abc"])
    assert pieces.encode("a " * 50 + "b " * 50 + "c", 12) == [1, *[3] * 7, 4, 4, 5, 2]
    assert [len(pieces.encode("a " * n, 12)) for n in (9, 10, 11, 1000)] == [11, 12, 12, 12]


def test_pictures_are_read_by_their_names_and_runs_once() -> None:
    """And the colour of a skin is left out; text without pictures stays as it is."""
    assert wording(normalise("you 🐒🐒🐒 go 🖕🏿 now")) == "you monkey go reversed hand with middle finger extended now"
    assert wording(normalise("plain words, as they are")) == "plain words, as they are"


def test_a_text_has_the_same_score_in_any_company(tiny: SecondTier) -> None:
    """Alone, among many, in another order: within a thousandth, and far below it."""
    texts = normalise_all([f"you are {'an idiot' * (n % 3)} number {'two ' * (n % 17)}{n}" for n in range(200)])
    alone = np.concatenate([tiny.raw_odds([text]) for text in texts])
    order = Random(1).sample(range(len(texts)), len(texts))
    together = tiny.raw_odds(texts)
    mixed = tiny.raw_odds([texts[at] for at in order])
    assert np.abs(alone - together).max() < 1e-4
    assert np.abs(mixed - together[order]).max() < 1e-4


def test_any_text_gets_a_number(tiny: SecondTier) -> None:
    """Empty, endless, of signs or of strange scripts."""
    texts = ["", " ", "🐒" * 3000, "a" * 65_536, "x " * 30_000, *hostile.texts(2_000, seed=5)]
    found = tiny.score([_first()] * len(texts), normalise_all(texts))
    assert all(one is not None and 0 <= (one.toxicity or 0) <= 1 for one in found)


def test_both_tiers_make_the_score(tiny: SecondTier) -> None:
    """What the second thinks moves the score of the first; a label without an opinion keeps none."""
    texts = normalise_all([IDIOT, "thanks for this", IDIOT])
    bad, fine, silent = tiny.score([_first(toxicity=0.4), _first(toxicity=0.4), _first(threat=None)], texts)
    assert bad is not None
    assert fine is not None
    assert silent is not None
    assert (bad.toxicity or 0) > 0.9 > 0.1 > (fine.toxicity or 1)
    assert silent.threat is None
    assert bad.language == "en"


def test_what_comes_too_late_has_no_score(tiny: SecondTier) -> None:
    """When the clock has run out nothing is asked any more."""
    assert tiny.score([_first()] * 2, normalise_all([IDIOT, "fine"]), monotonic() - 1) == [None, None]
    assert None not in tiny.score([_first()] * 2, normalise_all([IDIOT, "fine"]), monotonic() + 60)


def test_it_reads_only_what_the_english_table_read(tiny: SecondTier) -> None:
    """A text in another language, or without an opinion, is not its business."""
    assert tiny.reads(_first())
    assert not tiny.reads(Scores(*(0.2,) * 7, language="ko", confidence=1.0))
    assert not tiny.reads(_first(toxicity=None))


def _placed(folder: Path, content: bytes, digest: str | None = None) -> Path:
    path = folder / "placed.tier2"
    path.write_bytes(content)
    checksum_path(path).write_text(f"{digest or sha256(content).hexdigest()}  placed.tier2\n")
    return path


def _refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        finding.find(path)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_equal_parts_give_equal_bytes(tmp_path: Path) -> None:
    """What was read can be written again, to the byte."""
    read = artifact.read(TINY)
    again = tmp_path / "again.tier2"
    assert artifact.write(again, read.header, read.words, read.graph) == read.sha256
    assert again.read_bytes() == TINY.read_bytes()


def test_any_change_is_refused(tmp_path: Path) -> None:
    """A bit anywhere, a cut anywhere: it is not the recorded file."""
    content = TINY.read_bytes()
    random = Random(3)
    for at in [0, 9, 13, 40, *(random.randrange(len(content)) for _ in range(20))]:
        flipped = bytearray(content)
        flipped[at] ^= 1 << random.randrange(8)
        assert "altered" in _refused(_placed(tmp_path, bytes(flipped), sha256(content).hexdigest()))
        assert "cut short" in _refused(_placed(tmp_path, content[:at], sha256(content).hexdigest()))


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[16 : 16 + length]), content[16 + length :]


def _built(header: object, body: bytes, magic: bytes = b"COMITYT2", version: int = artifact.FORMAT) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<8sII", magic, version, len(text)) + text + body


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ["spam"]}, "other labels"),
        ({"languages": ["x" * 9]}, "impossible language"),
        ({"longest": 4}, "impossible length"),
        ({"pieces": -1}, "impossible length"),
        ({"pieces": 1 << 30}, "not the one that its header names"),
        ({"blend": {"spam": [0, 1, "2"]}}, "impossible blend"),
        ({"blend": {"rude": [0, 1, 2]}}, "impossible blend"),
        ({"blend": {"spam": [0, 1, 1e9]}}, "impossible blend"),
        ({"graph": "0" * 64}, "not the one that its header names"),
        ({"release": 3}, "wrong type"),
        ({"more": 3}, "not the fields"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Even behind a true checksum."""
    header, body = _parts(TINY.read_bytes())
    assert said in _refused(_placed(tmp_path, _built(header | changes, body)))


def test_what_is_no_second_tier_is_refused(tmp_path: Path) -> None:
    """Another kind of file, another format, a damaged vocabulary, a graph that is none, or one for another end."""
    header, body = _parts(TINY.read_bytes())
    assert "not a second tier" in _refused(_placed(tmp_path, _built(header, body, magic=b"COMITYCL")))
    assert "format 9" in _refused(_placed(tmp_path, _built(header, body, version=9)))
    assert "not JSON" in _refused(_placed(tmp_path, struct.pack("<8sII", b"COMITYT2", 1, 3) + b"{]}" + body))
    assert "too long" in _refused(_placed(tmp_path, struct.pack("<8sII", b"COMITYT2", 1, 1 << 30) + body))
    assert "vocabulary" in _refused(
        _placed(tmp_path, _built(header, b"\0" * header["pieces"] + body[header["pieces"] :]))
    )
    noise = b"this is no graph"
    broken = header | {"graph": sha256(noise).hexdigest()}
    assert "cannot be used" in _refused(_placed(tmp_path, _built(broken, body[: header["pieces"]] + noise)))
    words = artifact.read(TINY)
    artifact.write(tmp_path / "bare.tier2", words.header, ["a", "b"], words.graph)
    assert "cannot be used" in _refused(tmp_path / "bare.tier2")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is looked at before its content."""
    monkeypatch.setattr(artifact, "MAX_FILE", 1 << 10)
    assert "was not read" in _refused(_placed(tmp_path, TINY.read_bytes()))


def test_without_file_or_packages_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In silence, unless somebody named a path."""
    monkeypatch.setattr(finding, "DEFAULT", tmp_path / "second.tier2")
    assert finding.find() is None
    assert "cannot be read" in _refused(tmp_path / "absent.tier2")
    for name in (TINY.name, f"{TINY.name}.sha256"):
        (tmp_path / name.replace("tiny", "second")).write_bytes(TINY.with_name(name).read_bytes())
    found = finding.find()
    assert found is not None
    assert found.version.startswith("tiny-")
    monkeypatch.setattr(finding, "PACKAGE", "no_such_package")
    assert finding.find() is None
    assert "not installed" in _refused(TINY)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a server of this folder's files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(TINY.parent)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_fetched_from_where_the_operator_says(
    tmp_path: Path, served: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a URL or a path, with the digest beside it or given."""
    digest = sha256(TINY.read_bytes()).hexdigest()
    for number, (source, more) in enumerate(
        [(f"{served}/tiny.tier2", []), (str(TINY), []), (str(TINY), ["--sha256", digest.upper()])]
    ):
        to = tmp_path / f"{number}" / "second.tier2"
        assert main(["second", "fetch", source, "--to", str(to), *more]) == 0
        assert f"version tiny-{digest[:8]}" in capsys.readouterr().out
        assert load(to).sha256 == digest
        assert sorted(path.name for path in to.parent.iterdir()) == ["second.tier2", "second.tier2.sha256"]


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ("tiny.tier2", ["--sha256", "0" * 64], "was not installed"),
        ("absent.tier2", [], "cannot be read"),
        ("absent.tier2", ["--sha256", "0" * 64], "cannot be read"),
        ("test_second.py", [], "cannot be read"),
        ("test_second.py", ["--sha256", sha256(Path(__file__).read_bytes()).hexdigest()], "not a second tier"),
    ],
)
def test_what_is_not_the_file_changes_nothing(
    tmp_path: Path, served: str, capsys: pytest.CaptureFixture[str], source: str, more: list[str], said: str
) -> None:
    """The one that was there stays, whole."""
    to = tmp_path / "second.tier2"
    main(["second", "fetch", str(TINY), "--to", str(to)])
    for place in (f"{served}/{source}", str(TINY.with_name(source))):
        assert main(["second", "fetch", place, "--to", str(to), *more]) == 2
        assert said in capsys.readouterr().err
    assert load(to).sha256 == sha256(TINY.read_bytes()).hexdigest()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_too_large_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is given up on the way."""
    monkeypatch.setattr(artifact, "MAX_FILE", 1 << 10)
    assert main(["second", "fetch", str(TINY), "--to", str(tmp_path / "x.tier2")]) == 2
    assert "was not installed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_info_says_what_is_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Version, digest, and how the tiers are blended."""
    assert main(["second", "info", "--path", str(TINY)]) == 0
    assert "toxicity: +0.000 +0.400 * first +0.600 * second" in capsys.readouterr().out
    monkeypatch.setattr(finding, "DEFAULT", Path("/nowhere/second.tier2"))
    assert main(["second", "info"]) == 0
    assert "no second tier" in capsys.readouterr().out


def test_a_blend_is_kept_exactly(tmp_path: Path) -> None:
    """Its numbers come back as they were."""
    read = artifact.read(TINY)
    blend = {"spam": Blend(-1.25, 0.1, 0.333333)}
    header = Header("r", ("en",), 16, blend, {})
    artifact.write(tmp_path / "x.tier2", header, read.words, read.graph)
    assert artifact.read(tmp_path / "x.tier2").header == header


def test_the_command_line_scores_by_both() -> None:
    """With `--second` every text is read by both; the file must be there."""

    def scored(*more: str) -> subprocess.CompletedProcess[str]:
        lines = "".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(["buy cheap pills", "Hi."]))
        command = [sys.executable, "-m", "classifier", "score", *more]
        return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)

    alone, both = (
        [json.loads(line) for line in scored(*more).stdout.splitlines()] for more in ([], ["--second", str(TINY)])
    )
    assert [set(one) for one in alone] == [set(one) for one in both]
    assert both[0]["spam"] > alone[0]["spam"]
    refused = scored("--second", "/nowhere/second.tier2")
    assert (refused.returncode, refused.stdout, "cannot be read" in refused.stderr) == (2, "", True)


def test_both_tiers_are_judged_as_one_model(tiny: SecondTier) -> None:
    """What the measures ask of a model is what is served."""
    both = Both(load_first(), tiny)
    texts = [
        IDIOT,
        "thanks for this",
        "buy cheap pills here",
        "Das ist ein schöner Artikel über den Winter in den Bergen",
    ]
    odds = both.log_odds(normalise_all(texts)) * UNIT
    scored = both.score(texts)
    assert scored[-1].language == "de"
    assert scored[-1] == load_first().score(texts)[-1]
    for row, one in zip(odds[:3], scored[:3], strict=True):
        assert [getattr(one, label) for label in LABELS] == pytest.approx(1 / (1 + np.exp(-row)), abs=1e-4)
    assert both.log_odds_in("en", normalise_all(texts)).tolist() == both.log_odds(normalise_all(texts)).tolist()
    assert both.supports("de")
    assert "toxicity" in both.measured("de")
    assert both.version.endswith(tiny.version)
