"""Settings: one table, read once, checked together; nothing weak and nothing misspelt gets through."""

import base64
import dataclasses
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from service.settings import OTHER_NAMES, PROCESSES, SETTINGS, Settings, SettingsError
from tests.world import environment

GOOD = environment("postgresql://owner:x@/comity", "redis://127.0.0.1/0")

#: A wrong value of each setting that has one.
WRONG = {
    "COMITY_DATABASE_URL": ["comity", "mysql://x", "http://[", "//x"],
    "COMITY_BROKER_URL": ["localhost:6379", "amqp://x", "http://x"],
    "COMITY_CONTACT_PUBLIC_KEY": ["x", "AAAA", "A" * 44 + "A", "é", "00" * 32 + "!"],
    "COMITY_PORT": ["0", "65536", "-1", "80.5", "x", "８０", " 80", "1" * 30],
    "COMITY_METRICS_PORT": ["-1", "65536", "on"],
    "COMITY_PUBLIC_URL": [
        "comments.example",
        "ftp://x",
        "https://",
        "https://x?y",
        "https://x#y",
        "https://x:y",
        "https://a@x",
        "https://x:99999",
    ],
    "COMITY_TRUSTED_PROXIES": ["-1", "11", "all"],
    "COMITY_WEB_PROCESSES": ["0", "65"],
    "COMITY_WEB_THREADS": ["0", "257"],
    "COMITY_WORKER_CONCURRENCY": ["0", "x"],
    "COMITY_BATCH": ["0", "2001"],
    "COMITY_TIER2_BAND": ["0.1", "0.9-0.1", "0.1-1.1", "-0.1-0.9", "a-b", "0.1 - 0.9", "on", "0.1-0.9-1", "２-３"],
    "COMITY_LIMIT_SITE": [
        "0/60",
        "60",
        "60/",
        "/60",
        "60/0",
        "60/86401",
        "-1/60",
        "x/y",
        "6/6/6",
        "²/60",
        "1.5/60",
        "９/９",
        "1" * 30 + "/1",
    ],
    "COMITY_LIMIT_AUTHOR": ["0/1"],
    "COMITY_LIMIT_PREFIX": ["many"],
    "COMITY_LIMIT_VISITOR": ["1/1/1"],
    "COMITY_WEBHOOK_NETWORKS": [
        "intern",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "0.0.0.0/0",
        "8.0.0.0/7",
        "::/0",
        "2000::/3",
        "fc00::/6",
        "fe00::/9",
        "169.254.0.0/16",
        "169.254.169.254",
        "fe80::/10",
        "ff00::/8",
        "224.0.0.0/4",
        "10.0.0.0/8 x",
        "0x7f.1",
        "fe80::1%eth0",
    ],
    "COMITY_WEBHOOK_HTTP": ["true", "1", "YES", " no"],
    "COMITY_WEBHOOK_PORTS": ["0", "65536", "https", "443;80", "-1", "80-90"],
    "COMITY_LOG_LEVEL": ["loud", "INFO", "warn"],
}

_RANDOM = random.Random(31)  # so that every process collects the same tests
WEAK = [
    "x", "secret", "changeme" * 8, "password" * 8, "0" * 64, "ab" * 32, "00ff" * 16, "deadbeef" * 8, "a" * 44, "QUJD" * 11,
    bytes(range(32)).hex(), bytes(range(200, 232)).hex(), bytes(range(64, 32, -1)).hex(), bytes(range(0, 64, 2)).hex(),
    base64.urlsafe_b64encode(bytes(range(32))).decode(), "this-is-a-very-secret-key-please-change-me-soon-ok", "CORRECTHORSEBATTERYSTAPLECORRECTHORSEBATTERYSTAPLE",
    "correct horse battery staple correct horse battery staple", _RANDOM.randbytes(31).hex(), base64.urlsafe_b64encode(_RANDOM.randbytes(31)).decode(),
    "é" * 50, "!" * 64, _RANDOM.randbytes(32).hex() + "!", _RANDOM.randbytes(32).hex()[:-1] + "g!",
]  # fmt: skip


def problems(environ: dict[str, str], process: str = "web") -> list[str]:
    """What is said about these settings; nothing when they are good."""
    try:
        Settings.read(environ, process)
    except SettingsError as error:
        assert str(error).splitlines()[1:] == [f"  {problem}" for problem in error.problems]
        return error.problems
    return []


@pytest.mark.parametrize("process", PROCESSES)
def test_good_settings_are_read(process: str) -> None:
    """Every process kind starts with them."""
    assert problems(GOOD, process) == []


def test_there_is_an_attribute_for_every_setting() -> None:
    """The table and the values agree, and each setting says what it means."""
    attributes = [field.name for field in dataclasses.fields(Settings)]
    assert attributes == [setting.name.removeprefix("COMITY_").lower() for setting in SETTINGS]
    assert all(len(setting.meaning) > 10 for setting in SETTINGS)


def test_every_default_is_one_that_may_be_written_out() -> None:
    """A default is read as if somebody had set it; secrets and what must be told have none."""
    for setting in SETTINGS:
        assert (setting.default is None) is bool(setting.needed_by)
        if setting.default:
            assert problems({**GOOD, setting.name: setting.default}) == []
    assert {s.name for s in SETTINGS if s.needed_by} == {
        "COMITY_DATABASE_URL", "COMITY_BROKER_URL", "COMITY_SECRET_KEY", "COMITY_INDEX_KEY", "COMITY_CONTACT_PUBLIC_KEY",
    }  # fmt: skip


@pytest.mark.parametrize("process", ["web", "worker", "relay", "migrate"])
def test_without_any_every_missing_one_is_named_at_once(process: str) -> None:
    """Those this process needs, and no others; each with what it is for."""
    needed = [setting for setting in SETTINGS if process in setting.needed_by]
    assert problems({}, process) == [f"{setting.name} is missing: {setting.meaning}." for setting in needed]
    assert problems({setting.name: "" for setting in SETTINGS}, process) == problems({}, process)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_named_with_its_remedy(name: str, value: str) -> None:
    """One problem, in words: the name, and what it must be; the value itself is not repeated."""
    found = problems({**GOOD, name: value})
    assert len(found) == 1
    assert found[0].startswith(f"{name} must be ")
    assert "Traceback" not in found[0]
    assert len(value) < 9 or value not in found[0]


@given(
    st.sets(st.sampled_from(sorted(WRONG))),
    st.sets(st.sampled_from(["COMITY_SECRET_KEY", "COMITY_INDEX_KEY"])),
    st.booleans(),
)
def test_all_problems_are_named_at_once(wrong: set[str], missing: set[str], misspelt: bool) -> None:
    """However many there are: one line each."""
    environ: dict[str, str] = {**GOOD, **{name: WRONG[name][0] for name in wrong}}
    for name in missing:
        del environ[name]
    if misspelt:
        environ["COMITY_PROT"] = "8080"
    found = problems(environ)
    expected = wrong | missing | ({"COMITY_PROT"} if misspelt else set())
    assert sorted(problem.split()[0] for problem in found) == sorted(expected)


@pytest.mark.parametrize("name", ["COMITY_SECRET_KEY", "COMITY_INDEX_KEY"])
@pytest.mark.parametrize("value", WEAK)
def test_short_known_and_monotonous_secrets_are_refused(name: str, value: str) -> None:
    """Words, repetitions, sequences and what is no encoding of 32 bytes; the value is not repeated."""
    found = problems({**GOOD, name: value})
    assert len(found) == 1
    assert found[0].startswith(name)
    assert len(value) < 8 or value not in found[0]


@given(st.binary(min_size=32, max_size=64).filter(lambda raw: len(set(raw)) > 16))
def test_random_secrets_are_taken_in_both_forms(raw: bytes) -> None:
    """Hexadecimal in either case and base64 of either alphabet, with or without padding, mean the same bytes."""
    url, standard = base64.urlsafe_b64encode(raw).decode(), base64.b64encode(raw).decode()
    forms = [raw.hex(), raw.hex().upper()]
    if url not in (url.lower(), url.upper()) and len({(b - a) % 256 for a, b in pairwise(raw)}) > 1:
        forms += [url, url.rstrip("="), standard, standard.rstrip("=")]
        assert [Settings.read({**GOOD, "COMITY_SECRET_KEY": form}, "web").secret_key for form in forms] == [raw] * len(
            forms
        )


def test_two_secrets_must_differ() -> None:
    """The index key is not the secret key."""
    assert problems({**GOOD, "COMITY_INDEX_KEY": GOOD["COMITY_SECRET_KEY"]}) == [
        "COMITY_INDEX_KEY is the same as COMITY_SECRET_KEY: make another one."
    ]


def test_no_secret_has_a_default() -> None:
    """Without one nothing starts, and none stands in the code."""
    for setting in SETTINGS:
        assert "KEY" not in setting.name or setting.default is None


# Files ---------------------------------------------------------------------------------------------------------------


def test_any_setting_may_stand_in_a_file(tmp_path: Path) -> None:
    """Its name with _FILE; space around the value does not matter."""
    file = tmp_path / "key"
    file.write_text(f"\n{GOOD['COMITY_SECRET_KEY']}\n")
    environ: dict[str, Any] = {**GOOD, "COMITY_SECRET_KEY_FILE": str(file)}
    del environ["COMITY_SECRET_KEY"]
    assert Settings.read(environ, "web").secret_key == Settings.read(GOOD, "web").secret_key


def test_a_file_beside_the_value_or_none_at_all_is_a_problem(tmp_path: Path) -> None:
    """Both set, missing, a folder, or bytes that are no text."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert any(
        "keep one" in problem for problem in problems({**GOOD, "COMITY_PORT": "1", "COMITY_PORT_FILE": "/nowhere"})
    )
    for path in ("/nowhere", str(tmp_path), str(tmp_path / "bytes")):
        assert problems({**GOOD, "COMITY_PORT_FILE": path}) == ["COMITY_PORT_FILE names a file that cannot be read."]


def test_a_misspelt_name_is_a_problem_and_others_names_are_not() -> None:
    """COMITY_ is ours: a name in it that means nothing was meant to mean something."""
    assert problems({**GOOD, "COMITY_SECRETKEY": "x"}) == [
        "COMITY_SECRETKEY is not a setting: see docs/operator/settings.md for the names."
    ]
    assert problems({**GOOD, "PATH": "x", "MY_COMITY_PORT": "x", **dict.fromkeys(OTHER_NAMES, "")}) == []


def test_values_are_read_as_documented() -> None:
    """Numbers, quotas, lists and paths."""
    key = X25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    read = Settings.read(
        {
            **GOOD, "COMITY_PORT": "81", "COMITY_LIMIT_AUTHOR": "5/3600", "COMITY_TRUSTED_HOSTS": "a.example, b.example c.example",
            "COMITY_PUBLIC_URL": "https://comments.example/", "COMITY_MODEL": "/models/one", "COMITY_LOG_LEVEL": "debug",
            "COMITY_WEBHOOK_NETWORKS": "10.0.0.0/8, 192.168.7.4 fc00::/7", "COMITY_WEBHOOK_PORTS": "443, 8443",
            "COMITY_CONTACT_PUBLIC_KEY": base64.urlsafe_b64encode(key).decode(),
        },
        "web",
    )  # fmt: skip
    assert (read.port, read.limit_author, read.limit_site) == (81, (5, 3600), (6000, 60))
    assert read.trusted_hosts == ("a.example", "b.example", "c.example")
    assert (read.public_url, read.model_path, read.log_level) == (
        "https://comments.example",
        Path("/models/one"),
        "debug",
    )
    assert read.contact_public_key == key
    assert [str(one) for one in read.webhook_networks] == ["10.0.0.0/8", "192.168.7.4/32", "fc00::/7"]
    assert (read.webhook_http, read.webhook_ports) == (False, (443, 8443))
    assert Settings.read({**GOOD, "COMITY_WEBHOOK_HTTP": "yes"}, "web").webhook_http is True
    assert Settings.read(GOOD, "web").model_path is None
