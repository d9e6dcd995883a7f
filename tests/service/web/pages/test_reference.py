"""The reference and the front door."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from service.store import sites
from service.web import api, openapi, pages, reference_page
from service.web.errors import TYPES
from tests.service.web.pages.browsing import OWN, Visitor, check_page
from tests.world import World


def test_the_reference_shows_every_operation_shape_and_problem(visitor: Visitor) -> None:
    """With right, parameters, body, answers and an example call; every link within it leads somewhere."""
    page = visitor.get("/docs")
    document = openapi.document(api.ROUTES, OWN)
    ids = {e.attrs["id"] for e in page.root.walk() if "id" in e.attrs}
    operations = [operation for room in api.ROUTES for operation in room.operations]
    for operation in operations:
        section = page.root.one("section", aria_labelledby=operation.name)
        assert section.one("h3").text == f"{operation.method} {operation.path}"
        assert len(section.one("h3").all("wbr")) == operation.path.count("/") - 1
        assert page.link(f"{operation.method} {operation.path}") == f"#{operation.name}"
        assert operation.summary in section.text
        assert f"Open to: {operation.right.value}." in section.text
        assert section.one("pre").text.startswith("curl ")
    for name, schema in document["components"]["schemas"].items():
        section = page.root.one("section", aria_labelledby=f"shape-{name}")
        assert [row.text for row in section.all("code")] == list(schema.get("properties", {}))
    assert {link.attrs["href"] for link in page.root.all("a") if link.attrs["href"].startswith("#")} <= {
        f"#{i}" for i in ids
    }
    assert page.response.headers["Content-Security-Policy"] == pages.POLICY
    assert page.response.headers["Cache-Control"] == "public, max-age=300"
    kinds = visitor.get("/docs/problems")
    for kind, (status, title) in TYPES.items():
        section = kinds.root.one("section", aria_labelledby=kind)
        assert section.one("h2", id=kind).text == title
        assert f"status {status}" in section.text


def test_every_example_body_is_one_that_is_taken() -> None:
    """The examples of the reference pass the schemas they stand for; each body that comes in has one."""
    taken = {type(o.body).__name__: o.body for room in api.ROUTES for o in room.operations if o.body is not None}
    assert set(reference_page.BODY_EXAMPLES) == set(taken)
    for name, example in reference_page.BODY_EXAMPLES.items():
        assert taken[name].load(example)


def test_the_front_door_leads_on_and_tells_no_secret(shared: World, visitor: Visitor, make_world: Any) -> None:
    """To the reference, the queue, and the demo where there is one."""
    page = visitor.get("/")
    check_page(page)
    assert {"/docs", "/docs/problems", "/queue"} <= {link.attrs["href"] for link in page.root.all("a")}
    assert "demo" not in page.html
    world = make_world()
    with psycopg.connect(world.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
        sites.add_site(connection, "demo", "Demo", [OWN], {})
    there = Visitor(world)
    path = there.get("/").link("Try the demo discussion")
    assert parse_qs(urlsplit(path).query) == {"site": ["demo"], "url": [f"{OWN}/"]}
    assert there.get(path).root.one("form").attrs["method"] == "post"
