"""`keyturn` and the simulator, new for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.installed_keyturn import InstalledKeyturn
from support.request_history import judged_simulator

from simulator import Simulator


@pytest.fixture
def keyturn(tmp_path: Path) -> InstalledKeyturn:
    """`keyturn`, without any settings or data."""
    return InstalledKeyturn.at(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised folder, created once and copied for each test."""
    folder = tmp_path_factory.mktemp("initialised")
    made = InstalledKeyturn.at(folder)("init")
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def initialised(keyturn: InstalledKeyturn, template: Path) -> InstalledKeyturn:
    """`keyturn`, initialised."""
    shutil.copytree(template, keyturn.folder, dirs_exist_ok=True)
    return keyturn


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """NetSuite with the placeholder certificate, and OpenAir without one."""
    with judged_simulator() as running:
        yield running


@pytest.fixture
def connected(initialised: InstalledKeyturn, simulator: Simulator) -> InstalledKeyturn:
    """`keyturn`, with the connection acme to the simulated systems."""
    added = initialised.add(simulator.credentials)
    assert added.returncode == 0, added.stderr
    return initialised
