"""Where the browser comes from."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser import conftest


def test_the_setting_wins_over_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """COMITY_CHROMIUM names the browser; without it the usual names are looked for."""
    monkeypatch.setenv("COMITY_CHROMIUM", "/opt/chromium/chrome")
    assert conftest.find_chromium() == "/opt/chromium/chrome"
    monkeypatch.delenv("COMITY_CHROMIUM")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "google-chrome" else None)
    assert conftest.find_chromium() == "/bin/google-chrome"


def test_who_may_not_install_it_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that a person can copy, and nothing is run."""
    monkeypatch.setattr(conftest.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    with pytest.raises(pytest.fail.Exception, match=conftest.INSTALL) as failed:
        conftest.install_chromium()
    assert "\n" not in str(failed.value)


def test_root_installs_it_from_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package lists are brought up to date first; the browser is then found by its usual name."""
    ran: list[list[str]] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(words[:2])
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(conftest.os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"{tmp_path}/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("COMITY_CHROMIUM", raising=False)
    assert conftest.install_chromium() == f"{tmp_path}/chromium"
    assert ran == [["apt-get", "update"], ["apt-get", "install"]]
