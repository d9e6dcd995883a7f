"""The map of the code, drawn from its imports: arrows run one way."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("service", "workers", "classifier")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

#: From each place to where its imports may lead inside the project; the first matching prefix counts.
ALLOWED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("classifier", ("classifier",)),
    ("workers", ("workers", "service", "classifier")),
    ("service.domain", ("service.domain",)),
    ("service.store.migrations", ("service.store",)),
    ("service.store", ("service.store", "service.domain", "service.keys", "service.log")),
    ("service.outbound", ("service.outbound", "service.log", "service.version")),
    ("service.web", ("service.web", "service.store", "service.domain", "service.settings", "service.keys",
                     "service.log", "service.version", "service.failpoints", "service.evidence", "service.rulebook",
                     "service.policing", "service.trials", "service.reviewing", "service.webhooks",
                     "service.outbound.guard", "service.outbound.networks", "service.outbound.signing",
                     "classifier")),
    ("service.embedded", ("service.embedded", "service.log")),
    ("service", ("service", "classifier")),
)  # fmt: skip
#: Frameworks and drivers, and the only places that know them.
KNOWN_BY = {
    "flask": ("service.web", "service.app"),
    "psycopg": ("service.store", "service.setup", "service.demo", "workers.deafness"),
    "sqlalchemy": ("service.store.migrate",),
    "celery": ("service.ring", "workers"),
    "kombu": ("service.ring", "workers"),
    "marshmallow": ("service.web",),
    "aiohttp": ("service.outbound.client",),
    "sklearn": ("classifier",),
    "scipy": ("classifier",),
    "cryptography": ("service.domain.contact", "service.domain.vault", "service.app", "service.setup"),
}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def _under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_follow_the_map(path: Path) -> None:
    """Workers know the service, the service knows the classifier, web knows store knows domain; never upwards."""
    name = _name(path)
    allowed = next(targets for prefix, targets in ALLOWED if _under(name, (prefix,)))
    wrong = [target for target, _ in _imports(path) if target.split(".")[0] in PACKAGES and not _under(target, allowed)]
    assert [target for target in wrong if target != "service.log"] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_frameworks_stay_in_their_rooms(path: Path) -> None:
    """Only the store knows SQL's driver, only the web knows Flask, only training knows scikit-learn."""
    name = _name(path)
    wrong = [
        target
        for target, _ in _imports(path)
        if target.split(".")[0] in KNOWN_BY and not _under(name, KNOWN_BY[target.split(".")[0]])
    ]
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_import_hides_inside_a_function(path: Path) -> None:
    """All imports stand at the top, where the map can be read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = [
        ast.unparse(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_only_settings_and_entries_read_the_environment() -> None:
    """Importing a module reads nothing from outside; entry points hand the environment to the settings."""
    entries = {
        "service.setup",
        "service.server",
        "service.wsgi",
        "service.run",
        "service.preflight",
        "service.ready",
        "workers.entry",
        "workers.health",
        "workers.worker",
        "service.embedded.leash",
        "service.cli.reach",
    }
    readers = {
        _name(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    assert readers - entries - {"classifier.__main__"} == set()


def test_there_is_one_table_of_moves() -> None:
    """No module but the lifecycle compares a state to decide where a comment may go."""
    movers = {
        _name(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("advance")
    }
    assert movers == {"service.store.comments"}
