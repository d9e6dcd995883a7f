"""Sends every comment of a file through the running service, and says what became of them.

The file has one JSON object a line: `text`, and the labels of the data set where they are known (1, 0 or absent).
"""

import json
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tools.client import DEMO, ApiError, Client, demo

TOXIC = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
NO_LIMITS = {"site": [10_000_000, 60], "author": [10_000_000, 60], "prefix": [10_000_000, 60]}
STATES = ("published", "flagged", "rejected")
THREADS_PER_SITE = 40


@dataclass
class Tally:
    """What happened to the comments sent."""

    truth: dict[str, str] = field(default_factory=dict)  # comment id to true label
    refused: Counter[str] = field(default_factory=Counter)
    accept_ms: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sites", default=1, show_default=True, help="Send everything to this many sites of its own.")
@click.option("--senders", default=8, show_default=True, help="Connections that send at once.")
@click.option("--rate", default=0.0, help="Comments a second in all; 0 sends at full speed.")
@click.option("--demo", "demo_file", default=DEMO, type=click.Path(path_type=Path), help="Where the tokens are.")
def main(file: Path, sites: int, senders: int, rate: float, demo_file: Path) -> None:
    """Send every comment in FILE (JSON lines) through the service of `make run`."""
    console = Console()
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        known = demo(demo_file)
        client = Client(known["url"])
        keys = [make_site(client, known["admin_token"], number) for number in range(sites)]
        tally = Tally()
        began = time.perf_counter()
        _send(console, client, keys, rows, senders, rate, tally)
        sent = time.perf_counter() - began
        decided = _wait(console, client, keys, len(tally.truth), began)
        _report(console, tally, decided, sent)
    except ApiError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        sys.exit(1)


def make_site(client: Client, admin: str, number: int) -> str:
    """A site of its own without limits; its secret key."""
    name = f"replay-{time.time_ns():x}-{number}"
    client.must("POST", "/v1/sites", admin, {"name": name, "title": "Replay", "limits": NO_LIMITS})
    return str(client.must("POST", f"/v1/sites/{name}/keys", admin, {"name": "replay"})["token"])


def _send(
    console: Console, client: Client, keys: Sequence[str], rows: Sequence[Any], senders: int, rate: float, tally: Tally
) -> None:
    work = _paced(((key, number, row) for key in keys for number, row in enumerate(rows)), rate)
    lock = threading.Lock()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Sending ", total=len(keys) * len(rows))

        def run() -> None:
            while True:
                with lock:
                    item = next(work, None)
                if item is None:
                    return
                _send_one(client, *item, tally)
                progress.advance(bar)

        with ThreadPoolExecutor(senders) as pool:
            for done in [pool.submit(run) for _ in range(senders)]:
                done.result()


def _paced(items: Iterator[Any], rate: float) -> Iterator[Any]:
    """The items, no faster than `rate` a second."""
    began = time.perf_counter()
    for number, item in enumerate(items):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        yield item


def _send_one(client: Client, key: str, number: int, row: Any, tally: Tally) -> None:
    body = {
        "thread": {"key": f"page-{number % THREADS_PER_SITE}"},
        "name": f"Reader {number}",
        "email": f"reader-{number}@replay.example",
        "body": row["text"],
    }
    began = time.perf_counter()
    status, answer, _ = client.request("POST", "/v1/comments", key, body)
    took = (time.perf_counter() - began) * 1000
    with tally.lock:
        tally.accept_ms.append(took)
        if status == 202:
            tally.truth[answer["id"]] = _truth(row)
        else:
            errors = answer.get("errors") or [{"detail": answer.get("detail", "")}]
            tally.refused[f"{status}: {errors[0].get('pointer', '')} {errors[0]['detail'].split(' (')[0]}"] += 1


def _truth(row: Any) -> str:
    labels = {label: str(row.get(label, "")) for label in ("spam", *TOXIC)}
    if labels["spam"] == "1":
        return "spam"
    if any(labels[label] == "1" for label in TOXIC):
        return "toxic"
    return "harmless" if "0" in (labels["spam"], labels["toxicity"]) else "unlabelled"


def _wait(console: Console, client: Client, keys: Sequence[str], accepted: int, began: float) -> dict[str, Any]:
    """Every accepted comment with its verdict, by id; `finished` is when the last one came, in seconds."""
    found: dict[str, Any] = {}
    since = dict.fromkeys(keys, "2000-01-01T00:00:00Z")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Deciding", total=accepted)
        while len(found) < accepted:
            for key in keys:
                changed, since[key] = _changes(client, key, since[key])
                found |= {one["id"]: one for one in changed if one["status"] != "pending"}
            progress.update(bar, completed=len(found))
            if len(found) < accepted and time.perf_counter() - began > 3600:
                raise ApiError(f"{accepted - len(found)} comments are still undecided after an hour.")
    return found


def _changes(client: Client, key: str, since: str) -> tuple[list[Any], str]:
    """A site's comments changed since then, and where the next round begins."""
    query = {"updated_since": since, "limit": "100"}
    changed: list[Any] = []
    while True:
        page = client.must("GET", f"/v1/comments?{urlencode(query)}", key)
        changed += page["comments"]
        if page["next_cursor"] is None:
            return changed, page["next_since"]
        query["cursor"] = page["next_cursor"]


def _report(console: Console, tally: Tally, decided: dict[str, Any], sent: float) -> None:
    accepted = len(tally.truth)
    console.print(f"\nAccepted {accepted:,} of {len(tally.accept_ms):,}; refused {sum(tally.refused.values()):,}.")
    for reason, count in tally.refused.most_common():
        console.print(f"  {count:>6,}  {reason}", markup=False)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for comment_id, truth in tally.truth.items():
        outcomes[truth][decided[comment_id]["status"]] += 1
    console.print(_outcome_table(outcomes))
    times = [_seconds(one) * 1000 for one in decided.values()]
    first = min(_moment(one["created_at"]) for one in decided.values())
    last = max(_moment(one["updated_at"]) for one in decided.values())
    speed = len(tally.accept_ms) / sent
    console.print(f"Accepted per second {speed:,.0f}; decided per second {accepted / (last - first):,.0f}.")
    console.print(time_table({"accept (request to answer)": tally.accept_ms, "decision (stored to decided)": times}))


def _outcome_table(outcomes: dict[str, Counter[str]]) -> Table:
    table = Table("true label", *STATES, "all", title="What became of them")
    for column in table.columns[1:]:
        column.justify = "right"
    for truth in sorted(outcomes):
        counts, total = outcomes[truth], outcomes[truth].total()
        shares = [f"{counts[state]:,} ({counts[state] / total:.1%})" for state in STATES]
        table.add_row(truth, *shares, f"{total:,}")
    return table


def time_table(times: dict[str, list[float]]) -> Table:
    table = Table("milliseconds", "p50", "p95", "p99", "max")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values in times.items():
        ordered = sorted(values)
        picked = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
        table.add_row(name, *(f"{value:,.1f}" for value in (*picked, ordered[-1])))
    return table


def _seconds(one: Any) -> float:
    return _moment(one["updated_at"]) - _moment(one["created_at"])


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    main()
