"""The command line: score, explain, evaluate, train, calibrate, card, second.

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
from typing import Any, TextIO

from classifier.artifact import ModelError
from classifier.context import CONTEXT_FIELDS, EMAIL_CLASSES, Context
from classifier.data import DataError
from classifier.groups import GROUPS
from classifier.model import DEFAULT, Model, load
from classifier.scores import LABELS
from classifier.second import finding

BATCH = 256

_SCORE_HELP = """\
Read one JSON object per line from standard input, {"id": ..., "text": "..."}, and write one per line to
standard output, in the same order:

  {"id": ..., "spam": p, "toxicity": p, "severe_toxicity": p, "obscene": p, "threat": p, "insult": p,
   "identity_attack": p, "language": "en"}

p is a calibrated probability from 0 to 1, or null where the model gives no opinion because it was not measured
for the language. "id" is any JSON value and comes back as it was. What else is known of a comment may stand beside
its text and counts for spam: "name", "website" (an empty string says that there was none), "email_class" (own, free
or disposable; never the address) and "user_agent". Other fields are ignored. An empty line is skipped. A line that
cannot be read is reported on standard error with its number and answered by nothing; all other lines are answered,
and the exit status is 1. It is 0 if every line was answered, 2 if nothing could be scored at all (wrong arguments,
no usable model).
"""

MEASURES = (
    "known", "sources", "unseen", "identity", "disguised", "harmless", "calibration", "speed", "languages", "footprint",
)  # fmt: skip
FIRST_ALONE = ("unseen", "calibration", "footprint")
"""Measures that train again, or look at files: a second tier has no part in them."""

_MEASURES_HELP = """\
measures:
  known        AUC on development rows of known sources, beside TF-IDF with logistic regression
  sources      development rows by source and length, and what thresholds find
  unseen       AUC on sources left out of training in rotation, beside the same (an hour)
  identity     neutral sentences with identity terms above 0.5
  disguised    recall kept when telling words are disguised in ten ways, three of them never trained on
  harmless     blog comments, ham, short comments and counter-speech above 0.5
  calibration  calibration error of rows out of fold beside that of a perfect model (minutes)
  speed        texts a second, beside HashingVectorizer + SGD and TF-IDF + logistic regression
  languages    toxicity in other languages, beside TF-IDF of letters
  footprint    size, load time, memory
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["second"]:
            return int(import_module("classifier.second.command").run(given[1:], _say))
        options = _parser().parse_args(given)
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

    explain.add_argument("--name", help="the author's name")
    explain.add_argument("--website", help="the author's website; an empty one says that there was none")
    explain.add_argument("--email-class", choices=EMAIL_CLASSES, help="of the author's address")
    explain.add_argument("--user-agent", help="the browser's name for itself")

    evaluate = commands.add_parser(
        "evaluate",
        help="judge the model on labelled comments",
        description="Judge the model: on a site's own comments (--csv), or on one of the measures below, which need "
        "--data. Needs scikit-learn.",
        epilog=_MEASURES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("--csv", type=Path, metavar="FILE", help="a site's own comments, see classifier/data.py")
    evaluate.add_argument("--plot", type=Path, metavar="FILE", help="with --csv: write a reliability plot (SVG)")
    evaluate.add_argument("--measure", choices=MEASURES, default="known", help="default: known")
    evaluate.add_argument(
        "--sealed", action="store_true", help="with identity: also the templates kept for a model's last run"
    )
    evaluate.add_argument(
        "--label", action="append", choices=LABELS, default=[], help="with unseen: this label; may be repeated"
    )
    evaluate.add_argument("--json", action="store_true", help="print the tables as JSON, one a line")
    evaluate.set_defaults(run=_evaluate)

    train = commands.add_parser(
        "train",
        help="train models from labelled comments",
        description="Train on the train rows of DIR and calibrate on its dev rows; other languages on those of "
        "DIR/multilingual. The same data and libraries give the same bytes. Needs scikit-learn.",
    )
    train.add_argument(
        "--language",
        action="append",
        choices=[group.name for group in GROUPS],
        default=[],
        help="train this one alone; may be repeated (default: all that have data)",
    )
    train.add_argument(
        "--lessons", type=Path, metavar="FILE", help="in English learn from these too; `second teach` makes them"
    )
    train.set_defaults(run=_train)

    calibrate = commands.add_parser(
        "calibrate",
        help="fit the probabilities to a site's own comments",
        description="Fit the calibration of each label, and the weights of what is known beside the text, to a "
        "site's own comments, and write a new model. Words keep their weights. Needs scikit-learn.",
    )
    calibrate.add_argument("--csv", type=Path, required=True, metavar="FILE", help="comments, see classifier/data.py")
    calibrate.add_argument(
        "--share",
        action="append",
        type=_share,
        default=[],
        metavar="LABEL=P",
        help="share of comments with a label, where the file holds another (default: the file's own)",
    )
    calibrate.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the new files go")
    calibrate.set_defaults(run=_calibrate)

    card = commands.add_parser(
        "card",
        help="write the model cards",
        description="Measure the models and write their cards and reliability plots beside them: minutes to an "
        "hour, since calibration and unseen sources need models trained without them. Needs scikit-learn.",
    )
    card.add_argument("--sealed", action="store_true", help="also judge the identity templates kept for the last run")
    card.add_argument("--brief", action="store_true", help="leave out what trains again")
    card.add_argument(
        "--unseen",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="what `evaluate --measure unseen --json` said of this training; may be repeated (default: measure it)",
    )
    card.set_defaults(run=_card)

    commands.add_parser("second", help="the second tier: fetch, info, train, build, teach, unseen", add_help=False)

    for command in (score, explain, evaluate, calibrate, card):
        command.add_argument("--model", type=Path, metavar="FILE", help="default: the model of the package")
    for command in (score, evaluate):
        command.add_argument(
            "--second",
            type=Path,
            metavar="FILE",
            help="let this second tier read every text too (needs onnxruntime); default: the first decides alone",
        )
    for command in (evaluate, card):
        command.add_argument(
            "--lessons",
            action="append",
            type=Path,
            default=[],
            metavar="FILE",
            help="what trains again learns from these, of teachers trained without what is judged; may be repeated",
        )
    for command in (evaluate, train, card):
        command.add_argument(
            "--data",
            type=Path,
            required=command is not evaluate,
            metavar="DIR",
            help="FAMILY.csv.gz files, see classifier/data.py",
        )
    for command in (train, card):
        command.add_argument(
            "--out",
            type=Path,
            default=DEFAULT.parent,
            metavar="DIR",
            help="where the files go (default: the package's own models)",
        )
    return parser


def _share(text: str) -> tuple[str, float]:
    label, _, number = text.partition("=")
    if label not in LABELS or not 0 < float(number) < 1:
        raise argparse.ArgumentTypeError("expected LABEL=P with P between 0 and 1")
    return label, float(number)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _score(options: argparse.Namespace) -> int:
    model = _loaded(options)
    source = TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape", newline="\n")
    target = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
    return score_lines(model, source, target, sys.stderr)


def _loaded(options: argparse.Namespace) -> Model:
    """The model, with the second tier where one was asked for. Raises ModelError."""
    model = load(options.model)
    if options.second is None:
        return model
    second = finding.find(options.second)
    both: Model = import_module("classifier.second.both").Both(model, second)
    return both


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


def _parse(line: str) -> tuple[object, str, Context | None]:
    """(id, text, context) of one line. Raises ValueError with the reason."""
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
    known = {field: item[field] for field in CONTEXT_FIELDS if item.get(field) is not None}
    for field, value in known.items():
        if not isinstance(value, str):
            raise ValueError(f'"{field}" is not a string')
    return item["id"], item["text"], Context(**known) if known else None


def _answers(model: Model, items: Sequence[tuple[object, str, Context | None]]) -> Iterator[str]:
    found = model.score([text for _, text, _ in items], context=[context for _, _, context in items])
    for (name, _, _), scores in zip(items, found, strict=True):
        answer = {"id": name} | {label: getattr(scores, label) for label in LABELS}
        yield json.dumps(answer | {"language": scores.language})


def _explain(options: argparse.Namespace) -> int:
    context = Context(options.name, options.website, options.email_class, options.user_agent)
    explanation = load(options.model).explain(options.text, options.label, options.top, context)
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
    if options.csv is None and options.data is None:
        raise DataError("Say what to judge on: --csv FILE or --data DIR.")
    model = _loaded(options)
    if options.csv is not None:
        judge = import_module("classifier.evaluate")
        rows = import_module("classifier.data").read_file(options.csv)
        tables = judge.own(model, rows)
        if options.plot:
            _draw(options.plot, judge.reliability(model, rows))
    else:
        if options.second is not None and options.measure in FIRST_ALONE:
            raise DataError(f"--measure {options.measure} judges the first tier alone: leave out --second.")
        measures = import_module("classifier.measures")
        tables = measures.run(
            options.measure, model, options.model or DEFAULT, options.data, options.sealed, _note, options.label,
            options.lessons,
        )  # fmt: skip
    for table in tables:
        _say(json.dumps(table.as_record(), ensure_ascii=False) if options.json else table.as_text())
    return 0


def _draw(path: Path, plot: str) -> None:
    try:
        path.write_text(plot, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from error


def _train(options: argparse.Namespace) -> int:
    lessons = import_module("classifier.lessons").read(options.lessons) if options.lessons else None
    import_module("classifier.train").train(options.data, options.out, _say, options.language, lessons)
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    rows = import_module("classifier.data").read_file(options.csv)
    recalibrate = import_module("classifier.recalibrate").recalibrate
    recalibrate(options.model or DEFAULT, rows, dict(options.share), options.out, _say)
    return 0


def _card(options: argparse.Namespace) -> int:
    write = import_module("classifier.card").write
    measured = [record for file in options.unseen for record in _measured(file)]
    write(
        options.model or DEFAULT, options.data, options.out, options.sealed, options.brief, measured, _say,
        options.lessons,
    )  # fmt: skip
    return 0


def _measured(path: Path) -> list[dict[str, Any]]:
    """The tables that `evaluate --json` wrote. Raises DataError."""
    try:
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON, one table a line, as `evaluate --json` writes it.") from error
    if not all(isinstance(one, dict) and {"title", "columns", "rows"} <= set(one) for one in found):
        raise DataError(f"{path} holds no tables as `evaluate --json` writes them.")
    return found


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
