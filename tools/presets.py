"""What the presets of `comity classifier thresholds` do with labelled rows: who reads how much, who is wronged.

Rows are those of a folder of the classifier's data that no generator made and that were gathered as they came (blog
comments, Wikipedia talk, Stack Overflow) or are spam; each kind counts as much as it is common: of 100 comments 9.6 are
toxic and 5 spam.
"""

from pathlib import Path

import click
import numpy as np

from classifier import LABELS, load
from classifier.data import Row, read
from classifier.targets import TRUSTED_FAMILIES
from classifier.train import UNCALIBRATED_FAMILIES
from service.domain.rules import DEFAULT_THRESHOLDS
from service.domain.thresholds import PRESETS, Judged, by_costs, outcome

SHARES = {"toxic": 0.096, "spam": 0.05}
COLUMNS = (
    f"{'thresholds':12} {'to humans':>10} {'harmless rejected':>18} {'toxic published':>16} {'spam published':>15}"
)


def _kind(row: Row) -> str | None:
    labels = dict(zip(LABELS, row.labels, strict=True))
    if row.family in UNCALIBRATED_FAMILIES:
        return None
    if labels["spam"] == 1:
        return "spam"
    if row.family not in TRUSTED_FAMILIES:
        return None
    if labels["toxicity"] == 1:
        return "toxic"
    return "harmless" if labels["toxicity"] == 0 else None


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--split", default="dev", show_default=True, help="Which rows: train or dev.")
def main(data: Path, split: str) -> None:
    """Print a line for the default thresholds and for each preset."""
    rows = [(row, kind) for row in read(data).split(split) if (kind := _kind(row))]
    scored = load().score([row.text for row, _ in rows])
    kinds = np.array([kind for _, kind in rows])
    judged = [
        Judged({label: getattr(scores, label) for label in LABELS}, None if kind == "harmless" else kind)
        for scores, (_, kind) in zip(scored, rows, strict=True)
    ]
    click.echo(f"{len(rows):,} rows: " + ", ".join(f"{(kinds == kind).sum():,} {kind}" for kind in sorted(set(kinds))))
    click.echo(COLUMNS)
    for name, limits in {"default": DEFAULT_THRESHOLDS, **{n: by_costs(c) for n, c in PRESETS.items()}}.items():
        found = {
            kind: outcome([one for one, own in zip(judged, kinds, strict=True) if own == kind], limits)
            for kind in ("harmless", "toxic", "spam")
        }
        weights = {**SHARES, "harmless": 1 - sum(SHARES.values())}
        humans = sum(weights[kind] * one.humans / max(1, one.total) for kind, one in found.items())
        wronged = found["harmless"].wronged / max(1, found["harmless"].total)
        toxic, spam = (found[kind].missed / max(1, found[kind].total) for kind in ("toxic", "spam"))
        click.echo(f"{name:12} {humans:>10.1%} {wronged:>18.2%} {toxic:>16.1%} {spam:>15.1%}")


if __name__ == "__main__":
    main()
