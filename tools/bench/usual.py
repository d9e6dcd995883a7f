"""The usual design, to compare with: one Celery message a comment; its task loads the row, scores one text, commits."""

import os
import sys
from typing import Any

import psycopg
from celery import Celery
from celery.signals import worker_process_init
from psycopg.types.json import Jsonb

from classifier import LABELS, Model, load

TABLES = """
CREATE TABLE comment (id bigint PRIMARY KEY, body text NOT NULL, state text NOT NULL DEFAULT 'pending',
                      decided_at timestamptz);
CREATE TABLE decision (comment_id bigint NOT NULL REFERENCES comment, state text NOT NULL, scores jsonb NOT NULL,
                       at timestamptz NOT NULL DEFAULT now());
"""

app = Celery("usual", broker=os.environ.get("BENCH_BROKER_URL", "memory://"))
app.conf.update(
    task_ignore_result=True,
    task_default_queue="usual",
    worker_prefetch_multiplier=4,
    worker_enable_remote_control=False,  # our broker's user may not do what it needs
    broker_connection_retry_on_startup=True,
)


class _Child:
    """What a worker's process keeps."""

    model: Model
    connection: psycopg.Connection[Any]


@worker_process_init.connect
def _begin(**_: object) -> None:
    _Child.model = load()
    _Child.connection = psycopg.connect(os.environ["BENCH_DATABASE_URL"])


@app.task(name="usual.decide")
def decide(comment_id: int) -> None:
    """Decide one comment."""
    with _Child.connection.transaction():
        row = _Child.connection.execute("SELECT body FROM comment WHERE id = %s", [comment_id]).fetchone()
        assert row is not None
        scores = _Child.model.score([row[0]])[0]
        found = {label: getattr(scores, label) for label in LABELS}
        state = "published" if all(score is not None and score < 0.5 for score in found.values()) else "flagged"
        _Child.connection.execute(
            "UPDATE comment SET state = %s, decided_at = now() WHERE id = %s AND state = 'pending'", [state, comment_id]
        )
        _Child.connection.execute(
            "INSERT INTO decision (comment_id, state, scores) VALUES (%s, %s, %s)", [comment_id, state, Jsonb(found)]
        )


if __name__ == "__main__":
    app.worker_main([*sys.argv[1:]])
