"""What the web process works with, put together once and handed to every request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from classifier import Model
from service.domain.contact import Sealer
from service.keys import Keys
from service.settings import Settings
from service.store.database import Database
from service.web.auth import Gate
from service.web.limits import Limits
from service.web.room import Room


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a web process. ring: says that there is work. model: the classifier, loaded when first asked."""

    settings: Settings
    database: Database
    keys: Keys
    sealer: Sealer
    gate: Gate
    limits: Limits
    room: Room
    ring: Callable[[], None]
    model: Callable[[], Model | None]
    state: dict[str, Any]
