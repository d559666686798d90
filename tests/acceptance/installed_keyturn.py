"""Runs the installed `keyturn` as a subprocess, with settings and data in a folder of its own."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.forked_commands import forked_commands
from support.polling import WAIT_LIMIT

from simulator import Credentials

Run = subprocess.CompletedProcess[str]
NAME = "acme"


@dataclass(frozen=True)
class InstalledKeyturn:
    """One test's Keyturn: the folder of its settings and data, and its environment."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def at(cls, folder: Path) -> "InstalledKeyturn":
        """Return a Keyturn without settings or data; it ignores the KEYTURN_ variables of the user's environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
        environment |= {
            "CONFIGURATION_DIRECTORY": str(folder / "config"),
            "KEYTURN_DATA": str(folder / "data"),
            "KEYTURN_WORKER__POLL": "0.1",
        }
        return cls(folder, environment)

    @property
    def settings(self) -> Path:
        return self.folder / "config" / "keyturn.toml"

    @property
    def kek(self) -> Path:
        return self.folder / "config" / "kek"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "keyturn.db"

    def __call__(self, *arguments: object, given: str = "", **environment: str) -> Run:
        """Run `keyturn` with ``arguments`` to its end; ``given`` is its standard input."""
        whole = {**self.environment, **environment}
        if forked_commands().is_possible(whole):
            return forked_commands().run(command(*arguments), whole, given)
        return subprocess.run(
            command(*arguments),
            env=whole,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_LIMIT,
        )

    def json(self, *arguments: object) -> Any:
        """Run `keyturn` with ``arguments`` and ``-o json``, and return its stdout, which must be JSON only."""
        return json.loads(self(*arguments, "-o", "json").stdout)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start `keyturn` with ``arguments`` and leave it running."""
        return subprocess.Popen(
            command(*arguments),
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def dump(self) -> str:
        """Return the whole database as text: equal dumps mean that nothing was changed."""
        if not self.database.exists():
            return ""
        database = sqlite3.connect(self.database)
        try:
            return "\n".join(database.iterdump())
        finally:
            database.close()

    def alter(self, statement: str) -> None:
        """Change the database directly, without Keyturn."""
        database = sqlite3.connect(self.database)
        try:
            database.execute(statement)
            database.commit()
        finally:
            database.close()

    def add(self, known: Credentials, name: str = NAME, **changes: str | None) -> Run:
        """Add a connection to one pair of simulated systems; an option that is None is left out, "" has no value."""
        options = {**options_for(known, self.folder / "secrets"), **changes}
        given = [
            part
            for option, value in options.items()
            if value is not None
            for part in (f"--{option}", *([value] if value else []))
        ]
        return self("connection", "add", name, *given, "--bundle", "369630=4.01", "--bundle", "369637=5.01")


def command(*arguments: object) -> Sequence[str]:
    """Return the command line of the `keyturn` that is installed with this Python."""
    script = Path(sys.executable).with_name("keyturn")
    assert script.exists(), "keyturn is not installed"
    return [str(script), *map(str, arguments)]


def options_for(known: Credentials, folder: Path) -> dict[str, str]:
    """Return the options of `connection add` for one pair of simulated systems, with the secrets in files."""
    folder.mkdir(mode=0o700, exist_ok=True)
    secrets = {
        "netsuite-key-file": known.private_key_pem,
        "openair-api-key-file": known.api_key,
        "openair-client-secret-file": known.openair_client_secret,
        "openair-refresh-token-file": known.refresh_token,
        "openair-password-file": known.password,
    }
    for option, text in secrets.items():
        (folder / option).write_text(text + "\n")
    files = {option: str(folder / option) for option in secrets if option != "openair-password-file"}
    return {
        "account": known.account,
        "client-id": known.client_id,
        "certificate-id": known.certificate_id,
        "restlet-url": known.netsuite_url,
        "token-url": known.netsuite_url,
        "openair-url": known.openair_url,
        "openair-namespace": known.api_namespace,
        "openair-client-id": known.openair_client_id,
        "algorithm": "ec-p256",
        **files,
    }


def rotate(initialised: InstalledKeyturn) -> Run:
    """Rotate the connection, with JSON output."""
    return initialised("rotate", NAME, "-o", "json")


def error(run: Run) -> dict[str, Any]:
    """Return the error that a command with ``-o json`` printed to stderr."""
    return dict(json.loads(run.stderr.strip().splitlines()[-1])["error"])
