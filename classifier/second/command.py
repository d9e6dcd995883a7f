"""`python -m classifier second`: fetch, info, train, build, teach, unseen.

To fetch, the packages of the first tier are enough; what trains needs torch and onnx besides (docs/contributor/
classifier.md says how), and loads them by name when its command runs.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from classifier import lessons
from classifier.artifact import ModelError
from classifier.data import read
from classifier.model import DEFAULT as FIRST
from classifier.model import load
from classifier.second import artifact, finding
from classifier.second.fetch import fetch

Say = Callable[[str], None]


def run(arguments: Sequence[str], say: Say) -> int:
    """Run one command; returns the exit status. Raises ModelError, DataError."""
    options = _parser().parse_args(arguments)
    return int(options.run(options, say))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m classifier second", description="The second tier: a small transformer for uncertain comments."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "fetch",
        help="install its file from a place you name",
        description="Copy a second tier from a URL or a path, check its SHA-256, and put it where it is found. Without "
        "--sha256 the digest is read from SOURCE.sha256.",
    )
    command.add_argument("source", metavar="SOURCE", help="https://... or a path")
    command.add_argument("--sha256", metavar="HEX", help="the digest that the file must have")
    command.add_argument("--to", type=Path, default=finding.DEFAULT, metavar="FILE", help="default: %(default)s")
    command.set_defaults(run=_fetch)

    command = commands.add_parser("info", help="say what is installed")
    command.add_argument("--path", type=Path, metavar="FILE", help="default: where it is looked for")
    command.set_defaults(run=_info)

    command = commands.add_parser(
        "train",
        help="fine-tune the transformer and build its file",
        description="Fine-tune MiniLM on the train rows of DIR and build the file from it. Stopped and started again, "
        "it goes on. Needs torch, safetensors and onnx.",
    )
    command.add_argument("--base", type=Path, required=True, metavar="DIR", help="MiniLM: config, weights, vocab.txt")
    command.add_argument("--tokens", type=int, metavar="N", help="word pieces to read in all")
    command.add_argument(
        "--without", action="append", default=[], metavar="FAMILY", help="leave out, to judge on it; may be repeated"
    )
    command.set_defaults(run=_train)

    build = commands.add_parser("build", help="build the file from a network that was fine-tuned")
    build.add_argument("--base", type=Path, required=True, metavar="DIR", help="as for train")
    build.set_defaults(run=_build)

    teach = commands.add_parser(
        "teach",
        help="write lessons for the first tier to learn from",
        description="Let a second tier read parts of the train rows of DIR, and write what it says: lessons, for "
        "`train --lessons`. They hold parts of the comments. Needs onnxruntime.",
    )
    teach.add_argument("--second", type=Path, default=finding.DEFAULT, metavar="FILE", help="default: %(default)s")
    teach.add_argument("--out", type=Path, required=True, metavar="FILE", help="where they go (.jsonl.gz)")
    teach.set_defaults(run=_teach)

    unseen = commands.add_parser(
        "unseen",
        help="judge networks on the families they were trained without",
        description="Judge networks that `train --without` made on what they were trained without, beside the first "
        "tier and TF-IDF with logistic regression, both trained without the same families.",
    )
    unseen.add_argument("--base", type=Path, required=True, metavar="DIR", help="as for train")
    unseen.add_argument("work", type=Path, nargs="+", metavar="DIR", help="where `train --work` wrote")
    unseen.add_argument(
        "--lessons", action="append", type=Path, default=[], metavar="FILE", help="for the first tier; may be repeated"
    )
    unseen.set_defaults(run=_unseen)

    for one in (command, build, teach, unseen):
        one.add_argument("--data", type=Path, required=True, metavar="DIR", help="see classifier/data.py")
    for one in (command, build):
        one.add_argument("--work", type=Path, required=True, metavar="DIR", help="where work is kept, to go on from")
        one.add_argument("--model", type=Path, default=FIRST, metavar="FILE", help="the first tier to blend with")
        one.add_argument("--out", type=Path, default=finding.DEFAULT, metavar="FILE", help="default: %(default)s")
    return parser


def _fetch(options: argparse.Namespace, say: Say) -> int:
    found = fetch(options.source, options.to, options.sha256)
    say(f"{options.to}: version {found.header.release}-{found.sha256[:8]}, {options.to.stat().st_size:,} bytes")
    if finding.find(options.to) is None:
        raise ModelError(f"{options.to} cannot be used.")
    return 0


def _info(options: argparse.Namespace, say: Say) -> int:
    path = options.path or finding.DEFAULT
    if options.path is None and not path.exists():
        say(f"There is no second tier at {path}.")
        return 0
    found = artifact.read(path)
    say(f"{path}: version {found.header.release}-{found.sha256[:8]}, SHA-256 {found.sha256}")
    say(f"languages {', '.join(found.header.languages)}; {found.header.longest} word pieces of a text")
    for label, one in found.header.blend.items():
        say(f"{label}: {one.bias:+.3f} {one.first:+.3f} * first {one.second:+.3f} * second")
    return 0


def _train(options: argparse.Namespace, say: Say) -> int:
    train = _needing("classifier.second.train")
    settings = train.Settings(**({"tokens": options.tokens} if options.tokens else {}))
    train.tune(options.base, options.data, options.work, settings, options.without, say)
    return 0 if options.without else _build(options, say)


def _build(options: argparse.Namespace, say: Say) -> int:
    train, build = _needing("classifier.second.train"), _needing("classifier.second.build")
    network, record = train.tuned(options.work)
    settings = {field.name: record["settings"][field.name] for field in fields(train.Settings)}
    build.build(
        network, train.vocabulary(options.base), settings["longest"], read(options.data), load(options.model),
        settings, record["without"], options.out, say,
    )  # fmt: skip
    return 0


def _teach(options: argparse.Namespace, say: Say) -> int:
    _needing("classifier.second.teach").teach(options.second, options.data, options.out, say)
    return 0


def _unseen(options: argparse.Namespace, say: Say) -> int:
    unseen = _needing("classifier.second.unseen").unseen
    taught = [lessons.read(one) for one in options.lessons]
    tables = unseen(options.data, options.base, options.work, say, taught)
    for table in tables:
        say(table.as_text())
    return 0


def _needing(name: str) -> Any:
    """A module that needs packages which a server has not. Raises ModelError where one is missing."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"This needs {error.name}, which is not installed: see docs/contributor/classifier.md."
        ) from error
