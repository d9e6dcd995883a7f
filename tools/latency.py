"""Measures how long a comment takes from POST to published, as a website sees it, at a steady rate."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from tools.client import DEMO, ApiError, Client, demo
from tools.replay import make_site, time_table
from tools.texts import harmless


@click.command()
@click.option("--rate", default=50, show_default=True, help="Comments a second.")
@click.option("--seconds", default=20, show_default=True, help="For how long.")
@click.option("--bound", is_flag=True, help="Fail when p50 is not under 30 ms or p99 not under 150 ms.")
@click.option("--demo", "demo_file", default=DEMO, type=click.Path(path_type=Path), help="Where the tokens are.")
def main(rate: int, seconds: int, bound: bool, demo_file: Path) -> None:
    """Post comments at a steady rate to the service of `make run`, and ask each one's state until it is published."""
    console = Console()
    try:
        known = demo(demo_file)
        client = Client(known["url"])
        key = make_site(client, known["admin_token"], 0)
        accept, published = _measure(client, key, rate, rate * seconds)
    except ApiError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        sys.exit(1)
    console.print(time_table({"accept (request to answer)": accept, "published (request to seen)": published}))
    if bound and (_share(published, 0.5) >= 30 or _share(published, 0.99) >= 150):
        console.print("[red]Over the bound: p50 under 30 ms and p99 under 150 ms.[/red]")
        sys.exit(1)


def _share(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _measure(client: Client, key: str, rate: int, count: int) -> tuple[list[float], list[float]]:
    accept: list[float] = []
    published: list[float] = []
    lock = threading.Lock()

    def one(number: int) -> None:
        body = {
            "thread": {"key": f"page-{number % 20}"},
            "name": f"Reader {number}",
            "email": f"reader-{number}@replay.example",
            "body": harmless(number),
        }
        began = time.perf_counter()
        made = client.must("POST", "/v1/comments", key, body)
        taken = time.perf_counter()
        until = began + 30
        while client.must("GET", f"/v1/comments/{made['id']}", key)["status"] == "pending":
            if time.perf_counter() > until:
                raise ApiError("A comment was not decided within 30 s.")
            time.sleep(0.003)
        seen = time.perf_counter()
        with lock:
            accept.append((taken - began) * 1000)
            published.append((seen - began) * 1000)

    began = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        running = []
        for number in track(range(count), "Posting"):
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
            running.append(pool.submit(one, number))
        for done in running:
            done.result()
    return accept, published


if __name__ == "__main__":
    main()
