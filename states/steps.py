"""The four steps of a rotation, in order: one function for each edge of the table, on ports only.

A step takes the rotation and the outside world and returns the rotation with one more proof. It never changes the
state, which is the lifecycle's to do. Every step is safe to repeat: it looks at what is true before it acts.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from states.certificate import Challenge
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    Drift,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
    NotConfirmed,
    NotSavedYet,
    NotValidNow,
    Unknown,
)
from states.next_action import ADOPT, OVERWRITE, NextAction, Verb
from states.ports import Ports, Record, Write
from states.rotation import Candidate, Confirmation, Receipt, Rotation
from states.timing import FRESH, INSTALL_WITHIN, READ_BACK_DELAY

Step = Callable[[Rotation, Ports], Rotation]


def generate_key(rotation: Rotation, ports: Ports) -> Rotation:
    """Make the candidate. It commits together with the move, so a second run finds it and makes no other."""
    candidate = rotation.proofs.candidate or ports.keys.generate(
        rotation.id, rotation.connection, rotation.policy, ports.clock.now()
    )
    return replace(rotation, proofs=replace(rotation.proofs, candidate=candidate))


def upload_to_netsuite(rotation: Rotation, ports: Ports) -> Rotation:
    """Install the candidate in NetSuite, unless NetSuite proves that it is there already.

    Raises ForeignRotation when NetSuite signs with a key that is neither the candidate's nor the expected one,
    CertificateRecordMissing when there is no record and none may be created, CannotSign when nobody can tell whose the
    record is, NotValidNow where a clock is or was wrong, Unknown when the answer was lost and two looks did not find
    the candidate.
    """
    confirmation = _ensure_installed(rotation, ports)
    # A candidate that was found there may have come from the write in doubt, so the skew begins with that one; or with
    # the upload before, where that was undone.
    began = rotation.skew_from or rotation.doubt.since or confirmation.asked_at
    return replace(rotation, proofs=replace(rotation.proofs, confirmation=confirmation), skew_from=began)


def save_to_openair(rotation: Rotation, ports: Ports) -> Rotation:
    """Save the confirmed certificate in OpenAir, and read it back.

    Raises IllegalMove without a confirmation for this very rotation and certificate, ForeignRotation when NetSuite no
    longer signs with it, AwaitingPerson where a person must save it, NotSavedYet or Unknown when two looks at OpenAir
    did not find it.
    """
    confirmation = _confirmation_of(rotation)
    if not (rotation.doubt.since and _openair_holds_candidate(rotation, ports, looks=2)):
        if abs(ports.clock.now() - confirmation.asked_at) > FRESH:  # clocks of two machines may disagree either way
            confirmation = _ensure_installed(rotation, ports)
        _save(rotation, ports, confirmation)
    saved = Receipt(confirmation.fingerprint, ports.clock.now())
    return replace(rotation, proofs=replace(rotation.proofs, saved=saved))


def verify(rotation: Rotation, ports: Ports) -> Rotation:
    """See that both sides agree: NetSuite signs a fresh challenge, and OpenAir holds the certificate it verifies with.

    Raises ForeignRotation when NetSuite signs with another key, Drift when OpenAir holds another certificate; where a
    person allowed to overwrite, the candidate is put back instead, and may raise as save_to_openair does.
    """
    proved = _ensure_installed(rotation, ports)
    if not _openair_holds_candidate(rotation, ports, looks=_looks(rotation)):
        if not rotation.allowed.overwrite:
            raise Drift
        _save(rotation, ports, proved)
    verified = Receipt(proved.fingerprint, ports.clock.now())
    return replace(rotation, proofs=replace(rotation.proofs, verified=verified))


def _looks(rotation: Rotation) -> int:
    """How often to look before sending: what was sent earlier and not answered may land late."""
    return 2 if rotation.doubt.since else 1


# --- NetSuite ---------------------------------------------------------------------------------------------------------


def _ensure_installed(rotation: Rotation, ports: Ports) -> Confirmation:
    """Have NetSuite prove that it holds the candidate, installing it where it does not."""
    return _find_candidate(rotation, ports, looks=_looks(rotation)) or _install(rotation, ports)


def _find_candidate(rotation: Rotation, ports: Ports, looks: int) -> Confirmation | None:
    """Look for the candidate in NetSuite; return the proof that it is there, or None where it may go in.

    Several looks have a delay between them. Raises as ``_look`` does.
    """
    for look in range(looks):
        if look:
            ports.clock.sleep(READ_BACK_DELAY)
        if found := _look(rotation, ports):
            return found
    return None


def _look(rotation: Rotation, ports: Ports) -> Confirmation | None:
    """Ask NetSuite to sign, once.

    Raises ForeignRotation, CertificateRecordMissing or CannotSign where what is there must not be replaced.
    """
    challenge, asked_at = ports.challenge(), ports.clock.now()
    try:
        signature = ports.netsuite.sign(challenge)
    except CertificateRecordMissing:
        ports.turn.saw("NetSuite has no certificate record.")
        if not rotation.allowed.create_record:
            raise
        return None
    except CannotSign:
        ports.turn.saw("NetSuite cannot sign with what its record holds.")
        if not _may_replace(rotation, ports, is_mute=True):
            raise
        return None
    previous = rotation.previous
    is_previous = previous is not None and previous.verifies(signature, challenge.text)
    if is_previous and rotation.proofs.confirmation is None:
        ports.turn.saw("NetSuite signed with the certificate before.")
        return None
    try:
        found = _confirmation(rotation, challenge, signature, asked_at)
    except NotConfirmed as error:
        ports.turn.saw("NetSuite signed with another key.")
        if not _may_replace(rotation, ports):
            raise _foreign(rotation, is_previous=is_previous) from error
        return None
    ports.turn.saw("NetSuite signed with the candidate.")
    return found


def _foreign(rotation: Rotation, *, is_previous: bool) -> ForeignRotation:
    if is_previous:  # NetSuite proved the candidate before: only a person can find out why it no longer does
        return ForeignRotation(
            "NetSuite signs with the previous certificate again: somebody put it back, or NetSuite shows the new one "
            "late.",
            next_action=NextAction(
                Verb.RESUME,
                because="Resuming looks again. If somebody put the certificate back, find out who.",
                alternatives=(ADOPT, OVERWRITE),
            ),
        )
    if rotation.previous is None and rotation.proofs.confirmation is None:
        return ForeignRotation(
            "NetSuite signs already, with a key that Keyturn did not make: imports may rest on it.",
            next_action=replace(ADOPT, alternatives=(OVERWRITE,)),
        )
    return ForeignRotation()


def _may_replace(rotation: Rotation, ports: Ports, *, is_mute: bool = False) -> bool:
    """Whether what is in the record is nobody's: a person said so, nothing rests on it, or the placeholder.

    ``is_mute``: NetSuite could not sign with it. In doubt, that may also be our own install, not usable so far.
    Raises CertificateRecordMissing where the record is gone by now.
    """
    # A first set-up replaces what nobody can sign with. What NetSuite signs with may be what imports rest on.
    is_unused = is_mute and rotation.previous is None and rotation.proofs.confirmation is None
    if rotation.allowed.overwrite or is_unused:
        return True
    record = ports.netsuite.report().record
    if record is None:  # removed since NetSuite was asked to sign: there is nothing to adopt or to overwrite
        raise CertificateRecordMissing
    is_ours = is_mute and rotation.doubt.since is not None and shows(_candidate_of(rotation), record)
    return record.is_placeholder or is_ours


def shows(candidate: Candidate, record: Record) -> bool:
    """Whether the record shows the candidate's validity, to the second: all that NetSuite tells of a certificate."""
    shown = tuple(moment and moment.replace(microsecond=0) for moment in (record.valid_from, record.valid_to))
    return shown == (candidate.certificate.not_before, candidate.certificate.not_after)


def _install(rotation: Rotation, ports: Ports) -> Confirmation:
    candidate = _candidate_of(rotation)
    if not candidate.certificate.is_valid_at(ports.clock.now()):
        raise NotValidNow
    ports.openair.read()  # the second leg must be ready before the first is taken
    key = ports.keys.open(rotation.id, candidate)
    challenge, asked_at = ports.challenge(), ports.clock.now()
    ports.turn.check()
    try:
        signature = ports.netsuite.install(
            candidate.certificate,
            key,
            challenge,
            deadline=ports.turn.began + INSTALL_WITHIN,
            create=rotation.allowed.create_record,
        )
        return _confirmation(rotation, challenge, signature, asked_at)
    except (Unknown, NotConfirmed) as error:
        ports.turn.lost(Write.INSTALL, error)
        try:
            found = _find_candidate(rotation, ports, looks=2)
        except KeyturnError as blind:
            # What was sent stays in doubt, whatever kept us from looking; the next try tells that.
            raise Unknown(f"NetSuite was sent the certificate, but cannot be asked now: {blind.message}") from blind
        if found is None:
            raise Unknown("NetSuite was sent the certificate, but does not sign with it so far.") from error
        # Its skew began when the install was sent, not when the candidate was found.
        return replace(found, asked_at=asked_at)


def _confirmation(rotation: Rotation, challenge: Challenge, signature: str, asked_at: datetime) -> Confirmation:
    return Confirmation(
        rotation_id=rotation.id,
        certificate=_candidate_of(rotation).certificate,
        challenge=challenge,
        signature=signature,
        asked_at=asked_at,
    )


# --- OpenAir ----------------------------------------------------------------------------------------------------------


def _openair_holds_candidate(rotation: Rotation, ports: Ports, looks: int) -> bool:
    """Whether OpenAir holds the candidate, at the first look or at another one after a delay."""
    fingerprint = _candidate_of(rotation).fingerprint
    for look in range(looks):
        if look:
            ports.clock.sleep(READ_BACK_DELAY)
        held = ports.openair.read()
        if held is not None and held.fingerprint == fingerprint:
            ports.turn.saw("OpenAir holds the candidate.")
            return True
        ports.turn.saw(f"OpenAir holds {'another' if held else 'no'} certificate.")
    return False


def _save(rotation: Rotation, ports: Ports, confirmation: Confirmation) -> None:
    """Save the certificate in OpenAir, and see it there. What was not seen is unknown, whatever the answer was."""
    lost: Unknown | None = None
    try:
        ports.openair.save(confirmation, ports.turn.check)
    except Unknown as error:
        ports.turn.lost(Write.SAVE, error)
        lost = error
    try:
        if _openair_holds_candidate(rotation, ports, looks=2):
            return
        unseen = lost or NotSavedYet()
    except KeyturnError as blind:
        unseen = lost or NotSavedYet(f"OpenAir took the certificate, but cannot be read now: {blind.message}")
    if not lost:
        ports.turn.lost(Write.SAVE, unseen)
    raise unseen


# --- what the rotation must have by now -------------------------------------------------------------------------------


def _candidate_of(rotation: Rotation) -> Candidate:
    if rotation.proofs.candidate is None:
        raise IllegalMove("The rotation has no candidate yet.")
    return rotation.proofs.candidate


def _confirmation_of(rotation: Rotation) -> Confirmation:
    proof = rotation.proofs.confirmation
    if proof is None or proof.rotation_id != rotation.id or proof.fingerprint != _candidate_of(rotation).fingerprint:
        raise IllegalMove("NetSuite has not confirmed this rotation's certificate; OpenAir is not written.")
    return proof
