"""PostgreSQL and Valkey inside the service, from the wheels' programs: `start(data)` gives both, answering."""

from service.embedded.errors import (
    AlreadyRunning,
    DiskFull,
    FolderError,
    ProgramMissing,
    ServerDied,
    StartError,
    WrongVersion,
)
from service.embedded.servers import Server, Servers, start

__all__ = [
    "AlreadyRunning",
    "DiskFull",
    "FolderError",
    "ProgramMissing",
    "Server",
    "ServerDied",
    "Servers",
    "StartError",
    "WrongVersion",
    "start",
]
