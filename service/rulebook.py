"""Sites' policies ready to judge by: read once for each version of a policy and of the lists it names."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from service import log
from service.domain import policies
from service.domain.matching import Lexicon, PatternError
from service.domain.policies import UnknownList
from service.domain.policy import Policy
from service.domain.rules import Unreadable
from service.evidence import normal
from service.store import lists, sites
from service.store.comments import NotFound
from service.store.database import Connection
from service.store.sites import BUILT_IN, PolicyVersion

POLICIES = 10_000  # remembered at once
LISTS = 64  # a million entries take 5 MB

_log = log.get(__name__)
_Key = tuple[Any, ...]


class Rulebook:
    """The policies of one process, by site. Usable from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: OrderedDict[_Key, Policy] = OrderedDict()
        self._lists: OrderedDict[_Key, tuple[str, Lexicon]] = OrderedDict()

    def of(self, connection: Connection, site_ids: Sequence[UUID]) -> dict[UUID, Policy]:
        """The policy in force on each site."""
        found = sites.policies(connection, site_ids)
        return {site_id: self._known(connection, site_id, found.get(site_id, BUILT_IN)) for site_id in site_ids}

    def read(
        self, connection: Connection, site_id: UUID, document: Mapping[str, Any], lists_now: Mapping[str, int],
        version: int = 0,
    ) -> Policy:  # fmt: skip
        """The policy in a checked document, with the site's lists. Raises UnknownList, PatternError."""

        def find(name: str) -> tuple[str, Lexicon]:
            if name not in lists_now:
                raise UnknownList(name)
            return self._list(connection, site_id, name, lists_now[name])

        return policies.read(document, version, normal, find)

    def _known(self, connection: Connection, site_id: UUID, stored: PolicyVersion) -> Policy:
        key = (site_id, stored.version, *sorted(stored.lists.items()))
        known = self._policies.get(key)
        if known is None:
            known = self._remembered(connection, site_id, stored)
            with self._lock:
                self._policies[key] = known
                while len(self._policies) > POLICIES:
                    self._policies.popitem(last=False)
        return known

    def _remembered(self, connection: Connection, site_id: UUID, stored: PolicyVersion) -> Policy:
        """The policy; one that cannot be read, since a list is gone that it names, leaves everything to people."""
        try:
            return self.read(connection, site_id, stored.document, stored.lists, stored.version)
        except (UnknownList, PatternError) as error:
            _log.error("policy_unreadable", site=str(site_id), version=stored.version, error=type(error).__name__)
            return Policy((Unreadable(),), stored.version)

    def _list(self, connection: Connection, site_id: UUID, name: str, version: int) -> tuple[str, Lexicon]:
        key = (site_id, name, version)
        known = self._lists.get(key)
        if known is None:
            try:
                known = lists.load(connection, site_id, name)
            except NotFound:
                raise UnknownList(name) from None
            with self._lock:
                self._lists[key] = known
                while len(self._lists) > LISTS:
                    self._lists.popitem(last=False)
        return known
