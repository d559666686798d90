"""A Keyturn whose secrets are all known, run in this process so that everything it says and writes can be searched.

Every secret is looked for in every usual writing (leaks.py). Logs are looked at before anything in them is hidden, and
with the debug lines of the libraries below.
"""

import base64
import io
import json
import logging
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from acceptance.installed_keyturn import NAME, options_for
from security.secret_search import Secrets
from support.clock import OffsetClock

from orchestrator import bootstrap
from orchestrator.cli import application
from orchestrator.settings import load
from persistence import kek, vault
from persistence.store import Store
from simulator import Simulator
from simulator.server import Delivery, Request
from states.errors import SealBroken

TALKATIVE = ("keyturn", "urllib3.connectionpool", "requests", "sqlalchemy.engine.Engine", "alembic")
"""Loggers that are made to tell all they can, to a handler that hides nothing."""

_SEALED = """
    SELECT connection, name, sealed FROM secrets
    UNION ALL
    SELECT rotations.id, 'private_key', sealed_key FROM rotations
    JOIN certificates ON fingerprint = candidate_fingerprint WHERE sealed_key IS NOT NULL
"""

_TIMING = re.compile(r"\[(cached since|generated in) [^]]*\]")
_USUAL = {*vars(logging.makeLogRecord({})), "message"}
"""What every log record has."""

Serve = Callable[[str, Request], Delivery]


@dataclass
class Stage:
    """The folder, the simulated systems, and all that was said so far."""

    folder: Path
    simulator: Simulator
    monkeypatch: pytest.MonkeyPatch
    known: Secrets = field(default_factory=Secrets)
    said: list[tuple[str, bytes]] = field(default_factory=list)
    """What was said, and by what."""

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "keyturn.db"

    def __call__(self, *arguments: object, given: str = "") -> tuple[int, str, str]:
        """Run one command; return its exit code and what it wrote to standard output and standard error."""
        words = [str(argument) for argument in arguments]
        out, err = io.StringIO(), io.StringIO()
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        with redirect_stdout(out), redirect_stderr(err):
            exit_code = application.run(words)
        self.say(" ".join(words), out.getvalue() + err.getvalue())
        return exit_code, out.getvalue(), err.getvalue()

    def say(self, who: str, what: str | bytes) -> None:
        """Keep ``what`` for the search."""
        self.said.append((who, what.encode(errors="surrogatepass") if isinstance(what, str) else what))

    def look_at_the_database(self, who: str) -> None:
        """Keep the database's files as they are now, with what is still in the log only."""
        for path in sorted(self.database.parent.glob("keyturn.db*")):
            self.say(f"{who}: {path.name}", path.read_bytes())

    def add(self, name: str = NAME, **changes: str | None) -> None:
        """Add a connection; an option that is None is left out."""
        options = {**options_for(self.simulator.credentials, self.folder / "given"), **changes}
        words = [word for option, value in options.items() if value is not None for word in (f"--{option}", value)]
        exit_code, _, err = self("connection", "add", name, *(word for word in words if word))
        assert 0 == exit_code, err

    def alter(self, statement: str) -> None:
        """Change the database behind Keyturn's back."""
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(statement)

    def rotation(self, name: str = NAME) -> dict[str, Any]:
        """The connection's newest rotation."""
        return dict(json.loads(self("rotation", "list", "--connection", name, "-o", "json")[1])[0])

    def go_on(self, name: str = NAME) -> None:
        """Run the connection's rotation, or start one, as far as it gets now, even if it waits for something."""
        newest = json.loads(self("rotation", "list", "--connection", name, "-o", "json")[1])
        if not newest or newest[0]["state"] == "Completed":
            self("rotate", name, "--detach")
        elif newest[0]["state"] == "Failed":
            self("rotation", "resume", newest[0]["id"], "--detach", "--overwrite", "--create-record", "--yes")
        self.alter("UPDATE rotations SET available_at = created_at")
        self("run-due", "--verbose", "-o", "json")

    # --- what the systems see

    def watch(self) -> None:
        """Learn every secret that Keyturn and the systems send each other from now on."""
        for system in (self.simulator.netsuite, self.simulator.openair):
            self.through(system, lambda serve: lambda path, request: self._learnt(request, serve(path, request)))

    def through(self, system: Any, wrap: Callable[[Serve], Serve]) -> None:
        """Let a system answer through ``wrap``."""
        self.monkeypatch.setattr(system, "serve", wrap(system.serve))

    def _learnt(self, request: Request, delivery: Delivery) -> Delivery:
        if sent := request.headers.get("authorization", "").partition(" ")[2]:
            self.known.add("an Authorization header", sent)
        if sent := request.form().get("refresh_token"):
            self.known.add("a refresh token that was sent", sent)
        if sent := request.form().get("client_assertion"):
            self.known.add("an assertion's signature", sent.rpartition(".")[2])
        if found := re.search(rb'"pem": "(.*?)"', request.body):
            pem = json.loads(b'"' + found[1] + b'"')
            self.known.add_key("a candidate's key", pem[pem.index("-----BEGIN PRIVATE") :])
            self.look_at_the_database("the database during an upload")
        if delivery.reply and b"_token" in delivery.reply.body:
            issued = json.loads(delivery.reply.body)
            for name in ("access_token", "refresh_token"):
                if name in issued:
                    self.known.add(f"an {name} that was issued", issued[name])
        return delivery

    # --- the judgement

    def assert_nothing_leaked(self, *more: Path, sealed: bool = True, files: bool = True) -> None:
        """No secret is in anything that was said, in any file that Keyturn made, nor in those below ``more``.

        Without ``sealed`` the vault does not open any more; without ``files`` a test has written secrets into them.
        """
        if sealed:
            self.learn_what_is_sealed()
        if files:
            self._read_files(*more)
        said = {what: who for who, what in self.said}  # much is said many times
        leaks = {who: found for what, who in said.items() if (found := self.known.found_in(what))}
        assert not leaks, leaks

    def _read_files(self, *more: Path) -> None:
        files = [path for folder in (self.config, self.folder / "data", *more) for path in folder.rglob("*")]
        for path in files:
            if path.is_file() and path.name != "kek":
                self.say(str(path), path.read_bytes())

    def learn_what_is_sealed(self) -> None:
        """Open everything in the vault: those are the secrets at rest, and the keys to them."""
        text = (self.config / "kek").read_text().strip()
        self.known.add("the key-encryption key in Base64", text)
        self.known.add("the key-encryption key", base64.b64decode(text))
        master = kek.read_kek_file(self.config / "kek")
        with closing(Store(load().store_url)) as store:
            for key in store.secrets.data_keys():
                self.known.add("a data key", master.unwrap(key.wrapped, vault._label(key.id)))
            opened = vault.Vault(store.secrets, lambda: master)
            with closing(sqlite3.connect(self.database)) as database:
                for owner, column, sealed in database.execute(_SEALED).fetchall():
                    with suppress(SealBroken):  # where a test has spoilt it
                        self._know(column, opened.open(sealed, owner=owner, column=column))

    def _know(self, name: str, secret: bytes) -> None:
        if name in ("netsuite_key", "private_key"):
            self.known.add_key(name, secret)
        elif name == "openair_oauth":
            grant = json.loads(secret)
            for part in ("refresh_token", "access_token"):
                if grant[part]:
                    self.known.add(f"the stored {part}", grant[part])
        else:
            self.known.add(name, secret)


class _Everything(logging.Handler):
    """Keeps each record as it was made: before anything is hidden, with its traceback."""

    def __init__(self, keep: Callable[[str, str], None]) -> None:
        super().__init__()
        self._keep = keep
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in _USUAL}
        reported = _TIMING.sub("", self.format(record))  # so that a repeated line is not searched again
        self._keep(f"the log {record.name}", f"{reported} {extra or ''}")


@contextmanager
def stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """An initialised Keyturn with the connection acme, in this process, as talkative as can be."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder / "config"))
    monkeypatch.setenv("KEYTURN_DATA", str(folder / "data"))
    monkeypatch.setenv("KEYTURN_LOG__LEVEL", "debug")
    monkeypatch.setattr(bootstrap, "SystemClock", OffsetClock)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with Simulator() as simulator:
        it = Stage(folder, simulator, monkeypatch)
        handler = _Everything(it.say)
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.DEBUG)
            logging.getLogger(name).addHandler(handler)
        it.watch()
        assert 0 == it("init")[0]
        it.add()
        try:
            yield it
        finally:
            for name in TALKATIVE:
                logging.getLogger(name).setLevel(logging.NOTSET)
                logging.getLogger(name).removeHandler(handler)
            root.handlers[:], root.level = before
