"""What a loaded model takes: bytes on disk, time to load, memory beyond numpy."""

import subprocess
import sys
from pathlib import Path
from statistics import median

from classifier.model import DEFAULT
from classifier.report import Figures

_RUNS = 5
_PROBE = """
import sys, numpy
from time import perf_counter
def resident():
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
def private():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
before, start = private(), perf_counter()
from classifier import load
imported = perf_counter()
model = load(sys.argv[1])
loaded = perf_counter()
model.score(["Thanks, that was a very good read about the old bridge."] * 256)
english = private()
model.score(["Das ist ein wirklich guter Artikel, vielen Dank an alle Autoren.",
             "Muito obrigado por este artigo, gostei muito de ler sobre a cidade.",
             "이 기사는 정말 재미있었습니다. 감사합니다.", "这篇文章写得非常好，谢谢作者的分享。"])
print(loaded - imported, loaded - start, english - before, private() - before)
"""


def measure(path: Path = DEFAULT) -> Figures:
    """Size of each file, and load time and memory in processes of their own (Linux). Raises CalledProcessError."""
    table = Figures("Size, load, memory", ("what", "figure"))
    for file in sorted(path.parent.glob("*.model")):
        table.add(file.name, f"{file.stat().st_size / 1e6:.2f} MB")
    runs = [_run(path) for _ in range(_RUNS)]
    load, whole, english, every = (median(one) for one in zip(*runs, strict=True))
    table.add("load the files", f"{load:.3f} s")
    table.add("import and load", f"{whole:.3f} s")
    table.add("memory beyond numpy, English batch scored", f"{english / 1024:.1f} MB")
    table.add("memory beyond numpy, all languages scored", f"{every / 1024:.1f} MB")
    return table


def _run(path: Path) -> list[float]:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _PROBE, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    return [float(number) for number in done.stdout.split()]
