"""Documents that cannot drift: they are compared with the code."""

import re
import tomllib
from pathlib import Path

from service.settings import SETTINGS
from service.version import VERSION
from service.web import api
from service.web.errors import TYPES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_setting_is_documented() -> None:
    """The table in docs/operator/settings.md is the table in the code."""
    text = (ROOT / "docs/operator/settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(COMITY_\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    expected = [(s.name, f"`{s.default}`" if s.default else "", ", ".join(s.needed_by), s.meaning) for s in SETTINGS]
    assert rows == expected


def test_every_route_and_problem_is_documented() -> None:
    """docs/website/api.md names each operation; each problem type has its line."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    missing = [
        f"{o.method} {o.path}" for room in api.ROUTES for o in room.operations if f"`{o.method} {o.path}`" not in text
    ]
    assert missing == []
    assert [kind for kind in TYPES if f"`{kind}`" not in text] == []


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link of a page names a file that is there."""
    broken = [
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_make_target_named_in_a_document_exists() -> None:
    """What a page tells a reader to type can be typed."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"))}
    assert named - targets == set()


def test_every_test_that_a_page_names_exists() -> None:
    """What docs/contributor/reliability.md says of a failure can be run; each row has a test."""
    text = (ROOT / "docs/contributor/reliability.md").read_text(encoding="utf-8")
    table = text.partition("| what may happen |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) >= 24
    assert [row for row in table if not re.search(r"`tests/\S+\.py`", row.rpartition(" | ")[2])] == []
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`(tests/[\w/]+(?:\.py)?)`", pages))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_version_is_the_same_everywhere() -> None:
    """pyproject.toml, the code and the newest entry of the changelog agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert {project, newest[1]} == {VERSION}
