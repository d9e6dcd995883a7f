"""Labelled comments: what training and judging read.

A data directory holds one `FAMILY.csv.gz` per family of sources: UTF-8, with a header, the columns
`text`, one per label (1, 0, or empty for "nobody looked"), `source`, `family`, `split` (train or dev)
and `lang`. Files in sub-directories are not read: other languages lie in the directory `multilingual`.

A site's own comments come as one CSV file (or `.csv.gz`) with the same columns, of which only `text` and at least
one label must be there; `name`, `website`, `email_class` and `user_agent` may be (see `classifier.context`).
"""

import csv
import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path

from classifier.context import CONTEXT_FIELDS, Context
from classifier.scores import LABELS

_NEEDED = {"text", "source", "family", "split", *LABELS}
_FIELD_LIMIT = 1 << 24
_UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error)


class DataError(Exception):
    """Raised when a data directory has no usable files or a file has not the columns described above."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled comment. `labels` has 1, 0 or None (not labelled) in the order of `LABELS`."""

    text: str
    labels: tuple[int | None, ...]
    source: str
    family: str
    split: str
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """All rows of a directory in a fixed order, and the SHA-256 of each file by name."""

    rows: tuple[Row, ...]
    hashes: dict[str, str]

    def split(self, name: str) -> list[Row]:
        return [row for row in self.rows if row.split == name]

    def families(self) -> list[str]:
        return sorted({row.family for row in self.rows})


def read(directory: Path, language: str = "en") -> Corpus:
    """Read every `*.csv.gz` of `directory`, in order of name, keeping rows in `language`.

    A row without `lang` counts as English. Raises DataError.
    """
    paths = sorted(directory.glob("*.csv.gz"))
    if not paths:
        raise DataError(f"{directory} holds no *.csv.gz files")
    rows: list[Row] = []
    hashes = {}
    for path in paths:
        raw = path.read_bytes()
        hashes[path.name] = sha256(raw).hexdigest()
        try:
            rows += _parse(path, gzip.decompress(raw).decode("utf-8"), language)
        except _UNREADABLE as error:
            raise DataError(f"{path} cannot be read as CSV in UTF-8 under gzip: {error}") from error
    return Corpus(tuple(rows), hashes)


def read_file(path: Path) -> list[Row]:
    """Read a site's own comments. A row's source is its column `source`, else the file's name. Raises DataError."""
    try:
        raw = path.read_bytes()
        content = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
        rows = list(_own(path, content))
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if not rows:
        raise DataError(f"{path} holds no comments")
    return rows


def _own(path: Path, content: str) -> Iterable[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.DictReader(StringIO(content, newline=""))
    columns = set(reader.fieldnames or ())
    if "text" not in columns or columns.isdisjoint(LABELS):
        raise DataError(f"{path} lacks the column text or has no column of a label ({', '.join(LABELS)})")
    for line in reader:
        labels = tuple(_label(path, line.get(label) or "") for label in LABELS)
        source = line.get("source") or path.name
        known = {field: line[field] for field in CONTEXT_FIELDS if line.get(field) is not None}
        context = Context(**known) if known else None
        yield Row(line["text"] or "", labels, source, line.get("family") or source, "own", context)


def _parse(path: Path, content: str, language: str) -> Iterable[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.DictReader(StringIO(content, newline=""))
    missing = _NEEDED.difference(reader.fieldnames or ())
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    for line in reader:
        if (line.get("lang") or "en") != language:
            continue
        labels = tuple(_label(path, line[label]) for label in LABELS)
        yield Row(line["text"], labels, line["source"], line["family"], line["split"])


def _label(path: Path, cell: str) -> int | None:
    if cell not in ("", "0", "1"):
        raise DataError(f"{path} has the label {cell!r}; expected 1, 0 or nothing")
    return int(cell) if cell else None
