"""`python -m service keys`: where the private key goes."""

import base64
import stat
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


def keys(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "keys", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The settings it printed."""
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("COMITY_"))


def public_half(private: str) -> str:
    key = X25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(private + "="))
    return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")


def test_without_a_file_it_is_printed() -> None:
    """As the last word, in a comment; it opens what the public key seals."""
    done = keys()
    assert public_half(done.stdout.rstrip().rpartition(": ")[2]) == told(done)["COMITY_CONTACT_PUBLIC_KEY"]
    assert len(set(told(done).values())) == 3


def test_with_a_file_it_goes_there_alone(tmp_path: Path) -> None:
    """For its owner alone. The second time it is kept, so that what was interrupted goes on; the rest is fresh."""
    file = tmp_path / "key"
    first, second = keys(str(file)), keys(str(file))
    private = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert private not in first.stdout + first.stderr + second.stdout + second.stderr
    assert told(first)["COMITY_CONTACT_PUBLIC_KEY"] == public_half(private) == told(second)["COMITY_CONTACT_PUBLIC_KEY"]
    assert told(first)["COMITY_SECRET_KEY"] != told(second)["COMITY_SECRET_KEY"]


def test_a_file_that_holds_another_thing_is_left_alone(tmp_path: Path) -> None:
    """One sentence, and the file as it was."""
    file = tmp_path / "key"
    file.write_text("my shopping list")
    done = keys(str(file))
    assert (done.returncode, file.read_text()) == (78, "my shopping list")
    assert done.stderr.count("\n") == 1
    assert str(file) in done.stderr
