"""Whether a web process takes comments in: what `make run` waits for, and `python -m service.ready` for a container.

Exit code 0 if it does, else 1.
"""

import os
import socket
import sys
from urllib.parse import urlsplit

from service.settings import Settings, SettingsError


def reachable(host: str) -> str:
    """An address at which a server that listens on `host` answers."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to reach, not to bind


def answers_ready(host: str, port: int, name: str) -> bool:
    """Whether `GET /readyz` answers 200 there, asked by the `name` under which the service is public."""
    try:
        with socket.create_connection((reachable(host), port), timeout=5) as line:
            line.sendall(f"GET /readyz HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            return line.recv(64).split()[1:2] == [b"200"]
    except OSError:
        return False


def main() -> int:
    """Ask the web process with the settings of this environment once."""
    try:
        settings = Settings.read(os.environ, "web")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if answers_ready(settings.host, settings.port, urlsplit(settings.public_url).netloc):
        return 0
    print("GET /readyz does not answer 200: the web process or its database is away.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
