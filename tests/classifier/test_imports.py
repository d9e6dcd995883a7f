"""A server that scores loads numpy and little else."""

import ast
import subprocess
import sys
from pathlib import Path

import classifier

PACKAGE = Path(classifier.__file__).parent
SCORE = """
import sys, numpy, fasttext
before = set(sys.modules)
from classifier import load
load().score(["hello there", "Das ist ein schöner Artikel über den Winter in den Bergen"])
load().explain("hello there", "spam")
print("\\n".join(sorted(set(sys.modules) - before)))
"""
TRAINING = {
    "augment", "baselines", "calibration", "card", "data", "disguise", "estimator", "evaluate", "footprint", "groups",
    "heads", "lessons", "measures", "probes", "recalibrate", "report", "speed", "targets", "train", "unseen", "__main__",
}  # fmt: skip
SERVING_MAY_IMPORT = {
    "bisect", "collections", "dataclasses", "fasttext", "functools", "hashlib", "importlib", "json", "math", "numpy", "pathlib",
    "re", "struct", "threading", "types", "typing", "unicodedata", "urllib", "zlib", "classifier",
}  # fmt: skip


def test_scoring_loads_neither_training_nor_network() -> None:
    """After scoring and explaining, no module of scikit-learn, SciPy, pickling or the network was loaded for it."""
    done = subprocess.run(
        [sys.executable, "-c", SCORE], capture_output=True, text=True, cwd=PACKAGE.parent, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "classifier.model" in loaded
    roots = {name.split(".")[0] for name in loaded}
    banned = {
        "sklearn",
        "scipy",
        "joblib",
        "threadpoolctl",
        "pickle",
        "marshal",
        "shelve",
        "socket",
        "ssl",
        "http",
        "requests",
    }
    assert roots.isdisjoint(banned)
    assert "urllib.request" not in loaded
    assert {f"classifier.{name}" for name in TRAINING}.isdisjoint(loaded)


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    froms = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in [*plain, *froms]}


def test_serving_modules_import_only_what_is_listed() -> None:
    """The source of every module that scoring needs imports the standard library, numpy and fasttext."""
    for path in PACKAGE.glob("*.py"):
        if path.stem not in TRAINING:
            assert _imported(path) <= SERVING_MAY_IMPORT, path.name


def test_nothing_in_the_package_can_run_a_file() -> None:
    """No module pickles, evaluates or compiles what it reads."""
    for path in PACKAGE.glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Name)}
        assert names.isdisjoint({"eval", "exec", "compile", "__import__"}), path.name
        assert _imported(path).isdisjoint({"pickle", "joblib", "marshal", "shelve", "dill"}), path.name
        assert "allow_pickle" not in path.read_text("utf-8"), path.name
