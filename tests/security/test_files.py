"""Files that Keyturn creates are private, and `doctor` reports those that are not."""

import json
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, error
from support.polling import WAIT_LIMIT, until

from simulator import Simulator


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    """Set umask 0, which makes new files accessible to all users by default."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return the paths below ``folder`` whose mode gives other users access."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    )


def test_init_under_no_umask(tmp_path: Path) -> None:
    """Under umask 0 `init` creates settings, key, database and their folders without access for other users."""
    deep = tmp_path / "created" / "with" / "its" / "parents"
    places = {"CONFIGURATION_DIRECTORY": str(deep / "config"), "KEYTURN_DATA": str(deep / "data")}
    installed = InstalledKeyturn(deep, {**InstalledKeyturn.at(tmp_path).environment, **places})
    assert 0 == installed("init").returncode
    assert installed.settings.exists()
    assert installed.kek.exists()
    assert [] == open_to_others(tmp_path)


IMPOSSIBLE = {"KEYTURN_DATA": "/proc/1/none", "CONFIGURATION_DIRECTORY": "/proc/1/none"}


@pytest.mark.parametrize(("variable", "place"), IMPOSSIBLE.items())
def test_init_names_the_folder_that_cannot_be_made(tmp_path: Path, variable: str, place: str) -> None:
    """`init` names the folder, the reason, and the variable that names another place."""
    run = InstalledKeyturn.at(tmp_path)("init", "-o", "json", **{variable: place})
    reported = error(run)
    assert ("INVALID_SETTINGS", 2) == (reported["code"], run.returncode)
    assert f"The folder {place} cannot be made: No such file or directory." == reported["message"]
    assert "environment variable KEYTURN_" in reported["next_action"]["text"]


def test_init_reports_what_is_open(tmp_path: Path) -> None:
    """`init` leaves the mode of what exists as it is, and says that other users have access."""
    installed = InstalledKeyturn.at(tmp_path)
    (tmp_path / "data").mkdir(mode=0o777)
    installed.database.touch(mode=0o666)
    run = installed("init")
    assert f"Close to other users of this machine: {tmp_path / 'data'}, {installed.database}" in run.stdout


def test_worker_and_simulator_under_no_umask(tmp_path: Path) -> None:
    """Under umask 0 the database's write-ahead log and the simulator's credentials are private."""
    installed = InstalledKeyturn.at(tmp_path)
    assert 0 == installed("init").returncode
    sandbox = tmp_path / "sandbox"
    running = installed.start("simulator", "--directory", sandbox, "-o", "json")
    try:
        _until_printed(running, "}\n")
        worker = installed.start("worker")
        try:
            until((tmp_path / "data" / "keyturn.db-wal").exists)
            assert [] == open_to_others(tmp_path)
            assert ["credentials.json", "netsuite-key.pem"] == sorted(
                path.name for path in sandbox.iterdir() if not path.name.startswith("openair")
            )
        finally:
            _end(worker)
    finally:
        _end(running)


def test_simulator_leaves_a_folder_as_it_is(tmp_path: Path) -> None:
    """An existing folder keeps its mode when the simulator writes credentials into it."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    with Simulator() as simulator:
        simulator.credentials.write(shared)
    assert 0o755 == stat.S_IMODE(shared.stat().st_mode)
    assert [] == open_to_others(shared)


def test_demo_under_no_umask(tmp_path: Path) -> None:
    """Under umask 0 the demo's folder and its worker's log are private."""
    temporary = tmp_path / "temporary"
    temporary.mkdir(mode=0o700)
    run = InstalledKeyturn.at(tmp_path)("demo", "--keep", "-o", "json", TMPDIR=str(temporary))
    assert 0 == run.returncode, run.stderr
    assert any(temporary.rglob("worker.log"))
    assert [] == open_to_others(tmp_path)


def test_exported_certificates_are_public(tmp_path: Path) -> None:
    """An exported certificate and its folder are readable by all users."""
    installed = InstalledKeyturn.at(tmp_path)
    assert 0 == installed("init").returncode
    with Simulator() as simulator:
        by_api = ("url", "namespace", "client-id", "api-key-file", "client-secret-file", "refresh-token-file")
        options: dict[str, str | None] = {f"openair-{option}": None for option in by_api}
        assert 0 == installed.add(simulator.credentials, **options, **{"openair-export": ""}).returncode
        folder = {"KEYTURN_EXPORT__FOLDER": str(tmp_path / "handed" / "over")}
        begun = error(installed("rotate", NAME, "-o", "json", **folder))["rotation"]
        assert 3 == installed("rotation", "begin", begun, "--yes", **folder).returncode
    exported = next((tmp_path / "handed" / "over").iterdir())
    assert (0o644, 0o755) == tuple(stat.S_IMODE(path.stat().st_mode) for path in (exported, exported.parent))


@pytest.mark.parametrize("name", ["config", "config/keyturn.toml", "data", "data/keyturn.db"])
def test_doctor_names_files_that_are_too_open(tmp_path: Path, name: str) -> None:
    """`doctor` names a file or folder that others can access, and the command that fixes it."""
    installed = InstalledKeyturn.at(tmp_path)
    assert 0 == installed("init").returncode
    path = tmp_path / name
    path.chmod(path.stat().st_mode | 0o044)
    run = installed("doctor", "-o", "json")
    finding = next(each for each in json.loads(run.stdout) if each["subject"] == "files")
    assert (3, False, True) == (run.returncode, finding["ok"], finding["message"].startswith(str(path)))
    fix = finding["fix"]["command"]
    assert fix.startswith(f"chmod go= {path}")
    subprocess.run(fix.split(), check=False)  # a write-ahead log that it names may be gone by now
    assert 0 == installed("doctor").returncode


def test_key_that_is_too_open_is_refused(tmp_path: Path) -> None:
    """A key-encryption key that others can read is refused, and `doctor` names the command that fixes it."""
    installed = InstalledKeyturn.at(tmp_path)
    assert 0 == installed("init").returncode
    installed.kek.chmod(0o640)
    finding = next(each for each in installed.json("doctor") if each["subject"] == "vault")
    assert (False, True) == (finding["ok"], f"chmod 600 {installed.kek}" in finding["fix"]["text"])


@pytest.mark.parametrize("name", ["keyturn.toml", "kek"])
def test_init_does_not_write_through_a_link(tmp_path: Path, name: str) -> None:
    """`init` does not follow a link at the path of a file that it creates."""
    installed = InstalledKeyturn.at(tmp_path)
    target = tmp_path / "target"
    installed.settings.parent.mkdir(mode=0o700)
    (installed.settings.parent / name).symlink_to(target)
    run = installed("init", "-o", "json")
    assert run.returncode in (2, 6)
    assert str(installed.settings.parent / name) in error(run)["message"]
    assert not target.exists()


def test_no_core_is_dumped(tmp_path: Path) -> None:
    """A process that crashes writes no core dump, which would hold decrypted keys."""
    installed = InstalledKeyturn.at(tmp_path)
    assert 0 == installed("init").returncode
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        worker = installed.start("worker")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    try:
        until((tmp_path / "data" / "keyturn.db-wal").exists)
        most = min(hard, 1) if hard >= 0 else 1  # with a limit of 1, Linux pipes no dump to a collector either
        assert (most, most) == resource.prlimit(worker.pid, resource.RLIMIT_CORE)
        worker.send_signal(signal.SIGABRT)
        assert -signal.SIGABRT == worker.wait(WAIT_LIMIT)
    finally:
        _end(worker)


def _until_printed(process: subprocess.Popen[str], end: str) -> None:
    assert process.stdout
    line = ""
    while not line.endswith(end):
        line = process.stdout.readline()
        assert line, "the process ended early"


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=WAIT_LIMIT)
