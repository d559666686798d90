"""A Keyturn of its own for each kill: folder, database, account; and the workers that die of it or complete it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from crash.matrix.tracing import Call, Point
from crash.matrix.victim import PATIENCE, Victim, until
from home import NAME, connect
from judge import assert_openair_came_second, installed, saved

from orchestrator.bootstrap import App
from orchestrator.secrets import SecretName
from orchestrator.settings import Settings, StoreSettings
from simulator import Credentials, Pair, Simulator
from states import table
from states.rotation import Rotation
from states.state import State

LEASE = 1
"""Seconds; the shortest there is: for so long the next worker waits for the one that died."""
KEYTURN = (sys.executable, "-m", "orchestrator.cli")
"""Run in the patient's folder, so that what is installed is imported, not the checkout."""
PRIVATE_KEY = b"PRIVATE KEY"


class Patient:
    """One Keyturn with one rotation to carry, for a pair of systems that nobody else uses. Close it when done."""

    def __init__(self, folder: Path, url: str, simulator: Simulator, pair: Pair) -> None:
        """``url`` is the store's; empty for SQLite in the folder."""
        self.folder = folder
        self.data = folder / "data"
        self.logs: list[Path] = []
        """strace's, one for each worker that ran under it."""
        self.needed_consent = False
        self._simulator = simulator
        self._pair = pair
        config = folder / "config" / "keyturn.toml"
        self.app = App(Settings(config_file=config, data=self.data, store=StoreSettings(url=url)))
        self.app.upkeep.initialise()
        # Without these bundles nothing is rotated unasked: there is one rotation and no other.
        connect(self.app, pair.credentials, bundles={})
        others = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
        self._environment = others | {
            "KEYTURN_CONFIG": str(config),
            "KEYTURN_DATA": str(self.data),
            "KEYTURN_STORE__URL": url or f"sqlite:///{self.data / 'keyturn.db'}",
            "KEYTURN_WORKER__LEASE": str(LEASE),
            "KEYTURN_WORKER__POLL": "0.05",
        }
        self._rotation = self.app.rotations.request(NAME, actor="tester").id
        # From here until a worker completes it the test keeps out of the database: had it a connection open, SQLite
        # would have nothing to recover when the worker dies; and closing the last one would tidy up behind it.
        self.app.close()
        self.disk = {file.name: file.read_bytes() for file in self.data.glob("keyturn.db*")}
        """SQLite's files before any worker ran."""

    def close(self) -> None:
        self.app.close()

    @property
    def rotation(self) -> Rotation:
        return self.app.rotations.show(self._rotation)

    # --- who dies

    def carried(self) -> list[Call]:
        """Let a worker carry the rotation; return its calls."""
        return self._victim(None).end()

    def struck(self, *kills: Point) -> bool:
        """Kill one worker after the other, each at its point; tell whether each of them was hit there."""
        for place, kill in enumerate(kills):
            if place:
                outlive_lease()
            if not self._victim(kill).strike():
                return False
        return True

    def _victim(self, point: Point | None) -> Victim:
        """`keyturn run-due`: it carries rotations in its main thread, so that its calls count the same in every run."""
        log = self.folder.with_name(f"strace-{len(self.logs)}")  # not in the folder: strace sees the keys that are sent
        self.logs.append(log)
        return Victim([*KEYTURN, "run-due"], self._environment, self.folder, log, point)

    # --- who completes

    def finish(self) -> None:
        """Let `keyturn worker` complete the rotation. What the dead one left holds no plain key."""
        assert [] == files_with_private_key(self.folder)
        with (self.folder / "worker.log").open("ab") as log:
            command = [*KEYTURN, "worker", "--threads", "1"]
            process = subprocess.Popen(command, env=self._environment, cwd=self.folder, stdout=log, stderr=log)
        try:
            until(self._is_settled)
            if self.rotation.state is State.FAILED:
                self._consent()
                until(self._is_settled)
        finally:
            process.kill()
            process.wait()

    def _is_settled(self) -> bool:
        return self.rotation.state in (State.COMPLETED, State.FAILED)

    def _consent(self) -> None:
        """Do what a person is asked to do when the worker died with OpenAir's next refresh token in its hands.

        OpenAir voids a refresh token when it is used; the next one was in the answer that nobody stored. No program
        can mend that. It must have been told, and before anything was installed.
        """
        parked = self.rotation
        assert parked.failure
        assert ("SIGN_IN_REFUSED", State.KEY_GENERATED) == (parked.failure.code, parked.failure.failed_from)
        assert "The answer to an earlier refresh was lost" in parked.failure.message
        assert "Consent again in OpenAir" in parked.failure.next_action
        token = {SecretName.OPENAIR_REFRESH_TOKEN: new_refresh_token(self._pair.credentials)}
        self.app.connections.edit(self.app.connections.show(NAME), token)
        self.app.rotations.resume(parked.id, actor="tester")
        self.needed_consent = True

    # --- what became of it

    def assert_well(self) -> None:
        """Completed, one candidate, one upload and one save of it, OpenAir second, journal whole, no plain key."""
        done = self.rotation
        history = self._simulator.history.entries(account=self._pair.credentials.account)
        assert done.state is State.COMPLETED
        assert done.candidate
        assert [done.candidate.fingerprint] == installed(history) == saved(history)
        assert_openair_came_second(history)
        entries = self.app.rotations.journal(done.id)
        moves = [entry.event for entry in entries if entry.source is not entry.target]
        if self.needed_consent:
            moves = [move for move in moves if move not in (table.FAIL, table.RESUME)]
        assert list(range(1, len(entries) + 1)) == [entry.seq for entry in entries]
        assert ["request", *(edge.trigger for edge in table.FORWARD)] == moves
        assert len(entries) == self.app.upkeep.verify_journal()
        assert [] == files_with_private_key(self.folder)
        assert [] == self._pair.netsuite.record.cabinet.paths_with_private_key()


def outlive_lease() -> None:
    """Wait until whatever a worker that is dead by now held is free again."""
    over = time.monotonic() + LEASE
    until(lambda: time.monotonic() > over)


def files_with_private_key(folder: Path) -> list[str]:
    """The files below ``folder`` that hold a private key in the clear."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and PRIVATE_KEY in file.read_bytes()]


def new_refresh_token(credentials: Credentials) -> str:
    """Consent in OpenAir, as a person does in a browser."""
    site = f"{credentials.openair_url}/login/oauth2/v1"
    back = "https://127.0.0.1/done"
    query = {"response_type": "code", "client_id": credentials.openair_client_id, "redirect_uri": back, "scope": "xml"}
    answer = requests.get(f"{site}/authorize", params=query, allow_redirects=False, timeout=PATIENCE)
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    client = (credentials.openair_client_id, credentials.openair_client_secret)
    token: str = requests.post(f"{site}/token", form, auth=client, timeout=PATIENCE).json()["refresh_token"]
    return token
