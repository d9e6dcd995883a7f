"""The kinds of processes that serve, and the module that each of them is."""

from collections.abc import Mapping

MODULES: Mapping[str, str] = {"web": "service.server", "worker": "workers.worker", "relay": "workers.relay"}
