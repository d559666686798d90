"""What holds for every test."""

import logging
import signal
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import settings


def pytest_configure() -> None:
    """Let every process that a test starts receive Ctrl-C, and no test fail because the machine is busy.

    A shell starts a background job with SIGINT ignored, children inherit that, and Keyturn respects it.
    """
    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Each test states the fact that it proves."""
    silent = [item.nodeid for item in items if isinstance(item, pytest.Function) and not item.function.__doc__]
    if silent:
        raise pytest.UsageError("these tests state no fact: " + ", ".join(dict.fromkeys(silent)))


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that runs in this process sets up logging for the whole of it, and at another level."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for added in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(added)
