"""The four steps of a rotation, in order: one function for each edge of the table, on ports only.

A step takes the rotation, the systems and the attempt that runs it, and returns its proof. It never changes the
rotation: the machine files the proof. Every step is safe to repeat: it looks at what is true before it acts.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from states.certificate import Certificate
from states.errors import (
    CertificateRecordMissing,
    CutOff,
    Drift,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
    NotConfirmed,
    NotSavedYet,
    NotValidNow,
    Refused,
    Unknown,
    UnreadableCertificate,
)
from states.next_action import ADOPT, LOOK_AGAIN, OVERWRITE, SAVE_THEN_ADOPT, NextAction, Verb, by_hand
from states.ports import Attempt, Ports, Write
from states.proof import Signer, Verdict, install, judge, looks, read_openair, shows
from states.readiness import ensure_attended, ensure_set_up
from states.rotation import Candidate, Confirmation, Proof, Receipt, Rotation
from states.timing import FRESH, INSTALL_WITHIN

Step = Callable[[Rotation, Ports, Attempt], Proof]


def generate_key(rotation: Rotation, ports: Ports, _attempt: Attempt) -> Candidate:
    """Make the candidate. It commits together with the move, so a second run finds it and makes no other."""
    return rotation.proofs.candidate or ports.keys.generate(
        rotation.id, rotation.connection, rotation.policy, ports.clock.now()
    )


def upload_to_netsuite(rotation: Rotation, ports: Ports, attempt: Attempt) -> Confirmation:
    """Install the candidate in NetSuite, unless NetSuite proves that it holds it already.

    Raises:
        ForeignRotation: NetSuite signs with a key that is neither the candidate's nor the expected one.
        CertificateRecordMissing: There is no record, and none may be created.
        CannotSign: No one can tell whose certificate the record holds.
        AwaitingPerson: A person saves the certificate in OpenAir, and has not said that they are ready.
        BundleTooOld: The schedule began the rotation, and NetSuite's bundles are too old for that by now.
        NotValidNow: A clock is or was wrong.
        Unknown: The answer was lost, and two looks did not find the candidate.
    """
    return _ensure_installed(rotation, ports, attempt)


def save_to_openair(rotation: Rotation, ports: Ports, attempt: Attempt) -> Receipt:
    """Save the confirmed certificate in OpenAir, and read it back.

    Raises:
        IllegalMove: There is no confirmation for this very rotation and certificate.
        ForeignRotation: NetSuite no longer signs with the certificate.
        AwaitingPerson: A person must save it.
        NotSavedYet, Unknown: Two looks at OpenAir did not find it.
    """
    confirmation = _confirmation_of(rotation)
    # In doubt, an earlier save may have worked: look before sending again.
    if not (rotation.doubt.since and _openair_holds_candidate(rotation, ports, attempt, times=2)):
        # Clocks of two machines may disagree either way; and the time of a stored confirmation is only what is stored.
        if not confirmation.is_firsthand or abs(ports.clock.now() - confirmation.asked_at) > FRESH:
            confirmation = _ensure_installed(rotation, ports, attempt)
        _save(rotation, ports, attempt, confirmation)
    return Receipt(confirmation.fingerprint, ports.clock.now())


def verify(rotation: Rotation, ports: Ports, attempt: Attempt) -> Receipt:
    """See that both sides agree: NetSuite signs a fresh challenge, and OpenAir holds the certificate it verifies with.

    Where a person allowed to overwrite, the candidate is put back into OpenAir; that raises as save_to_openair does.

    Raises:
        ForeignRotation: NetSuite signs with another key.
        Drift: OpenAir holds another certificate.
    """
    proved = _ensure_installed(rotation, ports, attempt)
    if not _openair_holds_candidate(rotation, ports, attempt, times=_looks(rotation)):
        if not rotation.allowed.overwrite:
            raise Drift
        _save(rotation, ports, attempt, proved)
    return Receipt(proved.fingerprint, ports.clock.now())


def _looks(rotation: Rotation) -> int:
    """How often to look before sending: an earlier request whose answer was lost may take effect late."""
    return 2 if rotation.doubt.since else 1


# --- NetSuite ---------------------------------------------------------------------------------------------------------


def _ensure_installed(rotation: Rotation, ports: Ports, attempt: Attempt) -> Confirmation:
    """Have NetSuite prove that it holds the candidate, and install it where it does not."""
    found = _find_candidate(rotation, ports, attempt, times=_looks(rotation))
    return found or _install(rotation, ports, attempt)


def _find_candidate(rotation: Rotation, ports: Ports, attempt: Attempt, *, times: int) -> Confirmation | None:
    """Look for the candidate in NetSuite up to so many ``times``; return its proof, or None where it may be installed.

    Raises ForeignRotation, CertificateRecordMissing or CannotSign where the record must not be replaced.
    """
    for _ in looks(ports, times):
        verdict = judge(rotation, ports)
        attempt.observe(_OBSERVED[verdict.signer])
        if verdict.signer is Signer.CANDIDATE:
            return verdict.confirmation
        _ensure_replaceable(rotation, ports, verdict)
    return None


def look_before_upload(rotation: Rotation, ports: Ports) -> Signer:
    """Look at NetSuite once, as a step does before it uploads; return what was seen. Changes nothing.

    Raises ForeignRotation, CertificateRecordMissing or CannotSign where the record must not be replaced.
    """
    verdict = judge(rotation, ports)
    if verdict.signer is not Signer.CANDIDATE:
        _ensure_replaceable(rotation, ports, verdict)
    return verdict.signer


_OBSERVED: Final = {
    Signer.CANDIDATE: "NetSuite signed with the candidate.",
    Signer.PREVIOUS: "NetSuite signed with the certificate before.",
    Signer.OTHER: "NetSuite signed with another key.",
    Signer.CANNOT_SIGN: "NetSuite cannot sign with what its record holds.",
    Signer.NO_RECORD: "NetSuite has no certificate record.",
}
"""What the journal says of a look."""


def _ensure_replaceable(rotation: Rotation, ports: Ports, verdict: Verdict) -> None:
    """Raise where the candidate must not replace what NetSuite was just seen to hold."""
    match verdict.signer:
        case Signer.NO_RECORD:
            is_replaceable = rotation.allowed.create_record
        case Signer.CANNOT_SIGN:
            is_replaceable = _is_unused(rotation, ports, is_mute=True)
        case Signer.PREVIOUS if rotation.proofs.confirmation is None:
            is_replaceable = True  # the expected predecessor
        case _:
            is_replaceable = _is_unused(rotation, ports)
    if not is_replaceable:
        raise verdict.error or _foreign(rotation, ports, is_previous=verdict.signer is Signer.PREVIOUS)


def _foreign(rotation: Rotation, ports: Ports, *, is_previous: bool) -> ForeignRotation:
    if is_previous:  # NetSuite proved the candidate before: only a person can find out why it no longer does
        return ForeignRotation(
            "NetSuite signs with the previous certificate again: another party put it back, or NetSuite "
            "shows the new one late.",
            next_action=NextAction(
                Verb.RESUME,
                because="Resuming looks again. If another party put the certificate back, find out who.",
                alternatives=(ADOPT, OVERWRITE),
            ),
        )
    if rotation.previous is None and rotation.proofs.confirmation is None:
        message = "NetSuite signs already, with a key that Keyturn did not make"
        if _holds_none(ports):  # adopting would be refused
            asked = by_hand("Find out who made it.", LOOK_AGAIN, alternatives=(SAVE_THEN_ADOPT, OVERWRITE))
            return ForeignRotation(f"{message}. OpenAir holds no certificate.", next_action=asked)
        return ForeignRotation(
            f"{message}: imports may rest on it.", next_action=replace(ADOPT, alternatives=(OVERWRITE,))
        )
    return ForeignRotation()


def _holds_none(ports: Ports) -> bool:
    """Whether OpenAir can be read and holds no certificate."""
    try:
        return read_openair(ports) is None
    except KeyturnError:
        return False


def _is_unused(rotation: Rotation, ports: Ports, *, is_mute: bool = False) -> bool:
    """Whether no imports depend on what the record holds, or a person allowed to overwrite it.

    ``is_mute``: NetSuite could not sign with it. In doubt, that may also be our own install, not yet usable.
    Raises CertificateRecordMissing where the record is gone by now.
    """
    # A first set-up replaces a certificate that cannot sign. On one that signs, imports may depend.
    is_first = is_mute and rotation.previous is None and rotation.proofs.confirmation is None
    if rotation.allowed.overwrite or is_first:
        return True
    record = ports.netsuite.report().record
    if record is None:  # removed since NetSuite was asked to sign: there is nothing to adopt or to overwrite
        raise CertificateRecordMissing
    is_ours = is_mute and rotation.doubt.since is not None and shows(_candidate_of(rotation), record)
    return record.is_placeholder or is_ours


def _install(rotation: Rotation, ports: Ports, attempt: Attempt) -> Confirmation:
    """Install the candidate. A lost or bad answer is recorded, and then looked for; the candidate is not sent twice.

    A refusal proves nothing either: what NetSuite's save() throws, and when, is undocumented (assumption: it may swap
    the key and then throw).
    """
    candidate = _candidate_of(rotation)
    if not candidate.certificate.is_valid_at(ports.clock.now()):
        raise NotValidNow
    ensure_attended(rotation, ports)
    ensure_set_up(rotation, ports)
    read_openair(ports)  # imports are refused from the install on: OpenAir must be ready for the save that ends that
    key = ports.keys.open(rotation.id, candidate)
    asked_at = ports.clock.now()
    attempt.ensure_held()
    try:
        signature = install(
            ports,
            candidate.certificate,
            key,
            asked_at=asked_at,
            # A worker may lose its lease between the check and the request. The deadline keeps such a late request
            # from replacing what the next worker, or the next rotation, installed meanwhile.
            deadline=attempt.began + INSTALL_WITHIN,
            create=rotation.allowed.create_record,
            warn=attempt.warn,
        )
        return signature.confirm(rotation.id, candidate.certificate)
    except (Unknown, NotConfirmed, Refused) as error:
        attempt.record_unknown(Write.INSTALL, error)
        try:
            found = _find_candidate(rotation, ports, attempt, times=2)
        except KeyturnError as blind:
            # The request stays in doubt for any reason that prevents the look: "nothing was changed" would be a guess.
            raise Unknown(f"NetSuite was sent the certificate, but cannot be asked now: {blind.message}") from blind
        if found is None and isinstance(error, Refused):
            raise
        if found is None:
            raise Unknown("NetSuite was sent the certificate, but does not sign with it so far.") from error
        # The skew began when the install was sent, not when the candidate was found.
        return replace(found, asked_at=asked_at)


# --- OpenAir ----------------------------------------------------------------------------------------------------------


def _openair_holds_candidate(
    rotation: Rotation, ports: Ports, attempt: Attempt, *, times: int, is_saved: bool = False
) -> bool:
    """Whether OpenAir holds the candidate, at the first look or at a later one.

    ``is_saved``: it was just saved. Raises CutOff then, where OpenAir shows only its beginning.
    """
    candidate = _candidate_of(rotation)
    for _ in looks(ports, times):
        held = read_openair(ports)
        if isinstance(held, Certificate) and held.fingerprint == candidate.fingerprint:
            attempt.observe("OpenAir holds the candidate.")
            return True
        if is_saved and isinstance(held, UnreadableCertificate) and held.is_cut_from(candidate.certificate.pem):
            raise CutOff(f"OpenAir kept only the first {len(held.text)} characters of the certificate.")
        attempt.observe(f"OpenAir holds {'another' if held else 'no'} certificate.")
    return False


def _save(rotation: Rotation, ports: Ports, attempt: Attempt, confirmation: Confirmation) -> None:
    """Save the certificate in OpenAir, and read it back. Without that, even a good answer proves nothing."""
    lost: Unknown | None = None
    try:
        ports.openair.save(confirmation, attempt.ensure_held)
    except Unknown as error:
        attempt.record_unknown(Write.SAVE, error)
        lost = error
    try:
        if _openair_holds_candidate(rotation, ports, attempt, times=2, is_saved=True):
            return
        unseen = lost or NotSavedYet()
    except CutOff as error:  # saving it again would not help
        attempt.record_unknown(Write.SAVE, error)
        raise
    except KeyturnError as blind:
        unseen = lost or NotSavedYet(f"OpenAir took the certificate, but cannot be read now: {blind.message}")
    if not lost:
        attempt.record_unknown(Write.SAVE, unseen)
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
