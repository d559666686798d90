"""What holds for every test."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
SLOW = (
    "contract/test_verb_races.py",
    "faults",
    "crash",
    "machines",
    "model",
    "acceptance/test_benchmarks.py",
    "hostile",
    "security/test_canaries_failures.py",
    "browser",
    "contract/test_every_column.py",
    "security/test_canaries_processes.py",
    "acceptance/test_long_running.py",
    "contract/test_store_authenticity.py",
    "contract/test_second_approval.py",
    "security/web/test_api_description.py",
    "acceptance/test_failures.py",
    "acceptance/test_streams.py",
    "acceptance/test_giving_up.py",
    "verification/test_mutation.py",
    "security/test_database_writer.py",
    "security/test_canaries_commands.py",
    "acceptance/test_scripts.py",
    "contract/test_journal_upgrade.py",
    "fuzz",
    "soak",
)
"""What `make slow` runs, and `make test` leaves out: an eighth of the tests, and two thirds of their time. Those that
take longest begin first, so that no process is left with one of them at the end."""


def pytest_configure() -> None:
    """Let every process that a test starts receive Ctrl-C, and no test fail because the machine is busy.

    A shell starts a background job with SIGINT ignored, children inherit that, and Keyturn respects it.
    """
    if missing := [name for name in SLOW if not (TESTS / name).exists()]:
        raise pytest.UsageError("SLOW names tests that do not exist: " + ", ".join(missing))
    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test states the fact that it proves. Those that are slow are marked, and come first."""
    silent = [item.nodeid for item in items if isinstance(item, pytest.Function) and not item.function.__doc__]
    if silent:
        raise pytest.UsageError("these tests state no fact: " + ", ".join(dict.fromkeys(silent)))
    for item in items:
        if _slowness(item) < len(SLOW):
            item.add_marker("slow")
    items.sort(key=_slowness)


def _slowness(item: pytest.Item) -> int:
    """The item's place in SLOW; the end of it for those that are quick."""
    path = item.path.relative_to(TESTS)
    names = {path.as_posix(), path.parts[0]}
    return next((place for place, name in enumerate(SLOW) if name in names), len(SLOW))


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that runs in this process sets up logging for the whole of it, and at another level."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for added in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(added)
