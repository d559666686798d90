"""One connection's systems, keys and clock, for steps that run without an engine."""

from dataclasses import dataclass, field
from typing import Any

from support.clock import FakeClock
from support.fake_systems import FakeSystems
from support.pairs import NOW, Pair, a_pair
from support.randomness import FakeRandom
from unit.states.fake_attempt import FakeAttempt, FakeKeys
from unit.states.rotations import a_rotation

from states import machine, table
from states.ports import Ports
from states.rotation import Proof, Rotation
from states.state import State


@dataclass
class StepSystems(FakeSystems):
    """One connection's two systems, its keys and its clock. At first both systems hold ``previous``."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    previous: Pair = field(default_factory=a_pair)
    candidate: Pair = field(default_factory=a_pair)
    keys: FakeKeys = field(init=False)
    attempt: FakeAttempt = field(init=False)
    ports: Ports = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hold(self.previous)
        self.keys = FakeKeys(self)
        self.attempt = FakeAttempt(self)
        self.ports = Ports(self.netsuite, self.openair, self.keys, self.clock, FakeRandom())

    def rotation(self, position: State = State.REQUESTED, **changes: Any) -> Rotation:
        """Return a rotation from ``previous`` to ``candidate`` in ``position``, with systems that match it."""
        reached = table.proofs_at(position)
        if "confirmation" in reached:
            self.netsuite.hold(self.candidate)
        if "saved" in reached:
            self.openair.held = self.candidate.certificate
        return a_rotation(self.candidate, position, **{"previous": self.previous.certificate, **changes})

    def moved(self, rotation: Rotation, proof: Proof) -> Rotation:
        """Return the rotation after its next step returned ``proof``."""
        return machine.advance(rotation, table.NEXT[rotation.state], proof, self.clock.now())
