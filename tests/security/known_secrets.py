"""Runs Keyturn in this process with known secrets, and searches everything that it prints, logs and writes for them.

Each secret is searched in every usual encoding (secret_search.py). Log records are searched before Keyturn hides
anything in them, and with the debug records of the libraries below.
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
from support.request_history import judged_simulator

from orchestrator import bootstrap, log, secrets
from orchestrator.adapters.keys import COLUMN
from orchestrator.cli import application
from orchestrator.settings_file import load
from persistence import kek, vault
from persistence.store import Store
from simulator import Simulator
from simulator.server import Delivery, Request
from states.errors import SealBroken

LEAKING_LOGGERS = ("urllib3.connection",)
"""Loggers of libraries that log a piece of an answer as it is. Keyturn drops their records, so only what it prints is
searched."""

ACCOUNTS = ("TSTDRV1", "TSTDRV2", "TSTDRV3")
"""The simulated NetSuite accounts."""

_SEALED = """
    SELECT connection, name, sealed FROM secrets
    UNION ALL
    SELECT rotations.id, 'private_key', sealed_key FROM rotations
    JOIN certificates ON fingerprint = candidate_fingerprint WHERE sealed_key IS NOT NULL
"""

_TIMING = re.compile(r"\[(cached since|generated in) [^]]*\]")
_USUAL = {*vars(logging.makeLogRecord({})), "message"}
"""The attributes that every log record has."""

Serve = Callable[[str, Request], Delivery]


@dataclass
class SearchedKeyturn:
    """Keyturn's folder, the simulated systems, the known secrets, and all output so far."""

    folder: Path
    simulator: Simulator
    monkeypatch: pytest.MonkeyPatch
    known: Secrets = field(default_factory=Secrets)
    outputs: list[tuple[str, bytes]] = field(default_factory=list)
    """Each output with its source."""

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "keyturn.db"

    def __call__(self, *arguments: object, given: str = "") -> tuple[int, str, str]:
        """Run one command; return its exit code, standard output and standard error."""
        words = [str(argument) for argument in arguments]
        out, err = io.StringIO(), io.StringIO()
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        with redirect_stdout(out), redirect_stderr(err):
            exit_code = application.run(words)
        self.record_output(" ".join(words), out.getvalue() + err.getvalue())
        return exit_code, out.getvalue(), err.getvalue()

    def record_output(self, source: str, content: str | bytes) -> None:
        """Keep ``content`` for the search."""
        self.outputs.append((source, content.encode(errors="surrogatepass") if isinstance(content, str) else content))

    def record_database(self, source: str) -> None:
        """Keep the database's files as they are now, with the write-ahead log."""
        for path in sorted(self.database.parent.glob("keyturn.db*")):
            self.record_output(f"{source}: {path.name}", path.read_bytes())

    def add(self, name: str = NAME, account: str = ACCOUNTS[0], **changes: str | None) -> None:
        """Add a connection to a simulated account; an option that is None is left out."""
        options = {
            **options_for(self.simulator.pairs[account].credentials, self.folder / f"given-{account}"),
            **changes,
        }
        words = [word for option, value in options.items() if value is not None for word in (f"--{option}", value)]
        exit_code, _, err = self("connection", "add", name, *(word for word in words if word))
        assert 0 == exit_code, err

    def alter(self, statement: str) -> None:
        """Change the database directly, without Keyturn."""
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(statement)

    def rotation(self, name: str = NAME) -> dict[str, Any]:
        """Return the connection's newest rotation."""
        return dict(json.loads(self("rotation", "list", "--connection", name, "-o", "json")[1])[0])

    def advance(self, name: str = NAME) -> None:
        """Request, resume or continue the connection's rotation, and run it as far as it goes, without its waits."""
        newest = json.loads(self("rotation", "list", "--connection", name, "-o", "json")[1])
        if not newest or newest[0]["state"] == "Completed":
            self("rotate", name, "--detach")
        elif newest[0]["state"] == "Failed":
            self("rotation", "resume", newest[0]["id"], "--detach", "--overwrite", "--create-record", "--yes")
        self.alter("UPDATE rotations SET available_at = created_at")
        self("run-due", "--verbose", "-o", "json")

    # --- secrets in transit

    def learn_secrets_in_transit(self) -> None:
        """Learn every secret that Keyturn and the systems exchange from now on."""
        for system in (self.simulator.netsuite, self.simulator.openair):
            self.intercept(
                system, lambda serve: lambda path, request: self._learn_secrets(request, serve(path, request))
            )

    def intercept(self, system: Any, wrap: Callable[[Serve], Serve]) -> None:
        """Replace a system's ``serve`` by what ``wrap`` makes of it."""
        self.monkeypatch.setattr(system, "serve", wrap(system.serve))

    def _learn_secrets(self, request: Request, delivery: Delivery) -> Delivery:
        if sent := request.headers.get("authorization", "").partition(" ")[2]:
            self.known.add("an Authorization header", sent)
        if sent := request.form().get("refresh_token"):
            self.known.add("a refresh token that was sent", sent)
        if sent := request.form().get("code"):
            self.known.add("the code of a consent", sent)
        if sent := request.form().get("client_assertion"):
            self.known.add("an assertion's signature", sent.rpartition(".")[2])
        if found := re.search(rb'"pem": "(.*?)"', request.body):
            pem = json.loads(b'"' + found[1] + b'"')
            self.known.add_key("a candidate's key", pem[pem.index("-----BEGIN PRIVATE") :])
            self.record_database("the database during an upload")
        if delivery.reply and b"_token" in delivery.reply.body:
            issued = json.loads(delivery.reply.body)
            for name in ("access_token", "refresh_token"):
                if name in issued:
                    self.known.add(f"an {name} that was issued", issued[name])
        return delivery

    # --- the search

    def assert_nothing_leaked(self, *more: Path, sealed: bool = True, files: bool = True) -> None:
        """Fail if a secret is in any output, in a file that Keyturn created, or in a file below ``more``.

        ``sealed`` is False if the test made the vault unreadable; ``files`` is False if the test itself wrote secrets
        into Keyturn's files.
        """
        if sealed:
            self.learn_sealed_secrets()
        if files:
            self._record_files(*more)
        sources = {content: source for source, content in self.outputs}  # many outputs repeat
        leaks = {source: found for content, source in sources.items() if (found := self.known.found_in(content))}
        assert not leaks, leaks

    def _record_files(self, *more: Path) -> None:
        files = [path for folder in (self.config, self.folder / "data", *more) for path in folder.rglob("*")]
        for path in files:
            if path.is_file() and path.name != "kek":
                self.record_output(str(path), path.read_bytes())

    def learn_sealed_secrets(self) -> None:
        """Open every sealed secret and every key in the vault, and learn them."""
        text = (self.config / "kek").read_text().strip()
        self.known.add("the key-encryption key in Base64", text)
        self.known.add("the key-encryption key", base64.b64decode(text))
        master = kek.read_kek_file(self.config / "kek")
        with closing(Store(load().store_url, lambda: master)) as store:
            for key in store.secrets.data_keys():
                self.known.add("a data key", vault._unwrap(master, key))
            with closing(sqlite3.connect(self.database)) as database:
                for owner, column, sealed in database.execute(_SEALED).fetchall():
                    with suppress(SealBroken):  # a test has corrupted it
                        self._learn(column, _opened(store, owner, column, sealed))

    def _learn(self, name: str, secret: bytes) -> None:
        if name in ("netsuite_key", "private_key"):
            self.known.add_key(name, secret)
        elif name == "openair_oauth":
            grant = json.loads(secret)
            for part in ("refresh_token", "access_token"):
                if grant[part]:
                    self.known.add(f"the stored {part}", grant[part])
        else:
            self.known.add(name, secret)


class _RawLogHandler(logging.Handler):
    """Keeps each record before anything in it is hidden, with its traceback."""

    def __init__(self, keep: Callable[[str, str], None]) -> None:
        super().__init__()
        self._keep = keep
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in _USUAL}
        message = _TIMING.sub("", self.format(record))  # equal messages are searched once
        self._keep(f"the log {record.name}", f"{message} {extra or ''}")


@contextmanager
def searched_keyturn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SearchedKeyturn]:
    """Provide an initialised Keyturn with the connection acme, in this process, with all logs."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder / "config"))
    monkeypatch.setenv("KEYTURN_DATA", str(folder / "data"))
    monkeypatch.setenv("KEYTURN_LOG__LEVEL", "debug")
    monkeypatch.setattr(bootstrap, "SystemClock", OffsetClock)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with judged_simulator(accounts=len(ACCOUNTS)) as simulator:
        it = SearchedKeyturn(folder, simulator, monkeypatch)
        handler = _RawLogHandler(it.record_output)
        handler.addFilter(lambda record: record.name not in LEAKING_LOGGERS)
        levels = {
            each: each.level for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)
        }
        for each in levels:
            each.setLevel(logging.DEBUG)
        set_up = log.set_up

        def set_up_raw(level: str, form: str) -> None:
            set_up(level, form)  # it replaces the root logger's handlers
            root.addHandler(handler)
            root.setLevel(logging.DEBUG)

        monkeypatch.setattr(log, "set_up", set_up_raw)
        it.learn_secrets_in_transit()
        assert 0 == it("init")[0]
        it.add()
        try:
            yield it
        finally:
            for each, level in levels.items():
                each.setLevel(level)
            root.handlers[:], root.level = before


def _opened(store: Store, owner: str, column: str, sealed: bytes) -> bytes:
    if column == COLUMN:
        return store.vault.open(sealed, owner=owner, column=column)
    return secrets.Secrets(store, store.vault, store.connections.get(owner)).open(column, sealed)
