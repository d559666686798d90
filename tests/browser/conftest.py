"""The system's Chromium, a console, a worker and a simulator: new for each test, except the browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.person import Person
from playwright.sync_api import Browser, sync_playwright
from support.console import RunningConsole, running_console
from support.environment import connect, keyturn
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from simulator import Simulator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there is no browser, unless everything is required."""
    if CHROMIUM or os.environ.get("REQUIRE") == "all":
        return
    missing = pytest.mark.skip(reason="Chromium is missing (Debian: apt-get install chromium); REQUIRE=all fails then")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(missing)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is missing (Debian: apt-get install chromium)"
    # The sandbox needs a user that is not root. Nothing but loopback is visited.
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with judged_simulator() as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    with keyturn(tmp_path, monkeypatch) as running:
        connect(running, simulator.credentials)
        yield running


@pytest.fixture
def console(app: Keyturn) -> Iterator[RunningConsole]:
    with running_console(app) as running:
        yield running


@pytest.fixture
def ada(browser: Browser, console: RunningConsole) -> Iterator[Person]:
    """A person who is signed in. At the end, no page has broken the policy for its content, or has an error."""
    context = browser.new_context()
    person = Person(context, console.url)
    person.open(console.link.removeprefix(console.url))
    person.press("Sign in")
    person.reads("Overview")
    yield person
    context.close()
    assert [] == person.complaints
