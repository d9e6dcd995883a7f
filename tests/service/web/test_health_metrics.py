"""Health, readiness and figures."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from service.app import create_app
from service.web import metrics
from tests.world import World


def test_alive_and_ready(shared: World) -> None:
    """Both answer 200 while the database answers; nobody may keep the answer."""
    alive, ready = shared.request("GET", "/healthz"), shared.request("GET", "/readyz")
    assert (alive.status_code, alive.json) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json) == (200, {"status": "ok", "database": True, "keys": True})
    assert {alive.headers["Cache-Control"], ready.headers["Cache-Control"]} == {"no-store"}


@pytest.mark.parametrize("host", ["10.0.0.5:8080", "[fd00::5]:8080", "localhost", "balancer.internal"])
def test_a_load_balancer_asks_after_health_by_any_host(shared: World, host: str) -> None:
    """These two routes alone answer under every host's name; the others refuse it."""
    headers = {"Host": host}
    assert shared.request("GET", "/healthz", headers=headers).status_code == 200
    assert shared.request("GET", "/readyz", headers=headers).status_code == 200
    others = ["/v1/openapi.json", "/docs", "/nowhere", "/healthz/x"]
    statuses = {shared.request("GET", path, headers=headers).status_code for path in others}
    assert statuses == ({200, 404} if host == "localhost" else {400})


@pytest.mark.parametrize("host", ["127.0.0.1,10.0.0.5", "a b", "10.0.0.5:0"])
def test_what_is_no_host_is_refused_even_there(shared: World, host: str) -> None:
    """Such as two Host fields, which a server joins."""
    assert shared.request("GET", "/healthz", headers={"Host": host}).status_code == 400


def test_without_its_database_a_process_is_alive_and_not_ready(shared: World) -> None:
    """503 on readiness, and on what needs the database a problem that says when to come again; never a 500."""
    gone = shared.settings.database_url.replace("/test_", "/gone_")
    app = create_app(replace(shared.settings, database_url=gone))
    client, headers = app.test_client(), {"Host": "127.0.0.1", "Authorization": f"Bearer {shared.secret_key}"}

    assert client.get("/healthz", headers=headers).status_code == 200
    ready = client.get("/readyz", headers=headers)
    assert (ready.status_code, ready.json["status"], ready.json["database"]) == (503, "unavailable", False)
    answer = client.post("/v1/comments", json=shared.comment(), headers=headers)
    assert answer.status_code == 503
    assert answer.json["type"] == "/docs/problems#service-unavailable"
    assert answer.headers["Retry-After"] == "2"
    app.extensions["comity"].database.close()


def test_without_its_broker_a_process_is_ready_and_takes_comments(new_database: Callable[[], str]) -> None:
    """The broker is not in the way of a request: a comment goes in, and is judged by whoever looks."""
    world = World.make(new_database(), "redis://127.0.0.1:1/0")
    assert world.request("GET", "/readyz").status_code == 200
    made = world.submit()
    world.settle()
    assert world.status(made)["status"] == "published"
    world.close()


# Figures -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures(shared: World) -> Iterator[str]:
    """The address of the figures, on a port of their own."""
    server, thread = metrics.serve("127.0.0.1", 0, shared.app.extensions["comity"].database)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()


def read(url: str) -> dict[str, float]:
    """Figures by name and labels."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def test_figures_count_requests_by_route_and_the_queue(shared: World, figures: str, page: str) -> None:
    """Methods, routes and statuses; comments that wait for a verdict and for a moderator."""
    name = 'comity_requests_total{method="POST",route="/v1/comments",status="202"}'
    before = read(figures)
    shared.submit(thread={"key": page})
    after = read(figures)
    assert after[name] == before.get(name, 0) + 1
    assert after["comity_pending_comments"] == before["comity_pending_comments"] + 1
    assert after["comity_database_up"] == 1
    shared.flagged(thread={"key": page})
    assert read(figures)["comity_flagged_comments"] == before["comity_flagged_comments"] + 1
    assert read(figures)["comity_pending_comments"] == 0
    assert read(figures)["comity_pending_oldest_seconds"] == 0


def test_figures_tell_of_process_broker_and_moderators(make_world: Any) -> None:
    """The key fits, the broker answers, rings are counted; who claimed last, how old the queue is, what nobody scored."""
    world = make_world()
    server, thread = metrics.serve("127.0.0.1", 0, world.app.extensions["comity"].database)
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    before = read(url)
    assert (before["comity_keys_match"], before["comity_broker_up"], before["comity_rings_failed_total"]) == (1, 1, 0)
    assert before["comity_worker_claim_seconds"] == before["comity_relay_claim_seconds"] == float("inf")
    assert before["comity_database_bytes"] > 1_000_000
    assert {f'comity_request_errors_total{{status="{status}"}}' for status in (500, 503)} <= set(before)

    world.flagged()
    world.judge.model = None
    world.submit()
    world.settle()
    world.execute("UPDATE comity.comment SET created_at = created_at - interval '1 hour' WHERE reason <> 'no_score'")
    after = read(url)
    assert 0 <= after["comity_worker_claim_seconds"] < 60
    assert after["comity_unscored_comments"] == 1
    assert 3600 <= after["comity_flagged_oldest_seconds"] < 3700
    assert after['comity_job_late_seconds{name="retention"}'] >= 0
    server.shutdown()
    thread.join()


def test_labels_cannot_be_chosen_from_outside(shared: World, figures: str) -> None:
    """Whatever methods, paths and hosts are asked for, no new label appears but "other" and "unknown"."""
    for number in range(20):
        shared.request(f"M{number}", "/v1/comments")
        shared.request("GET", f"/nothing/{number}")
        shared.request("GET", f"/v1/comments/{number}")
        shared.request("GET", "/healthz", headers={"Host": f"h{number}.example"})
    labels = {name for name in read(figures) if name.startswith("comity_requests_total")}
    methods = {part.split('"')[1] for name in labels for part in name.split(",") if "method=" in part}
    assert methods <= {"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "other"}
    routes = {part.split('"')[1] for name in labels for part in name.split(",") if "route=" in part}
    assert routes <= {rule.rule for rule in shared.app.url_map.iter_rules()} | {"unknown"}


def test_figures_have_a_port_of_their_own(shared: World, figures: str) -> None:
    """The API's port serves none."""
    assert shared.request("GET", "/metrics").status_code == 404
    assert "comity_request_seconds_count" in "".join(read(figures))


def test_figures_without_a_database_say_so(make_world: Any) -> None:
    """The rest of them is still served."""
    world = make_world()
    world.app.extensions["comity"].database.close()
    queue = metrics._Queue(world.app.extensions["comity"].database)
    assert [(metric.name, [sample.value for sample in metric.samples]) for metric in queue.collect()] == [
        ("comity_database_up", [0.0])
    ]
