"""Imported lists of words or domains, named by a site's own rules."""

from dataclasses import asdict

from service.domain.matching import Lexicon
from service.evidence import normal
from service.store import lists, sites
from service.web import policy_schemas as shapes
from service.web.api.sites import site_of
from service.web.auth import Right
from service.web.errors import Problem
from service.web.routing import BATCH_BYTES, Answer, Call, Routes

routes = Routes("lists")


@routes.add("GET", "/v1/sites/{site}/lists", Right.ADMIN, answers={200: shapes.ListOfLists()}, problems=("not-found",))
def list_lists(call: Call, site: str) -> Answer:
    """A site's imported lists."""
    found = site_of(call, site)
    with call.services.database.connection() as connection:
        return Answer({"lists": [asdict(one) for one in lists.listed(connection, found.id)]})


@routes.add(
    "PUT", "/v1/sites/{site}/lists/{list}", Right.ADMIN,
    body=shapes.NewList(), answers={200: shapes.ListView()}, problems=("not-found",), most=BATCH_BYTES,
)  # fmt: skip
def put_list(call: Call, site: str, list: str) -> Answer:
    """Import a list, or another content in place of what it held."""
    found = site_of(call, site)
    kind, entries = next(iter(call.body.items()))
    lexicon = Lexicon.of_domains(entries) if kind == "domains" else Lexicon.of(entries, normal)
    with call.services.database.connection() as connection:
        return Answer(asdict(lists.put(connection, found.id, list, kind, lexicon, call.caller.token_id)))


@routes.add(
    "DELETE", "/v1/sites/{site}/lists/{list}", Right.ADMIN, answers={204: None}, problems=("not-found", "conflict")
)
def remove_list(call: Call, site: str, list: str) -> Answer:
    """Forget a list; one that the policy in force names stays."""
    found = site_of(call, site)
    with call.services.database.transaction() as connection:
        if list in lists.named_by(sites.policy(connection, found.id).document):
            raise Problem("conflict", "The policy in force names this list. Put one in force that does not, first.")
        lists.remove(connection, found.id, list)
    return Answer(None, 204)
