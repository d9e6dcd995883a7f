"""A whole small service for one test: a database of its own, a site with its keys, the web application and a judge."""

import base64
import itertools
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service import setup
from service.app import create_app
from service.policing import DEFAULT
from service.settings import Settings
from service.store import sites
from service.store.database import Database
from tests.fakes import WordModel
from tests.ways import Ways
from workers.judging import Judge

PASSWORDS = {"comity_web": "web-password", "comity_worker": "worker-password", "comity_relay": "relay-password"}
PRIVATE_KEY = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
_numbers = itertools.count(1)


def as_role(owner_url: str, role: str) -> str:
    """The same database as another role."""
    return re.sub(r"//[^@/]*@", f"//{role}:{PASSWORDS[role]}@", owner_url)


def environment(owner_url: str, broker_url: str, role: str = "comity_web", **more: str) -> dict[str, str]:
    """The settings of one process of a service on this database and broker."""
    public = PRIVATE_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "COMITY_DATABASE_URL": as_role(owner_url, role),
        "COMITY_BROKER_URL": broker_url,
        "COMITY_SECRET_KEY": "11aa" * 4 + "".join(f"{n:02x}" for n in range(40, 64)),
        "COMITY_INDEX_KEY": "22bb" * 4 + "".join(f"{n:02x}" for n in range(80, 104)),
        "COMITY_CONTACT_PUBLIC_KEY": base64.urlsafe_b64encode(public).decode().rstrip("="),
        "COMITY_METRICS_PORT": "0",
        "COMITY_PUBLIC_URL": "http://127.0.0.1:8080",
        **more,
    }


def canary() -> str:
    """An e-mail address that must never be seen again."""
    return f"canary-{uuid4()}@leak.example"


@dataclass
class World:
    """One test's service. `post`, `get` ... speak to the application as a client would, without a network."""

    owner_url: str
    broker_url: str
    settings: Settings
    app: Flask
    client: FlaskClient
    site: sites.Site
    secret_key: str
    moderator_token: str
    admin_token: str
    model: WordModel
    judge: Judge
    addresses: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, owner_url: str, broker_url: str, **settings: Any) -> "World":
        """A world on a migrated, empty database. `settings` replace single settings by attribute name."""
        read = Settings.read(environment(owner_url, broker_url), "web")
        chosen = replace(read, **{"limit_author": (100_000, 60), "limit_visitor": (100_000, 60), **settings})
        app = create_app(chosen)
        app.wsgi_app = Ways(app)  # type: ignore[method-assign]
        with psycopg.connect(owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
            site = sites.add_site(connection, "blog", "A blog", ["https://blog.example"], {})
            _, secret_key = sites.add_site_key(connection, site.id, "key", ("submit", "read", "manage"), None)
            _, moderator = sites.add_moderator(connection, "moderator", {site.id: "moderator"}, None)
            _, admin = sites.add_admin(connection, "admin", None)
        model = WordModel()
        judge = Judge(Database(as_role(owner_url, "comity_worker"), "worker", 2), model, 200)  # type: ignore[arg-type]
        return cls(
            owner_url, broker_url, chosen, app, app.test_client(), site, secret_key, moderator, admin, model, judge
        )

    def close(self) -> None:
        """Give all connections back."""
        self.app.extensions["comity"].database.close()
        self.judge.database.close()

    def request(
        self, method: str, path: str, token: str | None = None, body: Any = None, **kwargs: Any
    ) -> TestResponse:
        """One request. `token`: its bearer token. `body`: sent as JSON."""
        headers = dict(kwargs.pop("headers", {}))
        headers.setdefault("Host", "127.0.0.1:8080")
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            kwargs |= {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.open(path, method=method, headers=headers, **kwargs)

    def comment(self, **members: Any) -> dict[str, Any]:
        """A valid comment, with another name, address and text each time."""
        number = next(_numbers)
        address = canary()
        self.addresses.append(address)
        return {
            "thread": {"key": "page"},
            "name": f"Ann {number}",
            "email": address,
            "body": f"This is comment number {number}.",
            **members,
        }

    def submit(self, key: str | None = None, **members: Any) -> dict[str, Any]:
        """Submit a comment that must be taken; its answer."""
        headers = {} if key is None else {"Idempotency-Key": f'"{key}"'}
        answer = self.request("POST", "/v1/comments", self.secret_key, self.comment(**members), headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json  # type: ignore[no-any-return]

    def published(self, **members: Any) -> dict[str, Any]:
        """Submit a comment and see it published."""
        made = self.submit(**members)
        self.settle()
        assert self.status(made)["status"] == "published"
        return made

    def flagged(self, **members: Any) -> dict[str, Any]:
        """Submit a comment that the policy flags for toxicity."""
        number = next(_numbers)
        made = self.submit(**{"body": f"score:toxicity=0.8 number {number}", **members})
        self.settle()
        assert self.status(made)["status"] == "flagged"
        return made

    def settle(self) -> None:
        """Judge until nothing is due."""
        while self.judge.pass_once() or self.rows("SELECT FROM comity.comment WHERE due_at <= now()"):
            pass

    def status(self, made: dict[str, Any]) -> dict[str, Any]:
        """Where a submitted comment stands."""
        answer = self.request("GET", f"/v1/comments/{made['id']}", made["status_token"])
        assert answer.status_code == 200, answer.text
        return answer.json  # type: ignore[no-any-return]

    def read(self, **query: Any) -> TestResponse:
        """The public list of the usual page."""
        return self.request("GET", "/v1/comments", query_string={"site": "blog", "thread_key": "page", **query})

    def review(self, made: dict[str, Any]) -> dict[str, Any]:
        """A comment as its moderator sees it."""
        answer = self.request("GET", f"/v1/comments/{made['id']}/review", self.moderator_token)
        assert answer.status_code == 200, answer.text
        return answer.json  # type: ignore[no-any-return]

    def decide(self, made: dict[str, Any], action: str, version: int | None = None, **members: Any) -> TestResponse:
        """A moderator's decision on the version given, or the current one."""
        seen = self.review(made)["version"] if version is None else version
        body = {"action": action, "version": seen, **members}
        return self.request("POST", f"/v1/comments/{made['id']}/decisions", self.moderator_token, body)

    def policy(self, *rules: dict[str, Any]) -> dict[str, Any]:
        """Put a policy in force: these rules in place of the built-in ones of their kind, own ones at the front."""
        given = {rule["rule"]: rule for rule in rules if rule["rule"] != "match"}
        own = [rule for rule in rules if rule["rule"] == "match"]
        document = {"rules": own + [given.get(rule["rule"], rule) for rule in DEFAULT]}
        answer = self.request("PUT", "/v1/sites/blog/policy", self.admin_token, document)
        assert answer.status_code == 200, answer.text
        return answer.json  # type: ignore[no-any-return]

    def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """What the database's owner sees."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            return connection.execute(statement, arguments or None).fetchall()

    def execute(self, statement: str, *arguments: Any) -> None:
        """Change something behind everybody's back, as the owner."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(statement, arguments or None)

    def add_site(self, name: str) -> tuple[UUID, str]:
        """Another site: its id and a secret key."""
        with psycopg.connect(self.owner_url, row_factory=psycopg.rows.namedtuple_row) as connection:
            site = sites.add_site(connection, name, name.title(), [], {})
            _, key = sites.add_site_key(connection, site.id, "key", ("submit", "read", "manage"), None)
        return site.id, key


def migrate(owner_url: str) -> None:
    """Roles and schema, as `python -m service migrate` makes them."""
    setup.roles.ensure(owner_url, PASSWORDS)
    setup.migrations.upgrade(owner_url)
