"""Random and hostile texts, as many as asked for: each is normalised, scored, and normalised again.

`make test-classifier` takes a million; `make test` the first few thousand of the same.
"""

from collections.abc import Iterator
from random import Random

from classifier import LABELS, Model
from classifier.normalise import normalise, normalise_all

MILLION = 1_000_000
_BATCH = 500
_PIECES = (
    "f u c k", "h t t p : / /", "x.com", "[.]", " dot ", "1.2.3.4", "$5", "n1ce", "w0w!", "@me", "\u202e", "B A D",
    "sooooo", "#$%!", "a@b.co", "+44 20 7946 0000", "А", "𝖇𝖆𝖉", "🇬🇧", "xleet", "<url>", "\x00", "\ud800", "\n", " ",
    "é", "e\u0301\u0301", "한국", "中文", "שלום", "\u200b", "ａｂ", "...", "!!!", "dot com", "(", "id*ot", "a$$",
)  # fmt: skip
_PLANES = ((0, 0x7F), (0, 0xFF), (0, 0x24F), (0x300, 0x52F), (0x590, 0x6FF), (0x2000, 0x33FF), (0x3400, 0xD7FF),
           (0xD800, 0xDFFF), (0xE000, 0xFFFF), (0x1D400, 0x1D7FF), (0x1F100, 0x1FAFF), (0, 0x10FFFF))  # fmt: skip


def texts(count: int, seed: int) -> Iterator[str]:
    """Texts of up to 40 letters of one part of Unicode, or of pieces that normalising looks for, or of both."""
    random = Random(seed)
    for _ in range(count):
        low, high = random.choice(_PLANES)
        letters = [chr(random.randint(low, high)) for _ in range(random.randint(0, 40))]
        pieces = [random.choice(_PIECES) for _ in range(random.randint(0, 6))]
        mixed = random.choice((letters, pieces, letters + pieces))
        random.shuffle(mixed)
        yield random.choice(("", " ")).join(mixed)


def faults(model: Model, count: int, seed: int = 1) -> list[str]:
    """What went wrong, in words; nothing is raised for any text, so the list is empty."""
    found: list[str] = []
    batch: list[str] = []
    for text in texts(count, seed):
        batch.append(text)
        if len(batch) == _BATCH:
            found += _faults(model, batch)
            batch = []
    return [*found, *_faults(model, batch)]


def _faults(model: Model, batch: list[str]) -> Iterator[str]:
    read = normalise_all(batch)
    for text, form, again in zip(batch, read, normalise_all([form.text for form in read]), strict=True):
        if again.text != form.text:
            yield f"{text!r} became {form.text!r}, and that {again.text!r}"
    for text, scores in zip(batch, model.score(batch, read), strict=True):
        values = [getattr(scores, label) for label in LABELS]
        if any(value is not None and not 0 <= value <= 1 for value in values):
            yield f"{text!r} scored {values}"
    for text, form in list(zip(batch, read, strict=True))[:5]:
        if normalise(text) != form:
            yield f"{text!r} reads otherwise alone"
