"""What a verb would do: only the reads are made, and what would be sent where is said. Nothing is changed or stored."""

from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median
from typing import Final

from orchestrator.adapters.openair_manual import with_persons_reading
from persistence.store import Store
from states import preconditions, recovery, steps
from states.certificate import plain
from states.errors import Drift, HeldOff, IllegalMove, InvalidInput, RotationOpen
from states.next_action import NextAction, Verb
from states.ports import Clock, Connect, Ports
from states.proof import Signer
from states.request import Request
from states.rotation import Allowances, Rotation
from states.state import State

_NEW: Final = "a new certificate"
_CANDIDATE: Final = "this rotation's certificate"
_SIGNS: Final = {
    Signer.CANDIDATE: "signs with this rotation's certificate",
    Signer.PREVIOUS: "signs with the previous certificate",
    Signer.OTHER: "signs with another key, which may be replaced",
    Signer.CANNOT_SIGN: "cannot sign with what its record holds, which may be replaced",
    Signer.NO_RECORD: "has no certificate record, which may be created",
}
"""What NetSuite was seen to do."""
_LOOKED_AT: Final = 20
"""How many of a connection's rotations say how long imports will be refused."""


@dataclass(frozen=True, slots=True)
class ExpectedSkew:
    """How long OpenAir lagged behind NetSuite, in the connection's last rotations that were completed."""

    usual: timedelta
    """The median."""
    longest: timedelta
    rotations: int
    """How many there were; at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a verb would do now."""

    verb: Verb
    connection: str
    rotation: str | None
    """The id of the rotation; None where a new one would begin."""
    seen: tuple[tuple[str, str], ...]
    """What each system answered to the reads, by its name."""
    sends: tuple[tuple[str, str], ...]
    """What would be sent to which system, in order; empty where nothing would be."""
    ends: str
    """What would be so afterwards, as a sentence."""
    skew: ExpectedSkew | None = None
    """How long imports may be refused, where a certificate would be sent to NetSuite; None without a history."""


class Rehearsals:
    """Each verb, without doing it. All of them raise what the verb would raise, as far as reads can show it."""

    def __init__(self, store: Store, connect: Connect, clock: Clock) -> None:
        """``connect`` gives a connection's ports by name."""
        self._store = store
        self._connect = connect
        self._clock = clock

    def rotate(self, name: str) -> Rehearsal:
        """Raises NotFound, RotationOpen, HeldOff, and what would park the rotation before its upload."""
        connection, now = self._store.connections.get(name), self._clock.now()
        for latest in self._store.rotations.newest(connection=name, limit=1):
            until = latest.doubt.in_flight_until
            if latest.is_open:
                raise RotationOpen(
                    f"Connection {name} has an open rotation already: {latest.id}.",
                    next_action=NextAction(Verb.EXPLAIN, {"rotation": latest.id}),
                )
            if until and until > now:
                raise HeldOff(f"A write of rotation {latest.id} may take effect until {until:%Y-%m-%d %H:%M:%S} UTC.")
        new = Request(id="", connection=name, actor="", at=now).rotation(connection, previous_key_kept=False)
        return self._carried(Verb.ROTATE, new, None)

    def resume(self, rotation_id: str, *, create_record: bool = False, overwrite: bool = False) -> Rehearsal:
        """Raises NotFound, IllegalMove, and what would park the rotation again."""
        parked = self._possible(Verb.RESUME, rotation_id)
        allowed = Allowances(create_record=create_record, overwrite=overwrite)
        position = parked.position
        return self._carried(Verb.RESUME, replace(parked, state=position, failure=None, allowed=allowed), parked.id)

    def confirm(self, rotation_id: str, fingerprint: str) -> Rehearsal:
        """Raises NotFound, IllegalMove, InvalidInput where it is not the candidate's fingerprint."""
        waiting = self._possible(Verb.CONFIRM, rotation_id)
        assert waiting.proofs.candidate
        made = waiting.proofs.candidate.fingerprint
        if plain(fingerprint) != made:
            raise InvalidInput(f"OpenAir holds {plain(fingerprint) or 'nothing'}, but this rotation made {made}.")
        signer = steps.look_before_upload(waiting, self._connect(waiting.connection))
        seen = (("NetSuite", _SIGNS[signer]), ("OpenAir", "holds this rotation's certificate, as you say"))
        return _rehearsal(Verb.CONFIRM, waiting, seen, (), "Both sides hold the new certificate.")

    def restore(self, rotation_id: str, *, overwrite: bool = False, seen: str = "") -> Rehearsal:
        """Raises as restoring does before it sends anything."""
        parked = self._possible(Verb.RESTORE, rotation_id)
        ports = with_persons_reading(parked, self._connect(parked.connection), seen)
        proof = recovery.find_previous(parked, ports, may_overwrite=overwrite)
        held = "signs with the previous certificate already" if proof else "does not sign with the previous certificate"
        answers = (("NetSuite", held), ("OpenAir", "holds the previous certificate"))
        sends = () if proof else (("NetSuite", "the previous certificate with its private key"),)
        return _rehearsal(Verb.RESTORE, parked, answers, sends, "Both sides hold the previous certificate again.")

    def adopt(self, rotation_id: str, *, seen: str = "") -> Rehearsal:
        """Raises as adopting does."""
        parked = self._possible(Verb.ADOPT, rotation_id)
        ports = with_persons_reading(parked, self._connect(parked.connection), seen)
        proof = recovery.find_agreement(parked, ports)
        held = f"certificate {proof.fingerprint}"
        answers = (("NetSuite", f"signs with {held}"), ("OpenAir", f"holds {held}"))
        ends = "That certificate is the connection's current one; Keyturn's private keys of it are destroyed."
        return _rehearsal(Verb.ADOPT, parked, answers, (), ends)

    def abandon(self, rotation_id: str) -> Rehearsal:
        """Raises as abandoning does."""
        parked = self._possible(Verb.ABANDON, rotation_id)
        answers: tuple[tuple[str, str], ...] = ()
        if preconditions.may_be_sent(parked):
            recovery.find_absence(parked, self._connect(parked.connection))
            answers = (("NetSuite", "does not hold this rotation's certificate"),)
        return _rehearsal(Verb.ABANDON, parked, answers, (), "The rotation is closed, and its private key destroyed.")

    def withdraw(self, rotation_id: str) -> Rehearsal:
        """Raises NotFound. Whether a request waits, withdrawing says."""
        rotation = self._store.rotations.get(rotation_id)
        return _rehearsal(Verb.WITHDRAW, rotation, (), (), "No one can approve the request any more.")

    def begin(self, rotation_id: str) -> Rehearsal:
        """Raises NotFound, and IllegalMove where no upload waits for a person."""
        rotation = self._possible(Verb.BEGIN, rotation_id)
        what = f"{_CANDIDATE if rotation.proofs.candidate else _NEW} with its private key"
        ends = "Imports are refused from the upload on, until you have saved the exported file in OpenAir."
        done = _rehearsal(Verb.BEGIN, rotation, (), (("NetSuite", what),), ends)
        return replace(done, skew=self._expected_skew(rotation.connection))

    def carry(self, rotation_id: str) -> Rehearsal:
        """Raises NotFound, and IllegalMove where it cannot be carried on."""
        rotation = self._possible(Verb.CARRY, rotation_id)
        return _rehearsal(Verb.CARRY, rotation, (), (), "The step that is due is done now, and those after it.")

    def park(self, rotation_id: str) -> Rehearsal:
        """Raises NotFound, IllegalMove."""
        rotation = self._possible(Verb.PARK, rotation_id)
        return _rehearsal(Verb.PARK, rotation, (), (), "No worker carries the rotation until a person resumes it.")

    def _possible(self, verb: Verb, rotation_id: str) -> Rotation:
        rotation = self._store.rotations.get(rotation_id)
        if refused := preconditions.why_not(verb, rotation, self._clock.now()):
            raise IllegalMove(f"{verb.capitalize()} is not possible for rotation {rotation.id}: {refused}")
        return rotation

    def _carried(self, verb: Verb, rotation: Rotation, rotation_id: str | None) -> Rehearsal:
        """What carrying ``rotation`` to its end would send, by one look at each system."""
        ports = self._connect(rotation.connection)
        signer = steps.look_before_upload(rotation, ports)
        held, is_candidate = _openair(rotation, ports)
        if rotation.position is State.SAVED_TO_OPENAIR and not (is_candidate or rotation.allowed.overwrite):
            raise Drift
        what = _CANDIDATE if rotation.proofs.candidate else _NEW
        sends = [] if signer is Signer.CANDIDATE else [("NetSuite", f"{what} with its private key")]
        if not is_candidate:
            by = ", saved by a person from the exported file" if rotation.circumstances.by_hand else ""
            sends.append(("OpenAir", f"{what} without a key, once NetSuite has signed with it{by}"))
        seen = (("NetSuite", _SIGNS[signer]), ("OpenAir", held))
        done = _rehearsal(verb, rotation, seen, tuple(sends), "Both sides hold the new certificate.")
        is_uploaded = signer is not Signer.CANDIDATE
        return replace(
            done, rotation=rotation_id, skew=self._expected_skew(rotation.connection) if is_uploaded else None
        )

    def _expected_skew(self, connection: str) -> ExpectedSkew | None:
        newest = self._store.rotations.newest(connection=connection, limit=_LOOKED_AT)
        completed = [each for each in newest if each.state is State.COMPLETED]
        skews = [skew for each in completed if (skew := each.skew(each.updated_at)) is not None]
        if not skews:
            return None
        usual = timedelta(seconds=median(each.total_seconds() for each in skews))
        return ExpectedSkew(usual, max(skews), len(skews))


def _openair(rotation: Rotation, ports: Ports) -> tuple[str, bool]:
    """What OpenAir holds, in words, and whether that is the candidate."""
    held, candidate = ports.openair.read(), rotation.proofs.candidate
    if held is None:
        return "holds no certificate", False
    if candidate and held.fingerprint == candidate.fingerprint:
        return "holds this rotation's certificate", True
    seen = ", as a person confirmed last" if rotation.circumstances.by_hand else ""
    if rotation.previous and held.fingerprint == rotation.previous.fingerprint:
        return f"holds the previous certificate{seen}", False
    return f"holds another certificate, {held.fingerprint}", False


def _rehearsal(
    verb: Verb, rotation: Rotation, seen: tuple[tuple[str, str], ...], sends: tuple[tuple[str, str], ...], ends: str
) -> Rehearsal:
    return Rehearsal(verb=verb, connection=rotation.connection, rotation=rotation.id, seen=seen, sends=sends, ends=ends)
