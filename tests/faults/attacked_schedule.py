"""A random schedule in which an attacker also writes the database, without Keyturn and without its key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from orchestrator.events import ConnectionSaved, Event
from persistence.store import Claim
from simulator import Pair
from states.errors import ForeignRotation, IllegalMove, JournalBroken, RotationOpen, SealBroken, Tampered
from states.rotation import Failure, Rotation
from states.state import State
from tests.faults.actors import Actor
from tests.faults.advised_operator import Person
from tests.faults.database_writer import NAMES_OF_ATTACKS, ROTATION_ATTACKS, DatabaseWriter
from tests.faults.random_schedule import Schedule
from tests.faults.schedule_actions import actions, names
from tests.faults.summary import ATTACKED, COUNTS

_AFTER_AN_ATTACK = {each.code for each in (Tampered, ForeignRotation, SealBroken, IllegalMove)}
"""Why a rotation may be parked where the attacker wrote. NetSuite may hold the certificate of a changed rotation that
was given up; what was put back with a row may not fit any more."""
_MAY_ASK = ("abandon", "park")
"""The verbs that a changed rotation still knows. `abandon` asks NetSuite to sign, and believes nothing else."""

attacking = st.tuples(st.just("attack"), names, st.sampled_from(NAMES_OF_ATTACKS))
attacking_rotations = st.tuples(st.just("attack"), names, st.sampled_from(ROTATION_ATTACKS))
repairing = st.tuples(st.just("repair"), names)
writing = st.one_of(attacking, attacking_rotations, attacking_rotations, repairing)


class AttackedSchedule(Schedule):
    """Also with an attacker, no rule is broken, nothing is sent for what he changed, and the way out leads out."""

    @rule(action=st.one_of(*[actions] * 6, writing))
    def happens(self, action: tuple[str, Any]) -> None:
        """One action of one actor, or of the attacker."""
        super().happens(action)

    def start(self) -> None:
        app = self._app()
        self.virtual_time.rule(app.store)
        self.attacker = DatabaseWriter(app.store._database)
        self.removed = self.attacker.removed

        def receive(event: Event) -> None:
            if isinstance(event, ConnectionSaved):
                self.attacker.forget(event.connection)

        self.opened.enter_context(self.operator_app.events.listening(receive))

    def attack(self, name: str, what: str) -> None:
        """The attacker writes."""
        self.attacker.write(name, what)

    def repair(self, name: str) -> None:
        """A person gives a connection again that was changed, unless its open rotation does not allow that yet."""
        if name in self.attacker.changed():
            self.simulator.faults.clear()  # else they strike the person's browser
            with suppress(RotationOpen):
                Person(self.operator_app, self.pairs[name], name, lambda actions: actions[0]).give_again()

    # --- what he changed is not acted on

    def request(self, actor: Actor, name: str) -> None:
        is_changed = name in self.attacker.changed()
        try:
            super().request(actor, name)
        except Tampered:
            assert name in self.attacker.touched
        else:
            assert not is_changed, f"{name} was changed, and its rotation begins"

    def begin(self, actor: Actor, rotation: Rotation, verb: str, /, action: Callable[[], object]) -> None:
        with self._watching(rotation, verb) as is_changed:
            super().begin(actor, rotation, verb, action)
        assert not (is_changed and actor.place), f"{actor.name} sends something, to {verb} {rotation}"

    def carry(self, claim: Claim) -> None:
        with self._watching(claim.rotation, "carry"):
            super().carry(claim)

    @contextmanager
    def _watching(self, rotation: Rotation, verb: str) -> Iterator[bool]:
        """Watch that nothing is sent where something was changed; say whether it was."""
        changed, before = self.attacker.unusable(), len(self.simulator.history.entries())
        is_changed = rotation.connection in changed or (rotation.id in changed and verb not in _MAY_ASK)
        yield is_changed
        if is_changed:
            COUNTS[f"changed, and nothing sent: {verb}"] += 1
            assert before == len(self.simulator.history.entries()), f"something was sent, to {verb} {rotation}"
            if verb == "carry" and rotation.state is not State.FAILED:
                failure = self.operator_app.rotations.show(rotation.id).failure
                assert failure
                assert Tampered.code == failure.code

    # --- what always holds, and at the end

    def verify_journal(self) -> None:
        if self.attacker.changed():
            with pytest.raises(JournalBroken):
                super().verify_journal()
            COUNTS["changed, and shown by journal verify"] += 1
        elif not self.attacker.touched:
            super().verify_journal()

    def is_true(self, failure: Failure, rotation: Rotation) -> bool:
        is_touched = rotation.connection in self.attacker.touched
        return (is_touched and failure.code in _AFTER_AN_ATTACK) or super().is_true(failure, rotation)

    def agree(self, name: str, pair: Pair) -> None:
        is_forgotten = name in self.attacker.touched and not self.operator_app.connections.show(name).current
        if not is_forgotten and name not in self.attacker.changed():
            super().agree(name, pair)

    def end(self) -> None:
        super().end()
        self.verify_journal()
        COUNTS[ATTACKED] += bool(self.attacker.touched)
