"""A model file is data: any change to it is refused with one sentence, and nothing in it is run."""

import json
import struct
import zlib
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest

from classifier import ModelError, artifact, load
from classifier.features import SLOTS


def _place(directory: Path, content: bytes, digest: str | None = None) -> Path:
    """A model file in `directory` with its true checksum, or another."""
    path = directory / "placed.model"
    path.write_bytes(content)
    artifact.checksum_path(path).write_text(f"{digest or sha256(content).hexdigest()}  placed.model\n")
    return path


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[16 : 16 + length]), content[16 + length :]


def _built(header: object, body: bytes, magic: bytes = b"COMITYCL", version: int = 2) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<8sII", magic, version, len(text)) + text + body


def _refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(path)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_written_model_reads_back(small_file: Path) -> None:
    """What was written is what is read; the table cannot be changed."""
    read = artifact.read(small_file)
    assert read.sha256 == sha256(small_file.read_bytes()).hexdigest()
    assert read.table().shape == (SLOTS, artifact.COLUMNS)
    with pytest.raises(ValueError, match="read-only"):
        read.table()[0, 0] = 1


@pytest.mark.parametrize("keep", [0, 1, 15, 16, 300, 0.5, -1])
def test_a_cut_file_is_refused(tmp_path: Path, small_file: Path, keep: float) -> None:
    """A file cut anywhere is not the recorded one."""
    content = small_file.read_bytes()
    end = int(keep * len(content)) if isinstance(keep, float) else keep
    path = _place(tmp_path, content[:end], sha256(content).hexdigest())
    assert "cut short, altered or swapped" in _refused(path)


def test_any_flipped_bit_is_refused(tmp_path: Path, small_file: Path) -> None:
    """One bit anywhere, header or weights, is enough."""
    content = small_file.read_bytes()
    random = Random(3)
    for at in [0, 9, 13, 40, *(random.randrange(len(content)) for _ in range(20))]:
        flipped = bytearray(content)
        flipped[at] ^= 1 << random.randrange(8)
        assert "altered" in _refused(_place(tmp_path, bytes(flipped), sha256(content).hexdigest()))


def test_a_swapped_model_is_refused(tmp_path: Path, small_file: Path) -> None:
    """Another valid model under the same name is not the recorded one."""
    recorded = sha256(artifact.read(small_file).table().tobytes()).hexdigest()
    assert "swapped" in _refused(_place(tmp_path, small_file.read_bytes(), recorded))


def test_a_missing_file_or_checksum_is_named(tmp_path: Path, small_file: Path) -> None:
    """The sentence names the file that is missing."""
    path = tmp_path / "absent.model"
    assert "absent.model.sha256" in _refused(path)
    artifact.checksum_path(path).write_text("0" * 64)
    assert "absent.model cannot be read" in _refused(path)
    artifact.checksum_path(path).write_text("not a digest")
    assert "does not hold a SHA-256 digest" in _refused(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file beyond the limit is refused before it is looked at."""
    path = _place(tmp_path, b"")
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 8 MB" in _refused(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"magic": b"\x80\x04\x95PICK"}, "is not a Comity model"),
        ({"version": 1}, "has format 1; this release reads format 2"),
        ({"header": []}, "has not the fields"),
        ({"header": {}}, "has not the fields"),
        ({"body": b""}, "have the wrong size"),
        ({"body": b"not zlib"}, "are damaged"),
        ({"body": zlib.compress(b"\0" * 10)}, "have the wrong size"),
        ({"body": zlib.compress(b"\0" * (SLOTS * artifact.COLUMNS + 1))}, "have the wrong size"),
        ({"body": zlib.compress(b"\0" * (SLOTS * artifact.COLUMNS)) + b"x"}, "have the wrong size"),
        ({"body": zlib.compress(b"\xff" * (SLOTS * artifact.COLUMNS))}, "impossible document frequency"),
    ],
)
def test_a_forged_file_with_a_true_checksum_is_refused(
    tmp_path: Path, small_file: Path, change: dict[str, Any], sentence: str
) -> None:
    """Even when the checksum agrees, every part is checked before it is used."""
    header, body = _parts(small_file.read_bytes())
    assert sentence in _refused(_place(tmp_path, _built(**{"header": header, "body": body} | change)))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("labels", ["spam"], "other labels or features"),
        ("bits", 30, "other labels or features"),
        ("bits", True, "field of the wrong type"),
        ("orders", [1], "other labels or features"),
        ("gain", [1], "impossible gain"),
        ("gain", [1.5] * 7, "impossible gain"),
        ("bias", [1 << 60] * 7, "impossible bias"),
        ("bias", ["0"] * 7, "impossible bias"),
        ("languages", [7], "impossible language"),
        ("measured", ["spam", "rudeness"], "labels that are none"),
        ("context", {"email:free": 0.5}, "impossible context"),
        ("training", [], "field of the wrong type"),
        ("surprise", 1, "has not the fields"),
    ],
)
def test_a_forged_header_is_refused(tmp_path: Path, small_file: Path, field: str, value: object, sentence: str) -> None:
    """Each field of the header has its own check."""
    header, body = _parts(small_file.read_bytes())
    assert sentence in _refused(_place(tmp_path, _built(header | {field: value}, body)))


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 60_000, b'{"a": NaN'])
def test_a_header_that_is_not_json_is_refused(tmp_path: Path, text: bytes) -> None:
    """Broken, deep or non-text headers are refused, not raised as something else."""
    content = struct.pack("<8sII", b"COMITYCL", 2, len(text)) + text
    assert "is not JSON" in _refused(_place(tmp_path, content))


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    """A length that points past the end allocates nothing."""
    assert "too long" in _refused(_place(tmp_path, struct.pack("<8sII", b"COMITYCL", 2, 0xFFFFFFFF)))
