"""What the broker is asked before it is trusted."""

from typing import Any

import redis

from service.checks import Broker


def broker(url: str) -> Broker | None:
    """What the broker says of itself; None when there is no URL, or it does not answer."""
    if not url:
        return None
    plain = f"unix{url.removeprefix('redis+socket')}" if url.startswith("redis+socket:") else url
    try:
        with redis.Redis.from_url(plain, socket_timeout=2, socket_connect_timeout=2) as line:
            said: Any = line.info()
    except (redis.RedisError, OSError, ValueError):
        return None
    name = "Valkey" if "valkey_version" in said else "Redis"
    version = said.get("valkey_version") or said.get("redis_version", "of unknown version")
    appendonly = {1: "yes", 0: "no"}.get(said.get("aof_enabled"), "unknown")
    return Broker(f"{name} {version}", str(said.get("maxmemory_policy", "unknown")), appendonly)
