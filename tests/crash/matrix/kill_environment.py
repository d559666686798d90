"""A Keyturn of its own for each kill: folder, database, account; and the workers that die of it or complete it."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from crash.matrix.traced_worker import WAIT_LIMIT, TracedWorker
from crash.matrix.tracing import Call, Point
from security.secret_search import Secrets
from support.environment import NAME, connect, consent
from support.polling import until
from support.request_history import assert_openair_came_second, installed, saved

from orchestrator.adapters.keys import VaultKeys
from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from orchestrator.settings import Settings, StoreSettings
from simulator import Entry, Pair, Simulator
from states import table
from states.certificate import Certificate
from states.rotation import Candidate, Failure, Rotation
from states.state import State

LEASE = 1
"""Seconds; the shortest there is: for so long the next worker waits for the one that died."""
KEYTURN = (sys.executable, "-m", "orchestrator.cli")
"""Run in the environment's folder, so that the installed package is imported, not the checkout."""


class KillEnvironment:
    """One Keyturn that was set up and has a certificate to renew, with its own pair of systems.

    Close it when done.
    """

    def __init__(self, folder: Path, url: str, simulator: Simulator, pair: Pair) -> None:
        """``url`` is the store's; empty for SQLite in the folder."""
        self.folder = folder
        self.data = folder / "data"
        self.logs: list[Path] = []
        """strace's, one for each worker that ran under it."""
        self._left: list[bytes] = []
        self.parked: list[Failure] = []
        """Why a person had to do something."""
        self._simulator = simulator
        self._pair = pair
        config = folder / "config" / "keyturn.toml"
        self.app = Keyturn(Settings(config_file=config, data=self.data, store=StoreSettings(url=url)))
        self.app.installation.initialise()
        # Without these bundles nothing is rotated unasked: there is this rotation and no other.
        connect(self.app, pair.credentials, bundles={})
        self.previous = self._set_up()
        self._consent()  # so that the tokens are renewed in the rotation
        others = {name: value for name, value in os.environ.items() if not name.startswith("KEYTURN_")}
        self._environment = others | {
            "KEYTURN_CONFIG": str(config),
            "KEYTURN_DATA": str(self.data),
            "KEYTURN_STORE__URL": url or f"sqlite:///{self.data / 'keyturn.db'}",
            "KEYTURN_WORKER__LEASE": str(LEASE),
            "KEYTURN_WORKER__POLL": "0.05",
        }
        self._rotation = self._begin()
        # From here until a worker completes it the test keeps out of the database: had it a connection open, SQLite
        # would have nothing to recover when the worker dies; and closing the last one would tidy up behind it.
        self.app.close()
        self.disk = {file.name: file.read_bytes() for file in self.data.glob("keyturn.db*")}
        """SQLite's files before any worker ran."""

    def _set_up(self) -> Certificate:
        """The undisturbed initial set-up; returns the certificate that is in use from now on."""
        _, claim = self.app.rotations.request_and_claim(NAME, actor="tester")
        assert claim
        with self.app.engine() as engine:
            done = engine.run(claim)
        assert done.state is State.COMPLETED
        assert done.proofs.candidate
        return done.proofs.candidate.certificate

    def _begin(self) -> str:
        """Bring about what the workers die of; return the rotation's id."""
        return self.app.rotations.request(NAME, actor="tester").id

    def close(self) -> None:
        self.app.close()

    @property
    def rotation(self) -> Rotation:
        return self.app.rotations.show(self._rotation)

    @property
    def history(self) -> Sequence[Entry]:
        """What both systems were asked and did."""
        return self._simulator.history.entries(account=self._pair.credentials.account)

    # --- who dies

    def carried(self) -> list[Call]:
        """Let a worker carry the rotation; return its calls."""
        return self._traced_worker(None).end()

    def miss(self, *kills: Point) -> tuple[int, list[Call]] | None:
        """Kill one worker after the other, each at its point.

        Return the place of the first that was not hit there, and its calls; None where each was.
        """
        for place, kill in enumerate(kills):
            if place:
                outlive_lease()
            made = self._traced_worker(kill).end()
            if made[-1:] != [kill.call]:
                return place, made
        return None

    def _traced_worker(self, point: Point | None) -> TracedWorker:
        """`keyturn run-due`: it carries rotations in its main thread, so that its calls count the same in every run."""
        log = self.folder.with_name(f"strace-{len(self.logs)}")  # not in the folder: strace sees the keys that are sent
        self.logs.append(log)
        return TracedWorker([*KEYTURN, "run-due"], self._environment, self.folder, log, point)

    # --- who completes

    def finish(self) -> None:
        """Let `keyturn worker` complete the rotation, and keep for later what the dead one left."""
        self._left += contents(self.folder)
        with (self.folder / "worker.log").open("ab") as log:
            command = [*KEYTURN, "worker", "--threads", "1"]
            process = subprocess.Popen(command, env=self._environment, cwd=self.folder, stdout=log, stderr=log)
        try:
            until(lambda: has_opened_the_database(process), limit=WAIT_LIMIT)
            self._settle()
        finally:
            process.kill()
            process.wait()

    def _settle(self) -> None:
        until(self._is_settled, limit=WAIT_LIMIT)
        while self.rotation.state is State.FAILED:
            self._follow_next_action()
            until(self._is_settled, limit=WAIT_LIMIT)

    def _is_settled(self) -> bool:
        return self.rotation.state in (State.COMPLETED, State.FAILED)

    def _follow_next_action(self) -> None:
        """Do what a person is asked to do, and resume.

        OpenAir voids a refresh token when it is used. The next one may have died with a worker, or with a disk.
        """
        failure = self.rotation.failure
        assert failure
        self.parked.append(failure)
        if failure.code == "SIGN_IN_REFUSED":
            assert "OpenAir's refresh token is void" in failure.message
            assert "consent in OpenAir again" in failure.next_action.because
            self._consent()
        else:
            assert "FOREIGN_ROTATION" == failure.code
        overwrite = "FOREIGN_ROTATION" in [each.code for each in self.parked]
        self.app.rotations.resume(self._rotation, actor="tester", overwrite=overwrite)

    def _consent(self) -> None:
        token = {SecretName.OPENAIR_REFRESH_TOKEN: consent(self._pair.credentials)}
        self.app.connections.edit(self.app.connections.show(NAME), token, actor="tester")

    # --- what became of it

    def assert_well(self) -> None:
        """Completed, one candidate, one upload and one save of it, OpenAir second, journal whole, no plain key.

        If a person had to consent, that was reported correctly, and before NetSuite was given anything.
        """
        done = self.rotation
        assert done.state is State.COMPLETED
        assert done.proofs.candidate
        expected = [self.previous.fingerprint, done.proofs.candidate.fingerprint]
        assert expected == installed(self.history) == saved(self.history)
        assert_openair_came_second(self.history)
        assert None is self.app.store.rotations.kept_key(self.previous)
        for failure in self.parked:
            assert "The answer to an earlier refresh was lost" in failure.message
            assert State.KEY_GENERATED is failure.failed_from
        entries = self.app.rotations.journal(done.id)
        moves = [entry.event for entry in entries if entry.source is not entry.target]
        assert list(range(1, len(entries) + 1)) == [entry.seq for entry in entries]
        assert ["request", *(edge.trigger for edge in table.FORWARD)] == [
            move for move in moves if move not in (table.FAIL, table.RESUME)
        ]
        assert len(self.parked) == moves.count(table.FAIL) == moves.count(table.RESUME)
        assert self.app.journal.verify().entries > self.app.journal.verify(done.id).entries == len(entries)
        assert set() == self._leaks(done.id, done.proofs.candidate)
        assert [] == self._pair.netsuite.record.file_cabinet.paths_with_private_key()

    def _leaks(self, made_by: str, kept: Candidate) -> set[str]:
        """The private keys that lay in the clear in the folder, when a worker had died there or in the end.

        ``kept`` is the candidate of the rotation ``made_by`` whose key is in use now.
        """
        secrets = Secrets()
        secrets.add_key("the one in use", VaultKeys(self.app.vault).open(made_by, kept).reveal())
        secrets.add_key("the one to sign in with", self._pair.credentials.private_key_pem)
        return {name for content in [*self._left, *contents(self.folder)] for name in secrets.found_in(content)}


def has_opened_the_database(worker: subprocess.Popen[bytes]) -> bool:
    """Its threads come after that."""
    assert worker.poll() is None, "the worker left"
    return len(list(Path(f"/proc/{worker.pid}/task").iterdir())) > 1


def outlive_lease() -> None:
    """Wait until the leases of dead workers have expired."""
    over = time.monotonic() + LEASE
    until(lambda: time.monotonic() > over)


def contents(folder: Path) -> list[bytes]:
    """What is in all the files below ``folder``."""
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
