"""Writes the labelled rows of a data folder (CSV files, gzipped) as JSON lines, for `make replay`."""

import csv
import gzip
import json
import sys
from pathlib import Path

import click

LABELS = ("spam", "toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")


@click.command()
@click.option("--data", "folder", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--split", default="dev", show_default=True, help="Which rows: train or dev.")
@click.option("--generated/--real", default=False, help="Rows of generated sources (synth*) only, or real ones only.")
def main(folder: Path, split: str, generated: bool) -> None:
    """Write rows of all CSV files in a folder to standard output, one JSON object a line."""
    csv.field_size_limit(2**31 - 1)
    for path in sorted(folder.glob("*.csv.gz")):
        if path.name.startswith("synth") != generated:
            continue
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["split"] == split:
                    labels = {label: int(float(row[label])) for label in LABELS if row[label]}
                    json.dump({"id": row["id"], "text": row["text"], **labels}, sys.stdout, ensure_ascii=False)
                    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
