"""A Keyturn whose scheduled rotation OpenAir refused: the workers that die restore the previous certificate."""

from dataclasses import replace

from crash.matrix.kill_environment import KillEnvironment
from crash.matrix.traced_worker import WAIT_LIMIT
from integration.recovery.environment import NO_SAVE
from support.environment import NAME
from support.polling import until
from support.request_history import assert_openair_came_second, installed, saved

from states.rotation import Ending
from states.state import State
from states.table import RESTORE


class RestoreEnvironment(KillEnvironment):
    """As KillEnvironment, with a rotation that was parked during an outage, which its worker ends without a person."""

    def _begin(self) -> str:
        self._simulator.faults.add(replace(NO_SAVE, account=self._pair.credentials.account))
        requested = self.app.rotations.request(NAME, actor="schedule", scheduled=True)
        claim = self.app.store.claims.claim("first", lease=15, now=self.app.clock.now(), rotation_id=requested.id)
        assert claim
        with self.app.engine() as engine:
            parked = engine.run(claim)
        assert (State.FAILED, State.UPLOADED_TO_NETSUITE) == (parked.state, parked.position)
        assert not parked.awaits_person
        return requested.id

    def _settle(self) -> None:
        until(lambda: not self.rotation.is_open or self.rotation.awaits_person, limit=WAIT_LIMIT)

    def assert_well(self) -> None:
        """Closed as restored, once; both systems hold the previous certificate, which was sent once and never saved
        again; imports are accepted; the journal is whole; no key lies in the clear.
        """
        done = self.rotation
        assert done.proofs.candidate
        assert (State.FAILED, Ending.RESTORED) == (done.state, done.ending)
        previous, candidate = self.previous.fingerprint, done.proofs.candidate.fingerprint
        assert [previous, candidate, previous] == installed(self.history)
        assert [previous] == saved(self.history)
        assert_openair_came_second(self.history)
        account = self._pair.credentials.account
        assert "project=T" == self._simulator.import_requests.send(account)
        entries = self.app.rotations.journal(done.id)
        assert list(range(1, len(entries) + 1)) == [entry.seq for entry in entries]
        assert 1 == [entry.event for entry in entries].count(RESTORE)
        assert self.app.journal.verify().entries > self.app.journal.verify(done.id).entries == len(entries)
        kept = self.app.store.rotations.kept_key(self.previous)
        assert kept
        assert set() == self._leaks(*kept)
        assert [] == self._pair.netsuite.record.file_cabinet.paths_with_private_key()
