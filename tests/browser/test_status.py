"""A page of the site follows its visitor's comment from a real browser; pages of other websites cannot."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Served

ASK = """
async ([url, token, method]) => {
    try {
        const answer = await fetch(url, {method, headers: token ? {Authorization: `Bearer ${token}`} : {}});
        return [answer.status, (await answer.json()).status];
    } catch (error) {
        return error.name;
    }
}
"""
BLOCKED = "TypeError"  # what fetch says of an answer that the browser keeps from the page


class Blog(BaseHTTPRequestHandler):
    """A website with one empty page."""

    def do_GET(self) -> None:
        """The page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A blog</title>")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Where that website is, under the two names of this machine: two origins."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blog)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()


@pytest.fixture
def scripted(browser: Browser) -> Iterator[Page]:
    """A tab with scripts on."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_the_author_follows_their_comment_on_the_sites_page(served: Served, scripted: Page, port: int) -> None:
    """With the token alone, and to look: the same page may not change it, and no other page may ask."""
    own, other = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    world = served.world
    made, elsewhere = world.published(), world.published()
    world.request("PATCH", "/v1/sites/blog", world.admin_token, {"origins": [own]})
    world.add_site("shop")
    url = f"{served.url}/v1/comments/{made['id']}"

    def ask(page: str, token: str | None, method: str = "GET") -> Any:
        scripted.goto(page)
        return scripted.evaluate(ASK, [url, token, method])

    scripted.goto(own)
    # The web process remembers a site's origins for two seconds.
    scripted.wait_for_function(f"async (given) => Array.isArray(await ({ASK})(given))", arg=[url, None, "GET"])

    assert ask(own, made["status_token"]) == [200, "published"]
    assert ask(own, elsewhere["status_token"]) == [401, 401]
    assert ask(own, world.secret_key) == BLOCKED
    assert ask(own, made["status_token"], "DELETE") == BLOCKED
    assert ask(other, made["status_token"]) == BLOCKED

    world.request("PATCH", "/v1/sites/shop", world.admin_token, {"origins": [other]})
    scripted.goto(other)
    scripted.wait_for_function(f"async (given) => Array.isArray(await ({ASK})(given))", arg=[url, None, "GET"])
    assert ask(other, made["status_token"]) == BLOCKED  # it may ask, and reads nothing of another site's
    assert world.status(made)["status"] == "published"
