"""What the engine makes of whatever comes of a step: the real store, both systems in memory."""

import errno
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import NOW, a_certificate, a_connection, a_rotation, begin, key_pem, signed

from orchestrator import patience
from orchestrator.engine import Engine
from orchestrator.heart import Heart
from orchestrator.patience import TABLE
from persistence.journal import PUT_OFF, UNKNOWN, Entry
from persistence.store import Store
from states import steps, window
from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import AwaitingPerson, NotPermitted, Stale, Throttled, TryLater, Unknown
from states.ports import Ports
from states.rotation import HOLD_OFF, Candidate, Confirmation, PrivateKey, Rotation
from states.state import State
from states.table import FAIL, FORWARD

LEASE = 60.0
CALL = timedelta(seconds=0.25)
"""How long every remote call takes."""


class FakeClock:
    def __init__(self) -> None:
        self.moment = NOW
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


class FakeRandom:
    def bytes(self, count: int) -> bytes:
        return b"random".ljust(count, b".")

    def fraction(self) -> float:
        return 0.25


@dataclass
class Systems:
    """NetSuite, OpenAir and the keys, which misbehave when told to."""

    clock: FakeClock
    netsuite: Certificate | None = None
    openair: Certificate | None = None
    calls: list[str] = field(default_factory=list)
    troubles: dict[str, deque[Exception | None]] = field(default_factory=lambda: defaultdict(deque))
    """What each call raises, time after time; where there is nothing it goes well."""
    lands: bool = False
    """Whether an install whose answer is lost takes effect."""
    after: Callable[[str], None] = lambda _call: None
    """What happens meanwhile, after each call."""

    @property
    def ports(self) -> Ports:
        return Ports(NetSuite(self), OpenAir(self), Keys(self), self.clock, FakeRandom())  # type: ignore[arg-type]

    def call(self, name: str) -> None:
        self.calls.append(name)
        self.clock.moment += CALL
        trouble = self.troubles[name].popleft() if self.troubles[name] else None
        self.after(name)
        if trouble:
            raise trouble


class NetSuite:
    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def sign(self, challenge: Challenge) -> str:
        self._systems.call("sign")
        assert self._systems.netsuite
        return signed(self._systems.netsuite, challenge.text)

    def install(self, certificate: Certificate, key: PrivateKey, challenge: Challenge, **_: object) -> str:
        assert key_pem(certificate) == key.reveal()
        try:
            self._systems.call("install")
        except Unknown:
            if self._systems.lands:
                self._systems.netsuite = certificate
            raise
        self._systems.netsuite = certificate
        return signed(certificate, challenge.text)


class OpenAir:
    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def read(self) -> Certificate | None:
        self._systems.call("read")
        return self._systems.openair

    def save(self, confirmation: Confirmation) -> None:
        self._systems.call("save")
        self._systems.openair = confirmation.certificate


class Keys:
    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        self._systems.call("generate")
        assert rotation_id
        assert connection
        return Candidate(a_certificate(now=now, days=policy.days), b"sealed")

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        assert rotation_id
        return PrivateKey(key_pem(candidate.certificate))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'keyturn.db'}")
    opened.migrate()
    opened.add_connection(a_connection())
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def systems(clock: FakeClock) -> Systems:
    previous = a_certificate()
    return Systems(clock, netsuite=previous, openair=previous)


class Stage:
    """An engine over the store and the systems, and what it tells."""

    def __init__(self, store: Store, systems: Systems, clock: FakeClock) -> None:
        self.store = store
        self.systems = systems
        self.heard: list[Rotation] = []
        self.stops_after: int | None = None
        """How often the engine may ask whether to stop before it is told so."""
        self.refusal: Exception | None = None
        """Why the connection cannot be opened."""
        heart = Heart(store, lease=LEASE)  # it never beats: no lease runs out by itself here
        self.engine = Engine(
            store,
            self._connect,
            heart,
            clock,
            stopping=self._stopping,
            listener=self.heard.append,
        )

    def run(self, state: State = State.REQUESTED, **changes: Any) -> Rotation:
        """Carry a new rotation of the certificate in NetSuite, which got to ``state`` already."""
        claim = begin(self.store, state, previous=self.systems.netsuite, **changes)
        if claim.rotation.confirmation:
            self.systems.netsuite = claim.rotation.confirmation.certificate
        if claim.rotation.saved:
            self.systems.openair = self.systems.netsuite
        return self.engine.run(claim)

    def entries(self, rotation: Rotation) -> list[Entry]:
        return self.store.journal(rotation.id)

    def last(self, rotation: Rotation) -> Entry:
        return self.entries(rotation)[-1]

    def is_held(self, rotation: Rotation) -> bool:
        """Whether a worker holds it, whenever it may be available."""
        later = rotation.available_at + timedelta(days=1)
        return self.store.claim("another", lease=1, now=later, rotation_id=rotation.id) is None

    def _connect(self, name: str) -> Ports:
        assert "acme" == name
        if self.refusal:
            raise self.refusal
        return self.systems.ports

    def _stopping(self) -> bool:
        if self.stops_after is None:
            return False
        self.stops_after -= 1
        return self.stops_after < 0


@pytest.fixture
def stage(store: Store, systems: Systems, clock: FakeClock) -> Stage:
    return Stage(store, systems, clock)


# --- forward ----------------------------------------------------------------------------------------------------------


def test_every_move_is_journaled_with_its_proof(stage: Stage) -> None:
    """Each entry has the fingerprint, what is needed to check the proof again, and how long the step took."""
    done = stage.run()
    candidate, proof = done.candidate, done.confirmation
    assert candidate
    assert proof
    fingerprint = {"fingerprint": candidate.fingerprint}
    signature = {
        "challenge": proof.challenge.nonce,
        "signature": proof.signature,
        "asked_at": proof.asked_at.isoformat(),
    }
    expected = [
        {**fingerprint, "not_after": candidate.certificate.not_after.isoformat(), "seconds": 0.25},
        {**fingerprint, **signature, "seconds": 0.75},
        {**fingerprint, "seconds": 0.5},
        {**fingerprint, "seconds": 0.5},
    ]
    moves = stage.entries(done)[1:]
    assert [edge.trigger for edge in FORWARD] == [entry.event for entry in moves]
    assert expected == [entry.detail for entry in moves]
    assert ["w1"] * 4 == [entry.actor for entry in moves]


def test_seconds_are_told_to_the_millisecond(stage: Stage, clock: FakeClock) -> None:
    """What a step took is journaled with three decimals."""
    clock.moment += timedelta(microseconds=123)
    stage.systems.after = lambda _call: setattr(clock, "moment", clock.moment + timedelta(microseconds=1456))
    assert 0.251 == stage.entries(stage.run())[1].detail["seconds"]


def test_a_completed_rotation_is_nobodys(stage: Stage) -> None:
    """The last move gives the rotation back."""
    claim = begin(stage.store, previous=stage.systems.netsuite)
    assert State.COMPLETED is stage.engine.run(claim).state
    with pytest.raises(Stale):
        stage.store.ensure_held(claim)


def test_with_the_last_move_the_next_rotation_is_drawn(stage: Stage) -> None:
    """Completed, the certificate is the connection's, due at the moment that was drawn, and there is room for more."""
    done = stage.run()
    connection = stage.store.connection("acme")
    assert done.candidate
    assert (State.COMPLETED, done) == (done.state, stage.store.rotation(done.id))
    assert done.candidate.certificate == connection.current
    assert window.draw_due_at(done.candidate.certificate, 0.25) == connection.due_at
    stage.store.request("acme", lambda _: a_rotation(id="01JDCCCCCC9999999999999999"))


def test_whoever_listens_hears_of_each_move(stage: Stage) -> None:
    """The listener is given the rotation as it was stored, after every step."""
    done = stage.run()
    assert [edge.target for edge in FORWARD] == [rotation.state for rotation in stage.heard]
    assert done == stage.heard[-1]


def test_nobody_needs_to_listen_or_to_stop(store: Store, systems: Systems, clock: FakeClock) -> None:
    """Without a listener, and with nothing that asks to stop, a rotation goes its way."""
    engine = Engine(store, lambda _: systems.ports, Heart(store, lease=LEASE), clock)
    assert State.COMPLETED is engine.run(begin(store, previous=systems.netsuite)).state


def test_a_move_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Each move is logged with rotation, connection and state."""
    with caplog.at_level(logging.INFO, "keyturn.engine"):
        done = stage.run(State.SAVED_TO_OPENAIR)
    (record,) = caplog.records
    assert ("rotation moved", logging.INFO) == (record.message, record.levelno)
    assert _about(done) == _extra(record)


def test_the_lease_is_kept_between_steps(stage: Stage) -> None:
    """While it goes on, nobody else can claim the rotation; whoever stops in between gives it back."""
    held: list[bool] = []
    stage.systems.after = lambda _call: held.append(stage.is_held(stage.store.rotations()[0]))
    stage.run()
    assert held
    assert all(held)


def test_a_rotation_is_given_back_between_two_steps(stage: Stage) -> None:
    """A process that is asked to stop ends the step in hand, gives the rotation back, and begins no other."""
    stage.stops_after = 1
    left = stage.run()
    assert (State.KEY_GENERATED, ["generate"]) == (left.state, stage.systems.calls)
    assert not stage.is_held(left)
    assert left.doubt_since is None


def test_a_worker_that_lost_its_claim_writes_nothing(stage: Stage) -> None:
    """Another worker took the rotation over: Stale is raised, and the journal is the other worker's."""
    claim = begin(stage.store, previous=stage.systems.netsuite)
    stage.store.renew(claim, lease=-1)
    assert stage.store.claim("another", lease=60, now=NOW)
    with pytest.raises(Stale):
        stage.engine.run(claim)
    assert ["request", "taken_over"] == [entry.event for entry in stage.entries(claim.rotation)]
    assert [] == stage.heard


def test_a_claim_lost_within_a_step_is_no_failure(stage: Stage) -> None:
    """A step that finds its claim lost before it writes is dropped: nothing is parked, nothing sent."""

    def taken_over(call: str) -> None:
        if call == "sign":
            stage.store.renew(claim, lease=-1)
            assert stage.store.claim("another", lease=60, now=stage.systems.clock.now())

    claim = begin(stage.store, State.KEY_GENERATED, previous=stage.systems.netsuite)
    stage.systems.after = taken_over
    with pytest.raises(Stale):
        stage.engine.run(claim)
    assert ["sign", "read"] == stage.systems.calls
    assert "taken_over" == stage.last(claim.rotation).event


# --- parked -----------------------------------------------------------------------------------------------------------


def test_a_refusal_parks_the_rotation(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """What would be refused again is parked at once: with code, reason and next action, journaled and logged."""
    stage.systems.troubles["read"].append(NotPermitted("No.", next_action="Allow it."))
    parked = stage.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("NOT_PERMITTED", "No.", "Allow it.", State.KEY_GENERATED) == (
        parked.failure.code,
        parked.failure.message,
        parked.failure.next_action,
        parked.failure.failed_from,
    )
    assert NOW + 2 * CALL == parked.failure.at == parked.updated_at
    assert (FAIL, {"code": "NOT_PERMITTED", "message": "No.", "next": "Allow it."}) == (
        stage.last(parked).event,
        stage.last(parked).detail,
    )
    assert (["sign", "read"], [parked]) == (stage.systems.calls, stage.heard)
    (record,) = caplog.records
    assert ("rotation parked", logging.ERROR) == (record.message, record.levelno)
    assert {**_about(parked), "code": "NOT_PERMITTED", "reason": "No."} == _extra(record)


def test_a_connection_that_cannot_be_opened_parks_the_rotation(stage: Stage) -> None:
    """Without the ports there is nothing to try: the rotation is parked before its first step, and told of."""
    stage.refusal = NotPermitted("The vault is locked.")
    parked = stage.run()
    assert (State.FAILED, State.REQUESTED, [parked]) == (parked.state, parked.position, stage.heard)
    assert "The vault is locked." == stage.last(parked).detail["message"]
    assert "looks" not in stage.last(parked).detail


def test_a_rotation_that_was_changed_is_parked(stage: Stage) -> None:
    """What somebody changed in the database is not carried on: nothing is called, and the reason is told."""
    claim = begin(stage.store, previous=stage.systems.netsuite)
    parked = stage.engine.run(replace(claim, rotation=replace(claim.rotation, broken="It was changed.")))
    assert parked.failure
    assert ("JOURNAL_BROKEN", "It was changed.", []) == (
        parked.failure.code,
        parked.failure.message,
        stage.systems.calls,
    )


@pytest.mark.parametrize("trouble", [TryLater(), OSError(errno.EMFILE, "Too many open files"), MemoryError()])
def test_trouble_that_is_not_the_rotations_own_parks_nothing(stage: Stage, trouble: Exception) -> None:
    """The database is away, or this machine is short of something, before the first step: given back as it was."""
    stage.refusal = trouble
    claim = begin(stage.store, previous=stage.systems.netsuite)
    with pytest.raises(type(trouble)):
        stage.engine.run(claim)
    assert not stage.is_held(claim.rotation)
    assert (claim.rotation, []) == (stage.store.rotation(claim.rotation.id), stage.heard)


def test_a_bug_parks_the_rotation_in_doubt(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """An exception that nobody foresaw is parked by its type alone, with everything since the step began in doubt."""
    stage.systems.troubles["install"].append(ZeroDivisionError("a secret"))
    parked = stage.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("INTERNAL_ERROR", "Keyturn itself failed (ZeroDivisionError); the log has the details.") == (
        parked.failure.code,
        parked.failure.message,
    )
    sent_by = NOW + 3 * CALL
    assert (NOW, sent_by + HOLD_OFF) == (parked.doubt_since, parked.in_flight_until)
    broke, told = caplog.records
    assert ("step broke", logging.ERROR, "rotation parked") == (broke.message, broke.levelno, told.message)
    assert broke.exc_info
    assert _about(replace(parked, state=State.KEY_GENERATED)) == _extra(broke)
    assert [parked] == stage.heard


def test_a_machine_that_is_short_of_something_is_waited_for(stage: Stage) -> None:
    """In mid-step nobody knows what was sent by then: the rotation is put off in doubt, and not parked."""
    stage.systems.troubles["install"].append(OSError(errno.ENOSPC, "a secret"))
    waiting = stage.run(State.KEY_GENERATED)
    now = NOW + 3 * CALL
    assert (State.KEY_GENERATED, 1, NOW, now + HOLD_OFF, now + timedelta(minutes=1)) == (
        waiting.state,
        waiting.tries,
        waiting.doubt_since,
        waiting.in_flight_until,
        waiting.available_at,
    )
    assert (PUT_OFF, "MACHINE_EXHAUSTED") == (stage.last(waiting).event, stage.last(waiting).detail["code"])
    assert "This machine is short of something that Keyturn needs: No space left on device." == waiting.waiting_for
    assert ([waiting], waiting) == (stage.heard, stage.store.rotation(waiting.id))


# --- put off ----------------------------------------------------------------------------------------------------------


def test_trouble_that_goes_on_puts_the_step_off(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """After its tries the step is put off as the table says: counted, journaled, logged, and given back."""
    stage.systems.troubles["read"].extend(TryLater("Not now.") for _ in range(5))
    before = stage.systems.clock.now()
    waiting = stage.run(State.KEY_GENERATED, tries=0)
    now = stage.systems.clock.now()
    until = now + timedelta(minutes=1)
    assert (State.KEY_GENERATED, 1, until, now) == (
        waiting.state,
        waiting.tries,
        waiting.available_at,
        waiting.updated_at,
    )
    assert before < now
    assert ("Not now.", False) == (waiting.waiting_for, waiting.awaits_person)
    assert (PUT_OFF, {"code": "TRY_LATER", "message": "Not now.", "until": until.isoformat()}) == (
        stage.last(waiting).event,
        stage.last(waiting).detail,
    )
    record = caplog.records[-1]
    assert ("rotation put off", logging.WARNING) == (record.message, record.levelno)
    assert {**_about(waiting), "code": "TRY_LATER", "until": until} == _extra(record)
    assert ([waiting], waiting) == (stage.heard, stage.store.rotation(waiting.id))
    assert not stage.is_held(waiting)


def test_waiting_in_an_outage_raises_the_alarm(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Put off in UploadedToNetSuite, the rotation waits for seconds, and the log has an error."""
    stage.systems.troubles["save"].extend(TryLater() for _ in range(8))
    waiting = stage.run(State.UPLOADED_TO_NETSUITE)
    assert timedelta(seconds=5) == waiting.available_at - waiting.updated_at
    assert {logging.ERROR} == {record.levelno for record in caplog.records}


@pytest.mark.parametrize(("asked", "waits"), [(90.0, 90), (30.0, 60)])
def test_the_longer_wait_counts(stage: Stage, asked: float, waits: int) -> None:
    """The other system's Retry-After is honoured where it is longer than the table's wait."""
    stage.systems.troubles["read"].append(Throttled(retry_after=asked))
    waiting = stage.run(State.KEY_GENERATED)
    assert timedelta(seconds=waits) == waiting.available_at - waiting.updated_at


@pytest.mark.parametrize(("seconds", "waits"), [(30, 30), (90, 60)])
def test_what_will_be_over_is_waited_for_no_longer(stage: Stage, seconds: int, waits: int) -> None:
    """Where it is known when the trouble ends, the rotation is tried again then, if that is sooner."""
    over_at = NOW + timedelta(seconds=seconds)
    stage.systems.troubles["read"].append(TryLater(retry_after=9, over_at=over_at))
    waiting = stage.run(State.KEY_GENERATED)
    assert min(over_at, waiting.updated_at + timedelta(seconds=waits)) == waiting.available_at


def test_each_put_off_counts(stage: Stage) -> None:
    """The second put-off is the longer one, and the count goes on from the first."""
    stage.systems.troubles["read"].extend(TryLater() for _ in range(10))
    first = stage.run(State.KEY_GENERATED)
    claim = stage.store.claim("w2", lease=60, now=first.available_at)
    assert claim
    second = stage.engine.run(claim)
    assert (2, timedelta(minutes=5)) == (second.tries, second.available_at - second.updated_at)


def test_patience_that_runs_out_parks_the_rotation(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last put-off the rotation is parked, with the count and the last error."""
    impatient = replace(TABLE[steps.upload_to_netsuite], attempts=1, most_put_offs=0)
    monkeypatch.setitem(patience.TABLE, steps.upload_to_netsuite, impatient)
    stage.systems.troubles["read"].append(TryLater("Not now."))
    parked = stage.run(State.KEY_GENERATED)
    assert parked.failure
    assert ("GAVE_UP", "Gave up after 1 rounds of tries. The last error: Not now.") == (
        parked.failure.code,
        parked.failure.message,
    )
    assert [parked] == stage.heard


def test_waiting_for_a_person_is_no_failure(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A person's part is waited for by the hour, without counting: who, what and until when is told."""
    stage.systems.troubles["save"].append(AwaitingPerson("A person saves it.", next_action="Save it."))
    waiting = stage.run(State.UPLOADED_TO_NETSUITE)
    now = stage.systems.clock.now()
    until = now + timedelta(hours=1)
    assert (True, 0, until, now) == (waiting.awaits_person, waiting.tries, waiting.available_at, waiting.updated_at)
    assert "A person saves it. Save it." == waiting.waiting_for
    assert {"code": "AWAITING_PERSON", "message": "A person saves it.", "until": until.isoformat()} == stage.last(
        waiting
    ).detail
    (record,) = caplog.records
    assert ("rotation waits for a person", logging.WARNING) == (record.message, record.levelno)
    assert {**_about(waiting), "code": "AWAITING_PERSON"} == _extra(record)
    assert not stage.is_held(waiting)
    assert [waiting] == stage.heard


def test_trouble_while_a_person_is_waited_for(stage: Stage) -> None:
    """A rotation that is put off for another reason does not say that it waits for a person."""
    stage.systems.troubles["save"].append(AwaitingPerson())
    waiting = stage.run(State.UPLOADED_TO_NETSUITE)
    stage.systems.troubles["sign"].extend(TryLater() for _ in range(8))
    claim = stage.store.claim("w2", lease=60, now=waiting.available_at)
    assert claim
    stage.systems.clock.moment = waiting.available_at
    assert (False, 1) == ((put_off := stage.engine.run(claim)).awaits_person, put_off.tries)


# --- in doubt ---------------------------------------------------------------------------------------------------------


def test_a_lost_answer_is_stored_before_anything_else_is_sent(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A write whose answer was lost is journaled with what is known of it, logged, and told to whoever listens."""
    stage.systems.troubles["install"].append(Unknown("Lost."))
    done = stage.run(State.KEY_GENERATED)
    lost = next(entry for entry in stage.entries(done) if entry.event == UNKNOWN)
    assert done.candidate
    at = NOW + 3 * CALL
    until = at + HOLD_OFF
    assert {
        "write": "install",
        "fingerprint": done.candidate.fingerprint,
        "began": NOW.isoformat(),
        "until": until.isoformat(),
        "code": "UNKNOWN_OUTCOME",
        "message": "Lost.",
    } == lost.detail
    assert at == lost.at
    heard = stage.heard[0]
    assert (NOW, until, at, State.KEY_GENERATED) == (
        heard.doubt_since,
        heard.in_flight_until,
        heard.updated_at,
        heard.state,
    )
    record = next(each for each in caplog.records if each.message == "answer lost")
    about = {"rotation": done.id, "connection": "acme", "write": "install", "code": "UNKNOWN_OUTCOME"}
    assert (logging.WARNING, about) == (record.levelno, _extra(record))


def test_what_is_in_flight_outlasts_the_doubt(stage: Stage) -> None:
    """A lost answer that was settled by sending again leaves the first request in flight, through every later move."""
    stage.systems.troubles["install"].append(Unknown())
    done = stage.run(State.KEY_GENERATED)
    assert (State.COMPLETED, None, NOW + 3 * CALL + HOLD_OFF) == (done.state, done.doubt_since, done.in_flight_until)


def test_a_doubt_that_is_settled_at_once(stage: Stage) -> None:
    """The lost install is found in the very same try: its move tells what was seen, and it stays in flight."""
    stage.systems.lands = True
    stage.systems.troubles["install"].append(Unknown())
    done = stage.run(State.KEY_GENERATED)
    uploaded = next(entry for entry in stage.entries(done) if entry.event == "upload_to_netsuite")
    looks = ["NetSuite signed with the certificate before.", "NetSuite signed with the candidate."]
    assert looks == uploaded.detail["looks"]
    assert (1, NOW + 3 * CALL + HOLD_OFF) == (stage.systems.calls.count("install"), done.in_flight_until)


def test_a_doubt_that_stays_is_put_off(stage: Stage) -> None:
    """An outcome that is still unknown after the last try is looked for again later."""
    stage.systems.troubles["install"].extend(Unknown("Lost.") for _ in range(5))
    waiting = stage.run(State.KEY_GENERATED)
    assert (State.KEY_GENERATED, 1, timedelta(minutes=1)) == (
        waiting.state,
        waiting.tries,
        waiting.available_at - waiting.updated_at,
    )
    assert (PUT_OFF, "UNKNOWN_OUTCOME") == (stage.last(waiting).event, stage.last(waiting).detail["code"])


def test_the_rotation_stays_held_while_its_doubt_is_stored(stage: Stage) -> None:
    """Storing a lost answer keeps the lease: nobody else takes the rotation in the middle of its step."""
    held: list[bool] = []
    stage.systems.after = lambda _call: held.append(stage.is_held(stage.store.rotations()[0]))
    stage.systems.troubles["install"].append(Unknown())
    stage.run(State.KEY_GENERATED)
    assert all(held)


def _in_doubt(stage: Stage) -> list[str]:
    looks = stage.last(stage.store.rotations()[0]).detail["looks"]
    assert isinstance(looks, list)
    return looks


@pytest.mark.parametrize(
    ("error", "event"),
    [(TryLater(), PUT_OFF), (AwaitingPerson(), PUT_OFF), (NotPermitted(), FAIL), (ZeroDivisionError(), FAIL)],
    ids=["try later", "a person", "refused", "a bug"],
)
def test_what_was_seen_in_doubt_is_kept(stage: Stage, error: Exception, event: str) -> None:
    """However a try in doubt ends, the journal has what it saw, and nothing of the tries before."""
    tries = TABLE[steps.save_to_openair].attempts if isinstance(error, TryLater) else 1
    stage.systems.troubles["save"].extend([Unknown("Lost."), *[error] * tries])
    stage.run(State.UPLOADED_TO_NETSUITE)
    assert event == stage.last(stage.store.rotations()[0]).event
    assert ["OpenAir holds another certificate."] * 2 == _in_doubt(stage)[:2]


def test_what_was_seen_when_patience_ran_out_is_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that was given up in doubt tells what its last try saw."""
    impatient = replace(TABLE[steps.save_to_openair], attempts=1, most_put_offs=0)
    monkeypatch.setitem(patience.TABLE, steps.save_to_openair, impatient)
    stage.systems.troubles["save"].append(Unknown())
    parked = stage.run(State.UPLOADED_TO_NETSUITE)
    assert parked.failure
    assert ("GAVE_UP", ["OpenAir holds another certificate."] * 2) == (parked.failure.code, _in_doubt(stage))


def test_without_a_doubt_no_looks_are_kept(stage: Stage) -> None:
    """Where nothing was in doubt, what a step saw is not worth keeping."""
    assert [] == [entry for entry in stage.entries(stage.run()) if "looks" in entry.detail]


def test_a_doubt_without_looks_tells_of_none(stage: Stage) -> None:
    """A try in doubt that saw nothing leaves no empty list in the journal."""
    stage.systems.troubles["install"].append(Unknown())
    stage.systems.troubles["sign"].extend([None, *[NotPermitted()] * 2])
    parked = stage.run(State.KEY_GENERATED)
    assert (State.FAILED, False) == (parked.state, "looks" in stage.last(parked).detail)


def test_a_doubt_that_cannot_be_stored_lets_the_rotation_go(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away when an answer is lost: Stale is raised, telling why, and the cause is kept."""
    advance = stage.store.advance

    def away(*args: Any, event: str, **kwargs: Any) -> object:
        if event == UNKNOWN:
            raise TryLater("The database is away.")
        return advance(*args, event=event, **kwargs)

    monkeypatch.setattr(stage.store, "advance", away)
    stage.systems.troubles["install"].append(Unknown())
    with pytest.raises(Stale, match="The database is away") as told:
        stage.run(State.KEY_GENERATED)
    assert isinstance(told.value.__cause__, TryLater)
    assert [] == stage.heard


# --- tries ------------------------------------------------------------------------------------------------------------


def test_each_try_begins_anew(stage: Stage) -> None:
    """Every try sees the doubt that the tries before left, and may send for as long as it is young itself."""
    stage.systems.troubles["install"].extend([Unknown(), None])
    stage.systems.troubles["sign"].extend([None, TryLater(), TryLater()])
    done = stage.run(State.KEY_GENERATED)
    lost = [entry for entry in stage.entries(done) if entry.event == UNKNOWN]
    assert (State.COMPLETED, 1) == (done.state, len(lost))


def _about(rotation: Rotation) -> dict[str, object]:
    return {"rotation": rotation.id, "connection": rotation.connection, "state": rotation.state.value}


_PLAIN = set(logging.makeLogRecord({}).__dict__) | {"message"}


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """What a log record was given beside its text."""
    return {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
