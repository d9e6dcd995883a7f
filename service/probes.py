"""What is asked of the broker and of the model's file before they are trusted."""

from typing import Any

import redis

from classifier import ModelError, load
from service.checks import Broker, Finding, Level
from service.settings import Settings


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


def model(settings: Settings) -> Finding:
    """Whether the model's file is the recorded one, and can be read."""
    try:
        found = load(settings.model_path)
    except ModelError as error:
        return Finding("model", Level.FAIL, str(error), "Put the file and its .sha256 back, or unset COMITY_MODEL.")
    return Finding("model", Level.OK, f"{found.version}, SHA-256 {found.sha256[:12]}… as recorded")
