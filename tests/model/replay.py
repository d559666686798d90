"""Replays a run of the model with the real engine, lifecycle and store, and compares after each step."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from support.factories import NOW, a_rotation, add, carry, next_move, requested

from persistence.store import Claim, Store
from states import machine, table
from states.certificate import Certificate
from states.connection import OnRefusal, Policy
from states.errors import ForeignRotation, KeyturnError, ParkedByPerson, RotationOpen, Stale
from states.rotation import Absence, Allowances, Candidate, Rotation
from states.state import State
from states.table import ABANDON, FAIL, NEXT, RESUME
from tests.model.trace_systems import Mute, Systems
from tests.model.trace_worker import A_MOMENT, A_WHILE, LEASE, Diverged, Worker

MODEL: Final = Path(__file__).parents[2] / "verification" / "model" / "rotation.pml"
ADA: Final = 2
"""The model's number for the operator who asks both systems how a parked rotation may end."""

MUTED: Final = 4
"""In the model, a candidate's number is so much higher where NetSuite cannot sign with it."""
CALLS: Final = ("sign", "install", "read", "save")
WRITES: Final = ("check", "move", "unknown", "postpone", "park", "release", "note", "close")
"""What a worker does with the store; it writes nothing when it checks its hold."""
_WORKERS_EVENTS: Final = (*CALLS, *WRITES, "claim", "crash", "aged", "restore", "adopt", "give_up")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in the model, or the row as it was written."""

    name: str
    words: tuple[str, ...]

    @property
    def pairs(self) -> dict[str, str]:
        """The words of the form ``name=value``."""
        return dict(word.split("=") for word in self.words if "=" in word)

    @property
    def worker(self) -> int | None:
        """The worker whose event this is, or None."""
        return int(self.words[0]) if self.name in _WORKERS_EVENTS else None

    def __str__(self) -> str:
        return " ".join((self.name, *self.words))

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "list[Event]":
        """The events among the lines that spin printed."""
        words = (line.split() for line in lines)
        return [cls(said[1], tuple(said[2:])) for said in words if said[:1] == ["@"]]


# --- the replay -------------------------------------------------------------------------------------------------------


class Replay:
    """Does with the real code what the model did, and compares after each step."""

    def __init__(self, store: Store, url: str, connection: str) -> None:
        """``connection`` is in ``store`` and has no rotation; ``url`` is where the workers open it themselves."""
        self._store = store
        self._connection = connection
        self._ids = (f"{connection}/0", f"{connection}/1")
        self._systems = Systems()
        self._workers = [Worker(name, url, self._systems) for name in ("w0", "w1", "ada")]
        _complete_first(store, connection, self._systems.previous)
        self._held: dict[str, Claim] = {}
        self._seen: dict[str, Rotation] = {}
        self._settled = NOW
        """It is later than this: what was in flight has landed."""
        self._numbers: dict[str, str] = {}
        """The model's number of each certificate, by fingerprint."""

    def run(self, events: Sequence[Event]) -> None:
        """Replay the events, up to a violation if there is one.

        Raises Diverged at the first difference, with the way there.
        """
        for worker, who in enumerate(self._workers):
            who.coming.extend(event.name for event in events if event.worker == worker)
        for done, event in enumerate(events):
            if event.name == "violated":
                return
            try:
                self._replay(event)
            except (AssertionError, KeyturnError) as error:
                way = "\n".join(map(str, events[: done + 1]))
                raise Diverged(f"{error}\n{way}") from error

    def close(self) -> None:
        """End both workers."""
        for worker in self._workers:
            worker.kill()
            worker.store.close()

    def _replay(self, event: Event) -> None:
        if event.name == "aged":
            return  # the worker's clock took it
        if event.worker is not None:
            worker = self._workers[event.worker]
            assert worker.coming.popleft() == event.name
            if event.name in WRITES:
                worker.go_on(event.name, "")
                assert (event.name, event.words[1]) == (event.name, worker.result)
                return
            if event.name in CALLS:
                worker.go_on(event.name, event.words[1])
                return
        getattr(self, f"_{event.name}")(*event.words)

    # --- workers and leases

    def _claim(self, worker: str, rotation: str) -> None:
        who, wanted = self._workers[int(worker)], self._ids[int(rotation)]
        # A worker claims it a while after the last action of every other process.
        who.clock.time = self._now() + A_WHILE
        claim = who.store.claims.claim(who.name, lease=LEASE, now=who.clock.time, rotation_id=wanted)
        assert claim, "the model claims what the store does not give"
        self._held[wanted] = claim
        who.carry(claim)

    def _about(self, worker: str, to_do: str) -> None:
        assert to_do == self._workers[int(worker)].at

    def _crash(self, worker: str) -> None:
        self._workers[int(worker)].kill()

    def _expire(self, rotation: str) -> None:
        self._store.claims.renew(self._held[self._ids[int(rotation)]], lease=-1)

    # --- the two systems

    def _foreign(self, where: str, what: str = "") -> None:
        if where == "openair":
            self._systems.openair = self._systems.foreign
        else:
            foreign = self._systems.foreign
            self._systems.netsuite = (None, Mute(foreign), foreign, self._systems.previous)[int(what)]

    def _land(self, what: str, _rotation: str) -> None:
        if what == "save":
            assert self._systems.late_save
            self._systems.openair = self._systems.late_save
        else:
            assert self._systems.late_install
            certificate, create = self._systems.late_install
            self._systems.install(certificate, create=create)
        self._drop(what, _rotation)

    def _drop(self, what: str, _rotation: str) -> None:
        setattr(self._systems, f"late_{what}", None)

    def _settle(self, rotation: str) -> None:
        """The hold-off is over, and with it every deadline that was set before it began."""
        until = self._store.rotations.get(self._ids[int(rotation)]).doubt.in_flight_until
        assert until
        self._settled = max(self._settled, until + A_MOMENT)
        # What Ada has not noted by now, she notes later.
        self._systems.time = self._workers[ADA].clock.time = self._now()

    # --- people

    def _request(self, rotation: str) -> None:
        current = self._store.connections.get(self._connection).current
        now = self._now()
        new = a_rotation(
            id=self._ids[int(rotation)],
            connection=self._connection,
            previous=current,
            now=now,
            policy=Policy(on_refusal=OnRefusal.PARK),  # in these runs of the model only a person restores
        )
        stored = add(self._store, new)
        before = self._store.rotations.get(self._ids[0]).doubt.in_flight_until if rotation != "0" else None
        assert max(now, before or now) == stored.available_at
        with pytest.raises(RotationOpen):
            add(self._store, replace(new, id=f"{new.id}/second"))

    def _look(self, rotation: str) -> None:
        self._seen[rotation] = self._store.rotations.get(self._ids[int(rotation)])

    def _halt(self, rotation: str) -> None:
        before = self._store.rotations.get(self._ids[int(rotation)])
        self._decide(before, machine.fail(before, ParkedByPerson(), self._now()), FAIL, "stored")

    def _resume(self, rotation: str, create: str, overwrite: str, result: str) -> None:
        may = Allowances(create_record=create == "create=1", overwrite=overwrite == "overwrite=1")
        self._decide(self._seen[rotation], machine.resume(self._seen[rotation], self._now(), may), RESUME, result)

    def _abandon(self, rotation: str, result: str) -> None:
        seen = self._seen[rotation]
        made = seen.proofs.candidate  # the model's operator knows that it was never sent; Keyturn asks in any case
        absence = made and Absence(made.fingerprint, self._now(), ("NetSuite signed with another key.",) * 2)
        self._decide(seen, machine.abandon(seen, self._now(), absence), ABANDON, result)
        assert seen.proofs.candidate is None or seen.proofs.candidate.fingerprint not in self._systems.sent

    def _restore(self, _ada: str, rotation: str, overwrite: str) -> None:
        who, wanted = self._workers[ADA], self._ids[int(rotation)]
        who.clock.time = self._now()
        who.restore(wanted, overwrite=overwrite == "overwrite=1")
        assert who.claim, "the model restores what the code does not"
        self._held[wanted] = who.claim

    def _adopt(self, _ada: str, rotation: str) -> None:
        self._workers[ADA].clock.time = self._now()
        self._workers[ADA].adopt(self._ids[int(rotation)])

    def _give_up(self, _ada: str, rotation: str) -> None:
        self._workers[ADA].clock.time = self._now()
        self._workers[ADA].abandon(self._ids[int(rotation)])

    def _decide(self, before: Rotation, after: Rotation, event: str, expected: str) -> None:
        result = "stored"
        try:
            self._store.rotations.write(before, after, event=event, actor="ada", detail={})
        except Stale:
            result = "stale"
        assert (event, expected) == (event, result)

    # --- what is compared

    def _row(self, number: str, state: str, *words: str) -> None:
        """The stored rotation, its proofs, and what both systems hold are as the model has them."""
        rotation = self._store.rotations.get(self._ids[int(number)])
        expected = Event("row", words).pairs
        if rotation.proofs.candidate and expected["candidate"] != "0":
            self._numbers.setdefault(rotation.proofs.candidate.fingerprint, expected["candidate"])
        assert {"state": state, **expected} == {
            "state": rotation.state.value,
            "from": rotation.failure.failed_from.value if rotation.failure else "0",
            "ending": rotation.ending.capitalize() if rotation.ending else "0",
            "candidate": self._number(rotation.proofs.candidate.certificate) if rotation.proofs.candidate else "0",
            "tries": str(rotation.tries),
            "doubt": str(int(rotation.doubt.since is not None)),
            "flight": str(int((rotation.doubt.in_flight_until or self._settled) > self._settled)),
            "create": str(int(rotation.allowed.create_record)),
            "overwrite": str(int(rotation.allowed.overwrite)),
            "restoring": str(int(rotation.restoring_since is not None)),
            "foreign": str(int(rotation.failure is not None and rotation.failure.code == ForeignRotation.code)),
            "netsuite": self._number(self._systems.netsuite),
            "openair": self._number(self._systems.openair),
        }
        proofs = {proof: getattr(rotation.proofs, proof) for proof in table.PROOFS}
        assert table.proofs_at(rotation.position) == tuple(name for name, proof in proofs.items() if proof)
        assert len({proof.fingerprint for proof in proofs.values() if proof}) <= 1
        if rotation.state in (State.COMPLETED, State.FAILED):
            late = NOW.replace(year=2099)
            assert self._store.claims.claim("another", lease=LEASE, now=late, rotation_id=rotation.id) is None

    def _number(self, held: Certificate | Mute | None) -> str:
        if held is None:
            return "0"
        if isinstance(held, Mute):
            ours = self._number(held.certificate)
            return "1" if held.certificate == self._systems.foreign else str(int(ours) + MUTED)
        known = {self._systems.foreign.fingerprint: "2", self._systems.previous.fingerprint: "3", **self._numbers}
        return known.get(held.fingerprint, "-1")

    def _now(self) -> datetime:
        return max(self._settled, *(worker.clock.time for worker in self._workers))


def _complete_first(store: Store, connection: str, certificate: Certificate) -> None:
    """A rotation before the model's: it put ``certificate`` in place, and its key is kept."""
    rotation = a_rotation(id=f"{connection}/before", connection=connection)
    _, claim = store.rotations.request_for("before", requested(store, rotation), lease=LEASE)
    assert claim
    made = next_move(claim.rotation, candidate=Candidate(certificate, f"{connection} {rotation.id}".encode()))
    claim = store.rotations.advance(claim, made, event=NEXT[State.REQUESTED].trigger, detail={}, lease=LEASE)
    carry(store, claim, State.COMPLETED)
