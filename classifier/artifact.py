"""The file a model lives in: never code, always checked.

Layout, all integers little-endian:

    8 bytes   "COMITYCL"
    4 bytes   format version (unsigned)
    4 bytes   length of the header (unsigned)
    header    UTF-8 JSON object, see `Header`
    rest      the weight table, zlib

Beside `NAME` lies `NAME.sha256`, one line as the command `sha256sum` writes it. A file whose digest
is not the recorded one is not parsed at all; one that is, is still parsed with every size checked
before memory is taken for it. There is no pickle and nothing a file could execute.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.features import BITS, ORDERS, SLOTS
from classifier.scores import LABELS

FORMAT = 2
COLUMNS = len(LABELS) + 1
"""One column of weights per label, and the squared inverse document frequency."""

MAX_FILE = 8 << 20
_MAGIC = b"COMITYCL"
_PREFIX = struct.Struct("<8sII")
_MAX_HEADER = 1 << 16
_MAX_FIXED = 1 << 52
_FIELDS = {"release": str, "labels": list, "measured": list, "bits": int, "orders": list, "languages": list,
           "gain": list, "bias": list, "context": dict, "training": dict}  # fmt: skip


class ModelError(Exception):
    """Raised when a model file is missing, altered, cut short, of another format or not a model.

    The message is one sentence fit for an operator.
    """


@dataclass(frozen=True, slots=True)
class Header:
    """What a model says about itself.

    `languages`: ISO 639 codes it reads. `measured`: the labels it has an opinion on; the others are null.
    `gain` and `bias` have one integer per label, in units of 2**-32 log-odds (see `model`). `context`: units of
    log-odds of spam by named feature (see `context`). `training` records data hashes, counts, settings and
    calibration; nothing reads it to score.
    """

    release: str
    languages: tuple[str, ...]
    measured: tuple[str, ...]
    gain: tuple[int, ...]
    bias: tuple[int, ...]
    context: Mapping[str, int]
    training: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A header, the packed weights, and the SHA-256 of the file. `table` unpacks the weights."""

    header: Header
    packed: bytes
    sha256: str
    path: Path

    def table(self) -> NDArray[np.int8]:
        """The weights: int8, `SLOTS` x `COLUMNS`, read-only. Raises ModelError."""
        return _parse_table(self.path, self.packed)


def checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def write(path: Path, header: Header, table: NDArray[np.int8]) -> str:
    """Write a model file and its checksum; equal input gives equal bytes. Returns the SHA-256."""
    if table.dtype != np.int8 or table.shape != (SLOTS, COLUMNS):
        raise ValueError(f"the table must be int8 of shape {(SLOTS, COLUMNS)}")
    fields = {
        "release": header.release,
        "labels": list(LABELS),
        "measured": list(header.measured),
        "bits": BITS,
        "orders": list(ORDERS),
        "languages": list(header.languages),
        "gain": list(header.gain),
        "bias": list(header.bias),
        "context": dict(header.context),
        "training": header.training,
    }
    text = json.dumps(fields, ensure_ascii=True, sort_keys=True, allow_nan=False).encode("ascii")
    body = zlib.compress(np.ascontiguousarray(table.T).tobytes(), 9)
    content = _PREFIX.pack(_MAGIC, FORMAT, len(text)) + text + body
    return write_checked(path, content)


def write_checked(path: Path, content: bytes) -> str:
    """Write a file and, beside it, its SHA-256, which is returned."""
    digest = sha256(content).hexdigest()
    path.write_bytes(content)
    checksum_path(path).write_text(f"{digest}  {path.name}\n", encoding="ascii")
    return digest


def read(path: Path) -> Artifact:
    """Read and check a model file; its weights stay packed until they are asked for. Raises ModelError."""
    return _parse(path, *read_checked(path, MAX_FILE))


def read_checked(path: Path, largest: int) -> tuple[bytes, str]:
    """The bytes of a model file of at most `largest`, and their SHA-256, which is the one recorded beside it.

    Raises ModelError.
    """
    recorded = _recorded_digest(path)
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}.") from error
    if len(content) > largest:
        raise ModelError(f"The model file {path} is larger than {largest >> 20} MB and was not read.")
    digest = sha256(content).hexdigest()
    if digest != recorded:
        raise ModelError(
            f"The model file {path} is not the one recorded in {checksum_path(path).name}: "
            "it was cut short, altered or swapped."
        )
    return content, digest


def _recorded_digest(path: Path) -> str:
    try:
        with checksum_path(path).open("r", encoding="ascii") as file:
            line = file.read(1024)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"The checksum {checksum_path(path)} of the model cannot be read.") from error
    digest = line.split(" ", 1)[0].strip()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise ModelError(f"The checksum {checksum_path(path)} does not hold a SHA-256 digest.")
    return digest


def _parse(path: Path, content: bytes, digest: str) -> Artifact:
    if len(content) < _PREFIX.size or content[: len(_MAGIC)] != _MAGIC:
        raise ModelError(f"The file {path} is not a Comity model.")
    _, version, length = _PREFIX.unpack_from(content)
    if version != FORMAT:
        raise ModelError(f"The model file {path} has format {version}; this release reads format {FORMAT}.")
    if length > _MAX_HEADER or _PREFIX.size + length > len(content):
        raise ModelError(f"The header of the model file {path} is too long.")
    start = _PREFIX.size + length
    header = _parse_header(path, content[_PREFIX.size : start])
    return Artifact(header, content[start:], digest, path)


def _parse_header(path: Path, raw: bytes) -> Header:
    try:
        fields = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"The header of the model file {path} is not JSON.") from error
    if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
        raise ModelError(f"The header of the model file {path} has not the fields of format {FORMAT}.")
    if any(type(fields[name]) is not kind for name, kind in _FIELDS.items()):
        raise ModelError(f"The header of the model file {path} has a field of the wrong type.")
    if fields["labels"] != list(LABELS) or fields["bits"] != BITS or fields["orders"] != list(ORDERS):
        raise ModelError(f"The model file {path} was made for other labels or features.")
    if not all(isinstance(code, str) and 2 <= len(code) <= 8 for code in fields["languages"]):
        raise ModelError(f"The model file {path} names an impossible language.")
    for name in ("gain", "bias"):
        numbers = fields[name]
        if len(numbers) != len(LABELS) or not all(
            type(number) is int and abs(number) < _MAX_FIXED for number in numbers
        ):
            raise ModelError(f"The model file {path} has an impossible {name}.")
    if fields["measured"] != [label for label in LABELS if label in fields["measured"]]:
        raise ModelError(f"The model file {path} was measured on labels that are none.")
    if not all(type(number) is int and abs(number) < _MAX_FIXED for number in fields["context"].values()):
        raise ModelError(f"The model file {path} has an impossible context.")
    return Header(
        release=fields["release"][:32],
        languages=tuple(fields["languages"]),
        measured=tuple(fields["measured"]),
        gain=tuple(fields["gain"]),
        bias=tuple(fields["bias"]),
        context=fields["context"],
        training=fields["training"],
    )


def _parse_table(path: Path, body: bytes) -> NDArray[np.int8]:
    size = SLOTS * COLUMNS
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(body, size + 1)
    except zlib.error as error:
        raise ModelError(f"The weights of the model file {path} are damaged.") from error
    if len(raw) != size or not inflater.eof or inflater.unused_data:
        raise ModelError(f"The weights of the model file {path} have the wrong size.")
    table = np.ascontiguousarray(np.frombuffer(raw, dtype=np.int8).reshape(COLUMNS, SLOTS).T)
    if np.min(table[:, -1]) < 0:
        raise ModelError(f"The weights of the model file {path} have an impossible document frequency.")
    table.flags.writeable = False
    return table
