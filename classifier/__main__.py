"""The command line: score, explain, evaluate, train.

Training and judging need scikit-learn, which a server that only scores does not have: those modules are
loaded by name when their command runs.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TextIO

from classifier.artifact import ModelError
from classifier.data import DataError
from classifier.model import DEFAULT, Model, load
from classifier.scores import LABELS

BATCH = 256

_SCORE_HELP = """\
Read one JSON object per line from standard input, {"id": ..., "text": "..."}, and write one per line to
standard output, in the same order:

  {"id": ..., "spam": p, "toxicity": p, "severe_toxicity": p, "obscene": p, "threat": p, "insult": p,
   "identity_attack": p, "language": "en"}

p is a calibrated probability from 0 to 1, or null where the model gives no opinion because it was not measured
for the language. "id" is any JSON value and comes back as it was; other fields are ignored. An empty line is
skipped. A line that cannot be read is reported on standard error with its number and answered by nothing; all
other lines are answered, and the exit status is 1. It is 0 if every line was answered, 2 if nothing could be
scored at all (wrong arguments, no usable model).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (DataError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m classifier", description="Score comments for spam and toxicity.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    score = commands.add_parser(
        "score",
        help="score JSON lines from standard input",
        description=_SCORE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    score.set_defaults(run=_score)

    explain = commands.add_parser(
        "explain",
        help="say which words made a score",
        description="Print the log-odds of TEXT for one label as a sum: the bias, the words, the flags.",
    )
    explain.add_argument("text", metavar="TEXT")
    explain.add_argument("--label", choices=LABELS, default="toxicity", help="default: toxicity")
    explain.add_argument("--top", type=_count, default=8, help="words to show (default: 8)")
    explain.set_defaults(run=_explain)

    evaluate = commands.add_parser(
        "evaluate",
        help="judge the model on labelled comments",
        description="Print, for labelled comments, how the model ranks by label and source, the share of harmless "
        "texts above 0.5, and the recall kept when words are disguised. Needs scikit-learn.",
    )
    evaluate.add_argument("--split", choices=("train", "dev"), default="dev", help="rows to rank (default: dev)")
    evaluate.add_argument(
        "--leave-one-out",
        action="store_true",
        help="train without each family of sources in turn and judge on it: the honest figure (minutes)",
    )
    evaluate.add_argument("--speed", action="store_true", help="measure texts per second instead")
    evaluate.set_defaults(run=_evaluate)

    train = commands.add_parser(
        "train",
        help="train a model from labelled comments",
        description="Train on the train rows of DIR and calibrate on its dev rows. The same data and libraries give "
        "the same bytes. Needs scikit-learn.",
    )
    train.add_argument(
        "--out",
        type=Path,
        default=DEFAULT.parent,
        metavar="DIR",
        help=f"where {DEFAULT.name} and its checksum go (default: the package's own model)",
    )
    train.set_defaults(run=_train)

    for command in (score, explain, evaluate):
        command.add_argument("--model", type=Path, metavar="FILE", help="default: the model of the package")
    for command in (evaluate, train):
        command.add_argument(
            "--data", type=Path, required=True, metavar="DIR", help="FAMILY.csv.gz files, see classifier/data.py"
        )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _score(options: argparse.Namespace) -> int:
    model = load(options.model)
    source = TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape", newline="\n")
    target = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
    return score_lines(model, source, target, sys.stderr)


def score_lines(model: Model, source: TextIO, target: TextIO, errors: TextIO) -> int:
    """Answer the lines of `source` on `target`; returns 1 if a line could not be read, else 0."""
    bad = 0
    lines = enumerate(source, start=1)
    while batch := list(islice(lines, BATCH)):
        items = []
        for number, line in batch:
            if not line.strip():
                continue
            try:
                items.append(_parse(line))
            except ValueError as error:
                bad = 1
                print(f"line {number}: {error}", file=errors)
        for answer in _answers(model, items):
            target.write(answer + "\n")
        target.flush()
    return bad


def _parse(line: str) -> tuple[object, str]:
    """(id, text) of one line. Raises ValueError with the reason."""
    try:
        item = json.loads(line.encode("utf-8", "surrogateescape").decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(item, dict) or "id" not in item or "text" not in item:
        raise ValueError('expected an object with "id" and "text"')
    if not isinstance(item["text"], str):
        raise ValueError('"text" is not a string')
    return item["id"], item["text"]


def _answers(model: Model, items: Sequence[tuple[object, str]]) -> Iterator[str]:
    for (name, _), scores in zip(items, model.score([text for _, text in items]), strict=True):
        answer = {"id": name} | {label: getattr(scores, label) for label in LABELS}
        yield json.dumps(answer | {"language": scores.language})


def _explain(options: argparse.Namespace) -> int:
    explanation = load(options.model).explain(options.text, options.label, options.top)
    shown = "no opinion" if explanation.score is None else f"{explanation.score:.6f}"
    print(f"{explanation.label} {shown}, log-odds {explanation.log_odds:+.4f}")
    print(f"{explanation.bias:+9.4f}  bias")
    for word in explanation.words:
        print(f"{word.log_odds:+9.4f}  {word.text!r} at {word.start} to {word.end}")
    for flag in explanation.flags:
        print(f"{flag.log_odds:+9.4f}  flag {flag.name}")
    print(f"{explanation.other:+9.4f}  other words")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    judge = import_module("classifier.evaluate")
    if options.leave_one_out:
        judge.leave_one_out(options.data, _say)
    elif options.speed:
        import_module("classifier.speed").measure(load(options.model), options.data, _say)
    else:
        judge.evaluate(load(options.model), options.data, options.split, _say)
    return 0


def _train(options: argparse.Namespace) -> int:
    import_module("classifier.train").train(options.data, options.out / DEFAULT.name, _say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
