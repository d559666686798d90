"""Properties of whole rotations under random failures in random order."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.factories import changed
from support.fake_systems import Fault
from support.pairs import a_pair
from unit.states.step_systems import StepSystems

from states import machine
from states.errors import KeyturnError, SignInRefused, Throttled, TryLater, Unknown
from states.ports import PLACEHOLDER_FILE
from states.rotation import NOTHING_ALLOWED, Allowances, Rotation
from states.state import State
from states.table import NEXT

PAIRS = [a_pair() for _ in range(3)]
"""Generated once: the previous pair, the candidate and a foreign one."""
PREVIOUS, CANDIDATE, STRANGER = PAIRS


class Killed(Exception):
    """The process ends here; another worker continues the rotation as it was stored."""


@dataclass(frozen=True, slots=True)
class Misfortune:
    """The fault of one remote call."""

    kind: str
    late: float = 0

    def fault(self, systems: StepSystems) -> Fault | None:
        """Return the fault for the fake systems, or None."""
        if self.kind in FAILURES:
            return FAILURES[self.kind](self.late)
        if self.kind in FOREIGN_CHANGES:
            return Fault(before=lambda: FOREIGN_CHANGES[self.kind](systems))
        return None


FAILURES: dict[str, Callable[[float], Fault]] = {
    "throttled": lambda _: Fault(Throttled()),
    "sign-in refused": lambda _: Fault(SignInRefused()),
    "lost": lambda _: Fault(Unknown()),
    "lost after": lambda _: Fault(Unknown(), applied=True),
    "lost, lands late": lambda late: Fault(Unknown(), late=late),
    "killed before": lambda _: Fault(Killed()),
    "killed after": lambda _: Fault(Killed(), applied=True),
}
FOREIGN_CHANGES: dict[str, Callable[[StepSystems], None]] = {
    "a stranger's key": lambda systems: systems.netsuite.hold(STRANGER),
    "the previous key": lambda systems: systems.netsuite.hold(PREVIOUS),
    "the placeholder": lambda systems: systems.netsuite.hold(STRANGER, file_name=PLACEHOLDER_FILE),
    "record deleted": lambda systems: systems.netsuite.hold(None),
    "OpenAir emptied": lambda systems: setattr(systems.openair, "held", None),
}
READS = {"netsuite.sign", "netsuite.report", "openair.read"}


def misfortunes(*kinds: str) -> st.SearchStrategy[list[Misfortune]]:
    """Generate a schedule: the fault of the first remote call, of the second, and so on; later calls succeed."""
    each = st.builds(Misfortune, st.sampled_from(["fine", "fine", *kinds]), st.sampled_from([0.5, 1.5, 30.0]))
    return st.lists(each, max_size=25)


def a_world(schedule: list[Misfortune]) -> StepSystems:
    systems = StepSystems(previous=PREVIOUS, candidate=CANDIDATE)
    coming = iter(schedule)

    def next_fault(call: str) -> Fault | None:
        misfortune = next(coming, None)
        fault = misfortune.fault(systems) if misfortune else None
        # A read never leaves a doubt: its port may not raise Unknown.
        return Fault(TryLater()) if fault and isinstance(fault.error, Unknown) and call in READS else fault

    systems.next_fault = next_fault
    return systems


def carry(systems: StepSystems, rotation: Rotation, rounds: int, *, allowed: Allowances) -> Rotation:
    """Run the rotation as workers do, for a number of rounds; a person resumes it whenever it is parked."""
    for _ in range(rounds):
        systems.clock.advance(1)
        now = systems.attempt.began = systems.clock.now()
        if rotation.state is State.COMPLETED:
            break
        if rotation.state is State.FAILED:
            rotation = machine.resume(rotation, now, allowed)
            continue
        edge = NEXT[rotation.state]
        assert edge.step
        try:
            proof = edge.step(rotation, systems.ports, systems.attempt)
            rotation = machine.advance(rotation, edge, proof, systems.clock.now())
        except (Unknown, Killed):
            rotation = changed(rotation, doubt_since=rotation.doubt.since or now)
        except TryLater:
            pass
        except KeyturnError as error:
            rotation = machine.fail(rotation, error, now)
    return rotation


EVERYTHING = Allowances(create_record=True, overwrite=True)
ALLOWED = st.builds(Allowances, create_record=st.booleans(), overwrite=st.booleans())

COMMON = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@COMMON
@given(misfortunes(*FAILURES, *FOREIGN_CHANGES), ALLOWED)
def test_openair_is_never_written_before_netsuite_signed(schedule: list[Misfortune], allowed: Allowances) -> None:
    """Rule 1: each save of a certificate in OpenAir follows a signature of NetSuite with its key."""
    systems = a_world(schedule)
    carry(systems, systems.rotation(), 60, allowed=allowed)
    signed = set()
    for what, fingerprint, _ in systems.events:
        if what == "signed":
            signed.add(fingerprint)
        if what == "saved":
            assert fingerprint in signed
    assert set(systems.saved) <= {CANDIDATE.fingerprint}


@COMMON
@given(misfortunes(*FAILURES, *FOREIGN_CHANGES), ALLOWED)
def test_a_rotation_makes_one_candidate_and_installs_no_other(schedule: list[Misfortune], allowed: Allowances) -> None:
    """A rotation generates one key pair, and NetSuite receives no other, in spite of failures, kills and resumes."""
    systems = a_world(schedule)
    carry(systems, systems.rotation(), 60, allowed=allowed)
    assert (1, set(systems.installed) | {CANDIDATE.fingerprint}) == (len(systems.keys.made), {CANDIDATE.fingerprint})


@COMMON
@given(misfortunes(*FAILURES))
def test_the_skew_is_never_understated(schedule: list[Misfortune]) -> None:
    """The skew begins no later than the moment at which NetSuite saved the candidate."""
    systems = a_world(schedule)
    rotation = carry(systems, systems.rotation(), 60, allowed=NOTHING_ALLOWED)
    taken = min((at for what, _, at in systems.events if what == "installed"), default=None)
    if rotation.skew_from:
        assert taken
        assert rotation.skew_from <= taken


@COMMON
@given(misfortunes(*FAILURES))
def test_every_rotation_completes_in_the_end(schedule: list[Misfortune]) -> None:
    """When the systems answer again, every rotation completes, and both systems hold its candidate."""
    systems = a_world(schedule)
    rotation = carry(systems, systems.rotation(), 200, allowed=NOTHING_ALLOWED)
    assert State.COMPLETED is rotation.state
    assert systems.netsuite.holds
    assert systems.openair.held
    assert {CANDIDATE.fingerprint} == {systems.netsuite.holds.fingerprint, systems.openair.held.fingerprint}


@COMMON
@given(misfortunes(*FAILURES, *FOREIGN_CHANGES))
def test_a_person_who_allows_everything_brings_it_to_its_end(schedule: list[Misfortune]) -> None:
    """With permission to overwrite and create, every rotation completes in spite of foreign changes."""
    systems = a_world(schedule)
    rotation = carry(systems, systems.rotation(), 200, allowed=EVERYTHING)
    assert State.COMPLETED is rotation.state


@COMMON
@given(misfortunes(*FAILURES))
def test_the_candidate_is_applied_once_where_nothing_is_lost_for_long(schedule: list[Misfortune]) -> None:
    """Late landings of half the delay are waited for: NetSuite takes the candidate once, however often it is asked."""
    soon = [replace(each, late=0.5) for each in schedule]
    systems = a_world(soon)
    carry(systems, systems.rotation(), 200, allowed=NOTHING_ALLOWED)
    assert [CANDIDATE.fingerprint] == systems.installed
