"""What the service is compared with: Flask applications that do next to nothing, on the same server."""

import os
import sys
from uuid import uuid4

from flask import Flask, request
from flask.typing import ResponseReturnValue
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from psycopg_pool import ConnectionPool

from service.parent import end_with_parent

TABLE = (
    "CREATE TABLE plain (id uuid PRIMARY KEY, thread text, name text, email text, body text, "
    "created_at timestamptz NOT NULL DEFAULT now())"
)


def ok() -> Flask:
    """Answers "ok"."""
    end_with_parent(None)
    app = Flask("ok")
    app.add_url_rule("/", "ok", lambda: "ok")
    return app


def insert() -> Flask:
    """Takes a comment as it comes: one INSERT and COMMIT on a pooled connection, nothing checked, nothing sealed."""
    end_with_parent(None)
    app = Flask("insert")
    size = int(os.environ["BENCH_THREADS"])
    pool = ConnectionPool(os.environ["BENCH_DATABASE_URL"], min_size=size, max_size=size, open=True)

    def add() -> ResponseReturnValue:
        data = request.get_json()
        comment_id = uuid4()
        with pool.connection() as connection:
            connection.execute(
                "INSERT INTO plain (id, thread, name, email, body) VALUES (%s, %s, %s, %s, %s)",
                [comment_id, data["thread"]["key"], data["name"], data["email"], data["body"]],
            )
        return {"id": str(comment_id), "status": "pending"}, 202

    app.add_url_rule("/v1/comments", "add", add, methods=["POST"])
    app.add_url_rule("/", "ok", lambda: "ok")
    return app


def serve(name: str, port: int, threads: int) -> None:
    """Serve one of the applications until told to stop, with the server's settings of `service.server`."""
    os.environ["BENCH_THREADS"] = str(threads)
    Granian(
        f"tools.bench.baselines:{name}",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=threads,
        runtime_threads=1,
        backlog=1024,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        websockets=False,
        log_enabled=True,
        log_level=LogLevels.error,
        factory=True,
    ).serve()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
