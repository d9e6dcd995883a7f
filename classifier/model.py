"""The trained model: from texts to calibrated scores.

For a text with the distinct features F the log-odds of a label are

    bias + gain * sum(weight[f] for f in F) / sqrt(sum(idf2[f] for f in F)) + sum(context[n] for named features n)

a logistic regression over tf-idf vectors of length one, its inverse document frequencies folded into
the weights and Platt's calibration (Platt 1999) folded into gain and bias. Weights and idf2 are small
integers, sums are sums of integers, and the log-odds are an integer number of units of 2**-32: a text has
the same score in every batch, process and thread, and the parts of an explanation add up exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from classifier import artifact, features, language
from classifier.artifact import Artifact, ModelError
from classifier.context import Context
from classifier.explain import Explanation, Line, explain
from classifier.normalise import Normalised, normalise_all
from classifier.scores import LABELS, Scores, probability

DEFAULT = Path(__file__).parent / "model" / "english.model"
_SPAM = LABELS.index("spam")


@dataclass(frozen=True, slots=True)
class Sums:
    """What the table gives for a batch of n texts.

    `weights`: int64, n x labels, sums of weights. `steps`: int64, n x labels, units of log-odds per weight.
    """

    weights: NDArray[np.int64]
    steps: NDArray[np.int64]


class Table:
    """The weights of one group of languages. Immutable, so threads may share it.

    weights: int8, `SLOTS` x `COLUMNS`. gain, bias: an integer per label. measured: for each label whether it has an
    opinion. context: units of log-odds of spam by named feature.
    """

    def __init__(
        self, weights: NDArray[np.int8], gain: Sequence[int], bias: Sequence[int],
        measured: Sequence[str] = LABELS, context: Mapping[str, int] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self._weights = weights
        self._gain = np.array(gain, dtype=np.float64)
        self._bias = np.array(bias, dtype=np.int64)
        self._context = context
        self.measured = tuple(label in measured for label in LABELS)

    @classmethod
    def unpack(cls, loaded: Artifact) -> "Table":
        """The table of a file that was read. Raises ModelError."""
        header = loaded.header
        return cls(loaded.table(), header.gain, header.bias, header.measured, header.context)

    def log_odds(self, texts: Sequence[Normalised], named: Sequence[Sequence[str]] | None = None) -> NDArray[np.int64]:
        """Calibrated log-odds, int64 in units of 2**-32, shape (texts, labels), unmeasured labels too.

        named: the named features of each text (see `context`).
        """
        if not texts:
            return np.zeros((0, len(LABELS)), dtype=np.int64)
        parts = [self.sums(features.extract(chunk)) for chunk in features.chunks(texts)]
        odds = np.concatenate([self._bias + part.weights * part.steps for part in parts])
        if named is not None:
            odds[:, _SPAM] += [sum(self._context.get(name, 0) for name in names) for names in named]
        return odds

    def line(self, text: Normalised, column: int, names: Sequence[str]) -> Line:
        """What decides label number `column` of one text."""
        step = int(self.sums(features.extract([text])).steps[0, column])
        context = {name: self._context.get(name, 0) for name in names} if column == _SPAM else {}
        return Line(LABELS[column], self._weights[:, column], step, int(self._bias[column]), context)

    def sums(self, batch: features.Batch) -> Sums:
        """What `batch` adds up to."""
        rows = self._weights.take(batch.slots, axis=0)
        begins = batch.bounds[:-1]
        filled = begins < batch.bounds[1:]
        sums = np.zeros((len(begins), self._weights.shape[1]), dtype=np.int64)
        if filled.any():
            sums[filled] = np.add.reduceat(rows, begins[filled], axis=0, dtype=np.int64)
        norm = np.sqrt(np.maximum(sums[:, -1:], 1))
        return Sums(sums[:, :-1], np.rint(self._gain / norm).astype(np.int64))


class Model:
    """A loaded model: a main table and, unpacked when first asked for, tables of other languages.

    Immutable but for that, so threads may share it. Made by `load`.
    """

    def __init__(self, main: Artifact, others: Sequence[Artifact] = ()) -> None:
        self._parts = (main, *others)
        self._of_language: dict[str, int] = {}
        for number, part in enumerate(self._parts):
            for code in part.header.languages:
                if self._of_language.setdefault(code, number) != number:
                    raise ModelError(f"The model file {part.path} is for {code}, which another file is for too.")
        self._tables: dict[int, Table] = {0: Table.unpack(main)}
        self.languages = tuple(self._of_language)
        self.training = main.header.training
        self.sha256 = main.sha256
        whole = sha256("".join(part.sha256 for part in self._parts).encode()).hexdigest() if others else main.sha256
        self.version = f"{main.header.release}-{whole[:8]}"

    def supports(self, language: str) -> bool:
        """True if some label was measured on `language` (ISO 639 code)."""
        return language in self._of_language

    def measured(self, language: str) -> tuple[str, ...]:
        """The labels that have an opinion on texts in `language` (ISO 639 code)."""
        number = self._of_language.get(language)
        return () if number is None else self._parts[number].header.measured

    def score(
        self,
        texts: Sequence[str],
        read: Sequence[Normalised] | None = None,
        context: Sequence[Context | None] | None = None,
    ) -> list[Scores]:
        """One `Scores` per text, in order. Never raises for any `str`.

        read: the texts as `normalise` gives them, where that was done already. context: what else is known of each.
        Raises ModelError when the weights of a language are damaged behind a true checksum.
        """
        normalised = normalise_all(texts) if read is None else read
        guesses = [language.identify(*pair) for pair in zip(texts, normalised, strict=True)]
        named = None if context is None else [_named(*pair) for pair in zip(texts, context, strict=True)]
        tables = [self._table_for(guess) for guess in guesses]
        found: list[Scores] = [_NO_OPINION] * len(texts)
        for number in sorted({table for table in tables if table is not None}):
            table = self._table(number)
            mine = [at for at, other in enumerate(tables) if other == number]
            odds = table.log_odds(
                [normalised[at] for at in mine], None if named is None else [named[at] for at in mine]
            )
            for at, row in zip(mine, odds.tolist(), strict=True):
                found[at] = _scores(row, table.measured, guesses[at])
        return [_silent(guess) if one is _NO_OPINION else one for one, guess in zip(found, guesses, strict=True)]

    def explain(self, text: str, label: str, top: int = 8, context: Context | None = None) -> Explanation:
        """Why `text` has its score for `label`: at most `top` words, the strongest first, and all named features.

        Raises ValueError for a label that is not one of `LABELS` or a negative `top`.
        """
        if label not in LABELS or top < 0:
            raise ValueError(f"unknown label {label!r} or negative top {top}")
        normalised = normalise_all([text])[0]
        column = LABELS.index(label)
        number = self._table_for(language.identify(text, normalised))
        table = self._table(number or 0)
        line = table.line(normalised, column, _named(text, context))
        return explain(text, line, number is not None and table.measured[column], top)

    def log_odds(self, texts: Sequence[Normalised]) -> NDArray[np.int64]:
        """Calibrated log-odds of the main table, int64 in units of 2**-32, shape (texts, labels); any language."""
        return self._table(0).log_odds(texts)

    def log_odds_in(self, language: str, texts: Sequence[Normalised]) -> NDArray[np.int64]:
        """As `log_odds`, of the table for `language` (ISO 639 code). Raises KeyError where `supports` is false."""
        return self._table(self._of_language[language]).log_odds(texts)

    def _table(self, number: int) -> Table:
        if number not in self._tables:
            self._tables[number] = Table.unpack(self._parts[number])
        return self._tables[number]

    def _table_for(self, guess: language.Guess) -> int | None:
        """The number of the table that has an opinion; None if none has."""
        if guess.language == language.UNKNOWN:
            return 0 if guess.latin else None
        return self._of_language.get(guess.language)


_NO_OPINION = Scores(None, None, None, None, None, None, None, language.UNKNOWN, 0.0)


def _named(text: str, context: Context | None) -> tuple[str, ...]:
    return () if context is None else context.features(text)


def _silent(guess: language.Guess) -> Scores:
    return Scores(None, None, None, None, None, None, None, guess.language, guess.confidence)


def _scores(units: list[int], measured: tuple[bool, ...], guess: language.Guess) -> Scores:
    spam, toxicity, severe_toxicity, obscene, threat, insult, identity_attack = (
        probability(one) if known else None for one, known in zip(units, measured, strict=True)
    )
    return Scores(
        spam=spam,
        toxicity=toxicity,
        severe_toxicity=severe_toxicity,
        obscene=obscene,
        threat=threat,
        insult=insult,
        identity_attack=identity_attack,
        language=guess.language,
        confidence=guess.confidence,
    )


def load(path: str | Path | None = None) -> Model:
    """Load a model; without `path` the one that comes with this package.

    Other `*.model` files of the same directory come with it, for the languages they name. A file's SHA-256 must be
    the one in `FILE.sha256` beside it. Raises ModelError.
    """
    main = DEFAULT if path is None else Path(path)
    others = sorted(other for other in main.parent.glob("*.model") if other.name != main.name)
    return Model(artifact.read(main), [artifact.read(other) for other in others])
