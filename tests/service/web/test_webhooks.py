"""Endpoints over the API: made, shown, changed, ended; their secrets; what they were told."""

from typing import Any

from werkzeug.test import TestResponse

from tests.service.web.asking import problem
from tests.world import World

URL = "https://hooks.example/comity"
ROOT = "/v1/sites/blog/webhooks"


def ask(world: World, method: str, path: str = "", body: Any = None, **more: Any) -> TestResponse:
    """As the admin; `path` below the site's webhooks."""
    return world.request(method, ROOT + path, world.admin_token, body, **more)


def make(world: World, **members: Any) -> dict[str, Any]:
    """An endpoint of the usual site, with its secret."""
    answer = ask(world, "POST", "", {"url": URL, **members})
    assert answer.status_code == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def test_an_endpoint_is_made_shown_changed_and_ended(world: World) -> None:
    """With the defaults spelt out; its secret is in the first answer, and nowhere else but at its own place."""
    made = make(world)
    secret = made.pop("signing_secret")
    assert secret.startswith("whsec_")
    assert (made["url"], made["events"], made["scores"], made["enabled"]) == (URL, ["comment.*"], False, True)
    shown = ask(world, "GET", f"/{made['id']}")
    assert shown.json == made
    assert ask(world, "GET").json == {"webhooks": [made]}

    change = {"description": "The blog's back end", "events": ["comment.published"], "scores": True, "enabled": False}
    changed = ask(world, "PATCH", f"/{made['id']}", change).json
    assert {name: changed[name] for name in change} == change
    assert changed["disabled_reason"] == "asked"
    assert ask(world, "PATCH", f"/{made['id']}", {"enabled": True}).json["disabled_reason"] is None

    assert ask(world, "DELETE", f"/{made['id']}").status_code == 204
    problem(ask(world, "GET", f"/{made['id']}"), "not-found")
    problem(ask(world, "DELETE", f"/{made['id']}"), "not-found")
    assert ask(world, "GET").json == {"webhooks": []}
    assert make(world)["id"] != made["id"]  # its URL is free again
