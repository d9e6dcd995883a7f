"""The file of the second tier: a header, a vocabulary and a graph; checked before anything reads it.

Layout, all integers little-endian:

    8 bytes   "COMITYT2"
    4 bytes   format version (unsigned)
    4 bytes   length of the header (unsigned)
    header    UTF-8 JSON object, see `Header`
    pieces    the word pieces, one a line, UTF-8, zlib; as many bytes as the header says
    rest      the graph, ONNX

Beside `NAME` lies `NAME.sha256`, as for the first tier's files (see `classifier.artifact`): a file whose digest is
not the recorded one is not parsed at all. The graph is data: it names operations of onnxruntime and holds weights.
"""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from classifier.artifact import ModelError, read_checked, write_checked
from classifier.scores import LABELS

FORMAT = 1
MAX_FILE = 32 << 20
_MAGIC = b"COMITYT2"
_PREFIX = struct.Struct("<8sII")
_MAX_HEADER = 1 << 16
_MAX_WORDS = 8 << 20
_FIELDS = {"release": str, "labels": list, "languages": list, "longest": int, "pieces": int, "blend": dict,
           "graph": str, "training": dict}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blend:
    """Log-odds of both tiers: `bias` + `first` * those of the first tier + `second` * the raw ones of the second."""

    bias: float
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Header:
    """What a second tier says about itself.

    `languages`: what the first tier calls the texts that it may be asked about. `longest`: word pieces of a text that
    it reads. `blend`: by label; a label without one keeps the first tier's score. `training` records data hashes,
    settings and figures; nothing reads it to score.
    """

    release: str
    languages: tuple[str, ...]
    longest: int
    blend: Mapping[str, Blend]
    training: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A header, the word pieces, the graph, and the SHA-256 of the file."""

    header: Header
    words: tuple[str, ...]
    graph: bytes
    sha256: str
    path: Path


def write(path: Path, header: Header, words: Sequence[str], graph: bytes) -> str:
    """Write a file and its checksum; equal input gives equal bytes. Returns the SHA-256."""
    pieces = zlib.compress("\n".join(words).encode("utf-8"), 9)
    fields = {
        "release": header.release,
        "labels": list(LABELS),
        "languages": list(header.languages),
        "longest": header.longest,
        "pieces": len(pieces),
        "blend": {label: [one.bias, one.first, one.second] for label, one in header.blend.items()},
        "graph": sha256(graph).hexdigest(),
        "training": header.training,
    }
    text = json.dumps(fields, ensure_ascii=True, sort_keys=True, allow_nan=False).encode("ascii")
    return write_checked(path, _PREFIX.pack(_MAGIC, FORMAT, len(text)) + text + pieces + graph)


def read(path: Path) -> Artifact:
    """Read and check a file. Raises ModelError."""
    content, digest = read_checked(path, MAX_FILE)
    if len(content) < _PREFIX.size or content[: len(_MAGIC)] != _MAGIC:
        raise ModelError(f"The file {path} is not a second tier of Comity.")
    _, version, length = _PREFIX.unpack_from(content)
    if version != FORMAT:
        raise ModelError(f"The second tier {path} has format {version}; this release reads format {FORMAT}.")
    start = _PREFIX.size + length
    if length > _MAX_HEADER or start > len(content):
        raise ModelError(f"The header of the second tier {path} is too long.")
    fields = _fields(path, content[_PREFIX.size : start])
    end = start + fields["pieces"]
    graph = content[end:]
    if sha256(graph).hexdigest() != fields["graph"]:
        raise ModelError(f"The graph of the second tier {path} is not the one that its header names.")
    return Artifact(_header(path, fields), _words(path, content[start:end]), graph, digest, path)


def _fields(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"The header of the second tier {path} is not JSON.") from error
    if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
        raise ModelError(f"The header of the second tier {path} has not the fields of format {FORMAT}.")
    if any(type(fields[name]) is not kind for name, kind in _FIELDS.items()):
        raise ModelError(f"The header of the second tier {path} has a field of the wrong type.")
    if fields["labels"] != list(LABELS):
        raise ModelError(f"The second tier {path} was made for other labels.")
    if not all(isinstance(code, str) and 2 <= len(code) <= 8 for code in fields["languages"]):
        raise ModelError(f"The second tier {path} names an impossible language.")
    if not 8 <= fields["longest"] <= 512 or fields["pieces"] < 0:
        raise ModelError(f"The second tier {path} has an impossible length.")
    return fields


def _header(path: Path, fields: Mapping[str, Any]) -> Header:
    blend = {}
    for label, numbers in fields["blend"].items():
        known = label in LABELS and isinstance(numbers, list) and len(numbers) == 3
        if not known or not all(type(one) in (int, float) and isfinite(one) and abs(one) < 100 for one in numbers):
            raise ModelError(f"The second tier {path} has an impossible blend.")
        blend[label] = Blend(*map(float, numbers))
    return Header(fields["release"][:32], tuple(fields["languages"]), fields["longest"], blend, fields["training"])


def _words(path: Path, packed: bytes) -> tuple[str, ...]:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, _MAX_WORDS)
        if not inflater.eof:
            raise ValueError("longer than it may be")
        return tuple(raw.decode("utf-8").split("\n"))
    except (zlib.error, ValueError) as error:
        raise ModelError(f"The vocabulary of the second tier {path} is damaged.") from error
