"""Every setting of Comity in one table: read once from the environment, checked together, handed on as values.

Nothing else reads the environment. `docs/operator/settings.md` shows this table; a test compares the two.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from service.keys import Keys
from service.outbound.networks import Network, network

PROCESSES = ("web", "worker", "relay", "migrate", "run")


class SettingsError(Exception):
    """Raised when settings are missing or wrong; the message names every one of them with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(["These settings need a change:", *(f"  {problem}" for problem in problems)]))


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `needed_by`: processes that do not start without it. `read` casts or raises ValueError.

    handed_to: processes that do start without it, and get it where somebody starts them.
    """

    name: str
    read: Callable[[str], Any]
    default: str | None
    meaning: str
    needed_by: tuple[str, ...] = ()
    handed_to: tuple[str, ...] = ()


def _text(value: str) -> str:
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def _url(*schemes: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        try:
            scheme = urlsplit(value).scheme
        except ValueError:
            scheme = ""
        if scheme not in schemes:
            raise ValueError(f"must be a URL that begins with {' or '.join(s + '://' for s in schemes)}")
        return value

    return read


def _public_url(value: str) -> str:
    parts = urlsplit(_url("http", "https")(value))
    try:
        wrong = parts.port == 0 or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment
    except ValueError:  # no port
        wrong = True
    if wrong:
        raise ValueError("must be the service's own address without query, for example https://comments.example.org")
    return value.rstrip("/")


def _words(value: str) -> tuple[str, ...]:
    return tuple(word for word in value.replace(",", " ").split() if word)


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(network(word) for word in _words(value))
    except ValueError:
        raise ValueError(
            "must be networks of your own, for example 10.0.0.0/8, 192.168.7.4; none wider than /8 (IPv6: /16, "
            "fc00::/7), with bits set behind its prefix, link-local or multicast"
        ) from None


def _ports(value: str) -> tuple[int, ...]:
    try:
        return tuple(_whole(1, 65535)(word) for word in _words(value))
    except ValueError:
        raise ValueError("must be port numbers from 1 to 65535, for example 443, 8443") from None


def _yes(value: str) -> bool:
    return _one_of("yes", "no")(value) == "yes"


def _quota(value: str) -> tuple[int, int]:
    count, _, seconds = value.partition("/")
    plain = value.isascii() and count.isdigit() and seconds.isdigit() and len(value) < 20
    if not (plain and int(count) > 0 and 0 < int(seconds) <= 86_400):
        raise ValueError("must be COUNT/SECONDS, for example 30/60 for 30 comments a minute")
    return int(count), int(seconds)


def _band(value: str) -> tuple[float, float] | None:
    if value == "off":
        return None
    found = _BAND.fullmatch(value)
    if found is None or not 0 <= float(found[1]) <= float(found[2]) <= 1:
        raise ValueError("must be LOW-HIGH with both from 0 to 1, for example 0.1-0.95, or off")
    return float(found[1]), float(found[2])


_BAND = re.compile(r"([01](?:\.[0-9]{1,6})?)-([01](?:\.[0-9]{1,6})?)", re.ASCII)


def _secret(value: str) -> bytes:
    """At least 32 random bytes, in base64url or hexadecimal; refuses the short, words and the monotonous."""
    hexadecimal = len(value) % 2 == 0 and _HEX.fullmatch(value) is not None
    raw = bytes.fromhex(value) if hexadecimal else _unbase64(value)
    if raw is None:
        raise ValueError("must be 32 random bytes or more in base64url or hexadecimal")
    if len(raw) < 32:
        raise ValueError("is too short: take 32 random bytes or more, for example from `openssl rand -hex 32`")
    words = not hexadecimal and value in (value.lower(), value.upper())  # in base64 chance mixes the two
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    if words or len(set(raw)) < 12 or len(steps) == 1:
        raise ValueError("is not random: take one from `openssl rand -hex 32`")
    return raw


_HEX = re.compile(r"[0-9a-fA-F]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


def _unbase64(value: str) -> bytes | None:
    """What `value` holds in base64 of either alphabet, or None. The decoder by itself passes over strangers."""
    if _BASE64.fullmatch(value) is None:
        return None
    try:
        return base64.urlsafe_b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))
    except binascii.Error:
        return None


def _public_key(value: str) -> bytes:
    raw = _unbase64(value)
    if raw is None or len(raw) != 32:
        raise ValueError("must be an X25519 public key, 32 bytes in base64url, as `python -m service keys` prints it")
    return raw


_SERVERS = ("web", "worker", "relay")

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "COMITY_DATABASE_URL",
        _url("postgresql", "postgres"),
        None,
        "PostgreSQL, as the role of this process; for `run` and `migrate` as the owner",
        (*_SERVERS, "migrate"),
    ),
    Setting(
        "COMITY_BROKER_URL",
        _url("redis", "rediss", "redis+socket"),
        None,
        "Valkey or Redis that carries the rings, with user and password",
        _SERVERS,
    ),
    Setting(
        "COMITY_SECRET_KEY",
        _secret,
        None,
        "Secret from which status tokens, cursors, form tokens and the key to webhooks' secrets are derived; 32 random "
        "bytes; a relay sends webhooks only with it",
        ("web",),
        ("relay",),
    ),
    Setting(
        "COMITY_INDEX_KEY",
        _secret,
        None,
        "Secret of the keyed indexes by which an author is recognised; never change it",
        ("web",),
    ),
    Setting(
        "COMITY_CONTACT_PUBLIC_KEY",
        _public_key,
        None,
        "X25519 public key to which e-mail addresses are sealed",
        ("web",),
    ),
    Setting(
        "COMITY_DATA",
        _text,
        "",
        "Folder of the embedded servers; empty: `var/data`, or as root one under `/var/lib/comity`",
    ),
    Setting("COMITY_HOST", _text, "127.0.0.1", "Address the web process listens on"),
    Setting("COMITY_PORT", _whole(1, 65535), "8080", "Port the web process listens on"),
    Setting("COMITY_METRICS_PORT", _whole(0, 65535), "9464", "Port of `/metrics`, on `COMITY_HOST`; 0 turns it off"),
    Setting(
        "COMITY_PUBLIC_URL",
        _public_url,
        "http://127.0.0.1:8080",
        "The address under which visitors reach the service; `run` derives it from host and port",
    ),
    Setting(
        "COMITY_TRUSTED_HOSTS", _words, "", "Host names that requests may name, besides the one of `COMITY_PUBLIC_URL`"
    ),
    Setting(
        "COMITY_TRUSTED_PROXIES",
        _whole(0, 10),
        "0",
        "How many proxies in front may speak through `X-Forwarded-For` and `X-Forwarded-Proto`",
    ),
    Setting("COMITY_WEB_PROCESSES", _whole(1, 64), "1", "Processes of the web server"),
    Setting("COMITY_WEB_THREADS", _whole(1, 256), "6", "Threads, and database connections, of each web process"),
    Setting("COMITY_WORKER_CONCURRENCY", _whole(1, 64), "2", "Processes of one worker"),
    Setting("COMITY_BATCH", _whole(1, 2000), "200", "Comments that a worker claims at once"),
    Setting("COMITY_MODEL", _text, "", "Path of another model than the shipped one"),
    Setting(
        "COMITY_TIER2_MODEL",
        _text,
        "",
        "Path of the second tier's file; empty: where `second fetch` puts it, if it is there",
    ),
    Setting(
        "COMITY_TIER2_BAND",
        _band,
        "0.1-0.95",
        "Scores of which the first tier is unsure, LOW-HIGH, so that the second reads the comment too; `off` for never",
    ),
    Setting(
        "COMITY_BEAT", _text, "", "File that worker and relay touch while they work, for `python -m workers.health`"
    ),
    Setting("COMITY_LIMIT_SITE", _quota, "6000/60", "Comments a site may submit, COUNT/SECONDS"),
    Setting("COMITY_LIMIT_AUTHOR", _quota, "12/60", "Comments one author may submit on a site"),
    Setting("COMITY_LIMIT_PREFIX", _quota, "60/60", "Comments one network prefix (/24 or /48) may submit on a site"),
    Setting("COMITY_LIMIT_VISITOR", _quota, "600/60", "Requests without a key that one network prefix may make"),
    Setting(
        "COMITY_WEBHOOK_NETWORKS",
        _networks,
        "",
        "Networks of your own that webhooks may reach besides public ones, for example `10.0.0.0/8, fd12:3456::/32`",
    ),
    Setting("COMITY_WEBHOOK_HTTP", _yes, "no", "Whether webhooks may go to `http://`, and to port 80: `yes` or `no`"),
    Setting("COMITY_WEBHOOK_PORTS", _ports, "443", "Ports that a webhook's URL may name"),
    Setting(
        "COMITY_PENDING_SITE",
        _whole(1, 1_000_000),
        "50000",
        "Comments of one site that may wait for a verdict; more are answered 429",
    ),
    Setting(
        "COMITY_PENDING", _whole(1, 1_000_000), "200000", "Comments that may wait for one in all; more are answered 503"
    ),
    Setting("COMITY_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info", "What is worth a log line"),
)


@dataclass(frozen=True)
class Settings:
    """The checked settings of one process. Attributes are the names without `COMITY_`, in lower case."""

    database_url: str
    broker_url: str
    secret_key: bytes
    index_key: bytes
    contact_public_key: bytes
    data: str
    host: str
    port: int
    metrics_port: int
    public_url: str
    trusted_hosts: tuple[str, ...]
    trusted_proxies: int
    web_processes: int
    web_threads: int
    worker_concurrency: int
    batch: int
    model: str
    tier2_model: str
    tier2_band: tuple[float, float] | None
    beat: str
    limit_site: tuple[int, int]
    limit_author: tuple[int, int]
    limit_prefix: tuple[int, int]
    limit_visitor: tuple[int, int]
    webhook_networks: tuple[Network, ...]
    webhook_http: bool
    webhook_ports: tuple[int, ...]
    pending_site: int
    pending: int
    log_level: str

    @classmethod
    def read(cls, environ: Mapping[str, str], process: str) -> "Settings":
        """The settings of `process` (one of PROCESSES) in `environ`.

        Raises SettingsError naming every missing, wrong or misspelt setting at once. A secret may also stand in a
        file: COMITY_NAME_FILE names it.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in SETTINGS:
            given = _given(setting, environ, problems)
            if given is None or given == "":
                if process in setting.needed_by:
                    problems.append(f"{setting.name} is missing: {setting.meaning}.")
                given = setting.default
            attribute = setting.name.removeprefix("COMITY_").lower()
            try:
                values[attribute] = None if given is None else setting.read(given)
            except ValueError as error:
                problems.append(f"{setting.name} {error}.")
        if values.get("secret_key") and values["secret_key"] == values.get("index_key"):
            problems.append("COMITY_INDEX_KEY is the same as COMITY_SECRET_KEY: make another one.")
        problems += _unknown(environ)
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    @cached_property
    def keys(self) -> Keys:
        """The keys derived from the secret key."""
        return Keys(self.secret_key)

    @property
    def model_path(self) -> Path | None:
        """Where the model lies; None for the shipped one."""
        return Path(self.model) if self.model else None

    @property
    def tier2_path(self) -> Path | None:
        """Where the second tier lies; None for where it is looked for."""
        return Path(self.tier2_model) if self.tier2_model else None

    @property
    def beat_path(self) -> Path | None:
        """The file that says that this process works; None when nobody asks for one."""
        return Path(self.beat) if self.beat else None


def _given(setting: Setting, environ: Mapping[str, str], problems: list[str]) -> str | None:
    path = environ.get(f"{setting.name}_FILE")
    if path is None:
        return environ.get(setting.name)
    if setting.name in environ:
        problems.append(f"{setting.name} and {setting.name}_FILE are both set: keep one.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        problems.append(f"{setting.name}_FILE names a file that cannot be read.")
        return None


#: Names that belong to tests, to tools beside the service, to docker-compose.yml, or to how `run` shows its log.
OTHER_NAMES = frozenset(
    {
        "COMITY_BUILD_NETWORK",
        "COMITY_CHROMIUM",
        "COMITY_FAILPOINTS",
        "COMITY_LOG",
        "COMITY_PROCESS",
        "COMITY_SECRETS",
        "COMITY_TEST_FULL",
    }
)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {setting.name for setting in SETTINGS}
    known |= {f"{name}_FILE" for name in known} | OTHER_NAMES
    return [
        f"{name} is not a setting: see docs/operator/settings.md for the names."
        for name in sorted(environ)
        if name.startswith("COMITY_") and name not in known
    ]
