"""A browser, and a real web process for it to look at."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from service import embedded
from tests.world import World, environment

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get install -y --no-install-recommends chromium"
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
)  # fmt: skip
POST = "https://blog.example/post"


def find_chromium() -> str | None:
    """Chromium's path: COMITY_CHROMIUM, else the first of its usual names on PATH."""
    return os.environ.get("COMITY_CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


def install_chromium() -> str:
    """Chromium from Debian. Fails with the line to type where this process may not install it."""
    advice = f"Browser tests need Chromium. As root, run: apt-get update && {INSTALL} (or set COMITY_CHROMIUM)"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.fail(advice, pytrace=False)
    print("\nInstalling Chromium for the browser tests ...", file=sys.__stderr__, flush=True)
    for line in ("apt-get update -qq", f"{INSTALL} -qq"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(line.split(), env=quiet, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            pytest.fail(f"{advice}\n{done.stderr.strip()}", pytrace=False)
    found = find_chromium()
    return found or pytest.fail(advice, pytrace=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; installed if need be."""
    return find_chromium() or install_chromium()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield launched
        launched.close()


@dataclass
class Served:
    """A world, and the web process that shows it at `url`."""

    world: World
    url: str

    def thread(self, page: str = POST, **more: str) -> str:
        """The address of a page's discussion."""
        query = "&".join(f"{name}={value}" for name, value in {"site": "blog", "url": page, **more}.items())
        return f"{self.url}/thread?{query}"


@pytest.fixture(scope="session")
def new_served(
    new_database: Callable[[], str], servers: embedded.Servers, folder: Path
) -> Iterator[Callable[[], Served]]:
    """Makes worlds with a real web process in front."""
    processes: list[subprocess.Popen[bytes]] = []
    worlds: list[World] = []

    def make() -> Served:
        port = _free_port()
        url, owner_url = f"http://127.0.0.1:{port}", new_database()
        worlds.append(World.make(owner_url, servers.broker_url, public_url=url))
        worlds[-1].policy({"rule": "repeats", "similarity": 1})  # the same words stand on many pages here
        limits = {f"COMITY_LIMIT_{name}": "100000/60" for name in ("SITE", "AUTHOR", "PREFIX", "VISITOR")}
        settings = environment(owner_url, servers.broker_url, COMITY_PORT=str(port), COMITY_PUBLIC_URL=url, **limits)
        log = (folder / f"web-{port}.log").open("wb")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "service.server"], cwd=ROOT, env={"PATH": os.environ["PATH"], **settings},
                stdout=log, stderr=log,
            )
        )  # fmt: skip
        _wait_until_ready(port, processes[-1])
        return Served(worlds[-1], url)

    yield make
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)
    for world in worlds:
        world.close()


@pytest.fixture(scope="module")
def served(new_served: Callable[[], Served]) -> Served:
    """One served world for the tests of a file; each works on pages of its own."""
    return new_served()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor's browser, without script."""
    made = browser.new_context(java_script_enabled=False, viewport={"width": 1024, "height": 800})
    made.set_default_timeout(10_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab of it."""
    return context.new_page()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, f"the web process ended with {process.returncode}"
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.05)
    raise AssertionError("the web process did not answer in 30 s")
