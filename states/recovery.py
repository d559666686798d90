"""How a parked rotation ends other than by resuming it, on ports only, like the steps.

*Restore* puts the previous certificate back into NetSuite. *Adopt* accepts a foreign certificate that both sides hold.
*Abandon* gives up a candidate that NetSuite does not hold. None of them ever writes to OpenAir.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from states.certificate import Certificate
from states.errors import (
    CannotSign,
    CertificateRecordMissing,
    Drift,
    ForeignRotation,
    IllegalMove,
    KeyturnError,
    NotConfirmed,
    Unknown,
    UnreadableCertificate,
)
from states.next_action import OVERWRITE, SAVE_THEN_ADOPT, NextAction, Verb, by_hand
from states.ports import Ports
from states.proof import Signer, absence, install, judge, looks, read_openair, sign
from states.rotation import Absence, Candidate, Confirmation, PrivateKey, Rotation

_RESUME: Final = NextAction(Verb.RESUME)
_RESTORE: Final = NextAction(Verb.RESTORE)
_RESTORE_OVER: Final = NextAction(Verb.RESTORE, {"overwrite": True})
_PUT_ANOTHER: Final = by_hand(
    "Put another certificate into the record in NetSuite, such as bundle 369630's openair-certificate.pem.",
    NextAction(Verb.ABANDON, then=NextAction(Verb.ROTATE)),
)
"""A new rotation replaces the placeholder, no matter what became of the one that is given up."""
_SAVE_IN_OPENAIR: Final = replace(SAVE_THEN_ADOPT, alternatives=(OVERWRITE,))


def find_previous(rotation: Rotation, ports: Ports, *, may_overwrite: bool) -> Confirmation | None:
    """Check that putting the previous certificate back would make both sides agree. Changes nothing.

    In doubt, NetSuite is asked twice, with a delay.

    Args:
        rotation: The parked rotation, held by the caller.
        ports: Its connection's systems.
        may_overwrite: A person allowed to replace any certificate in NetSuite.

    Returns:
        NetSuite's proof that it holds the previous certificate already, or None where it has to be put back.

    Raises:
        IllegalMove: OpenAir holds the candidate.
        Drift: OpenAir holds a third certificate, or none.
        ForeignRotation: NetSuite signs with a key that is neither the candidate's nor the previous certificate's.
        CannotSign: No one can tell whose certificate the record holds.
        CertificateRecordMissing: There is no record.
    """
    _see_previous_in_openair(rotation, ports)
    return _ask(rotation, ports, times=2 if rotation.doubt.since else 1, may_overwrite=may_overwrite)


def put_previous_back(
    rotation: Rotation, key: PrivateKey, ports: Ports, *, deadline: datetime, warn: Callable[[str], None]
) -> Confirmation:
    """Install the previous certificate with its ``key`` in NetSuite, and check that both sides agree on it.

    Safe to repeat. NetSuite refuses the request after ``deadline`` (UTC); ``warn`` is called with what it could not do
    (ports.NetSuite.install). Raises Unknown when the answer was lost and
    two looks did not find it; IllegalMove or Drift when OpenAir was changed meanwhile; as ports.NetSuite.install. No
    error proves that nothing was saved: the caller keeps the doubt, and the next restore looks first.
    """
    previous, asked_at = _previous_of(rotation), ports.clock.now()
    try:
        signature = install(ports, previous, key, asked_at=asked_at, deadline=deadline, create=False, warn=warn)
        proof = signature.confirm(rotation.id, previous)
    except (Unknown, NotConfirmed) as error:
        found = _look_again(rotation, ports)
        if found is None:
            raise Unknown("NetSuite was sent the certificate, but does not sign with it so far.") from error
        proof = found
    _see_previous_in_openair(rotation, ports)
    return proof


def find_agreement(rotation: Rotation, ports: Ports) -> Confirmation:
    """NetSuite's proof that it holds the very certificate that OpenAir holds. Changes nothing.

    Raises Drift when the two do not agree, CannotSign, CertificateRecordMissing.
    """
    held = read_openair(ports)
    # NetSuite is asked even where OpenAir holds none: without a record, nothing could be saved in OpenAir either.
    try:
        signature = sign(ports)
    except CertificateRecordMissing as error:  # nor is there anything to adopt once the record is made again
        again = replace(CertificateRecordMissing.next_action, then=_RESUME)
        raise CertificateRecordMissing(next_action=again) from error
    if isinstance(held, UnreadableCertificate):
        raise Drift(held.message, next_action=_SAVE_IN_OPENAIR)
    if held is None:
        raise Drift("OpenAir holds no certificate.", next_action=_SAVE_IN_OPENAIR)
    try:
        return signature.confirm(rotation.id, held)
    except NotConfirmed as error:
        message = "NetSuite signs with another key than that of the certificate in OpenAir."
        raise Drift(message, next_action=_SAVE_IN_OPENAIR) from error


def find_absence(rotation: Rotation, ports: Ports) -> Absence:
    """Prove that NetSuite does not hold the candidate. Changes nothing.

    NetSuite is asked twice, with a delay: a lost install may take effect late. Raises IllegalMove where NetSuite signs
    with the candidate, or where a record that cannot sign may hold it.
    """
    candidate = rotation.proofs.candidate
    if candidate is None:
        raise IllegalMove("The rotation has no candidate yet.")
    asked_at = ports.clock.now()
    seen = tuple(_see_no_candidate(rotation, candidate, ports) for _ in looks(ports, 2))
    return Absence(candidate.fingerprint, asked_at, seen)


def _see_no_candidate(rotation: Rotation, candidate: Candidate, ports: Ports) -> str:
    """Ask NetSuite to sign, once; return what shows that it does not hold the candidate, as a sentence."""
    verdict = judge(rotation, ports)
    if verdict.signer is Signer.CANDIDATE:
        if rotation.circumstances.broken:
            # It cannot be resumed, and what is stored of its previous certificate cannot be put back.
            raise IllegalMove(
                "NetSuite signs with this rotation's own certificate: imports are refused unless OpenAir has it too.",
                next_action=_PUT_ANOTHER,
            )
        raise IllegalMove(
            "NetSuite signs with this rotation's own certificate: going on helps, giving up does not.",
            next_action=_RESUME,
        )
    if shown := absence(candidate, ports, verdict):
        return shown
    raise IllegalMove(
        "NetSuite cannot sign with what its record holds, and that may be this rotation's own certificate.",
        next_action=_PUT_ANOTHER
        if rotation.circumstances.broken
        else replace(
            _PUT_ANOTHER,
            then=NextAction(Verb.ABANDON),
            alternatives=(NextAction(Verb.RESUME, because="NetSuite may be able to sign with the record again."),),
        ),
    ) from verdict.error


def _ask(rotation: Rotation, ports: Ports, *, times: int, may_overwrite: bool) -> Confirmation | None:
    """Ask NetSuite to sign; return the proof that it holds the previous certificate, or None where it may go in."""
    for _ in looks(ports, times):
        verdict = judge(rotation, ports)
        if verdict.signer is Signer.PREVIOUS:
            return verdict.confirmation
        if verdict.signer is Signer.NO_RECORD:
            raise _record_missing() from verdict.error
        if verdict.signer is Signer.CANDIDATE or may_overwrite or _is_placeholder(ports):
            continue
        if verdict.error:
            raise CannotSign(next_action=_after("Look at the record in NetSuite.")) from verdict.error
        raise ForeignRotation(next_action=_after("Find out who replaced the certificate."))
    return None


def _after(task: str) -> NextAction:
    """Return a person's ``task``, after which restoring looks again. To replace the certificate is another choice."""
    return by_hand(task, _RESTORE, alternatives=(_RESTORE_OVER,))


def _is_placeholder(ports: Ports) -> bool:
    """Whether NetSuite's record holds the placeholder that the vendor's repair puts there.

    Raises CertificateRecordMissing where the record was removed since NetSuite was asked to sign.
    """
    record = ports.netsuite.report().record
    if record is None:
        raise _record_missing()
    return record.is_placeholder


def _record_missing() -> CertificateRecordMissing:
    again = by_hand(CertificateRecordMissing.repair, _RESTORE)
    return CertificateRecordMissing(next_action=again)


def _look_again(rotation: Rotation, ports: Ports) -> Confirmation | None:
    """Look for the previous certificate after its install got no good answer; any other certificate may stay."""
    try:
        return _ask(rotation, ports, times=2, may_overwrite=True)
    except KeyturnError as blind:
        raise Unknown(f"NetSuite was sent the certificate, but cannot be asked now: {blind.message}") from blind


def _see_previous_in_openair(rotation: Rotation, ports: Ports) -> None:
    held = read_openair(ports)
    if isinstance(held, Certificate) and held.fingerprint == _previous_of(rotation).fingerprint:
        return
    if (
        isinstance(held, Certificate)
        and rotation.proofs.candidate is not None
        and held.fingerprint == rotation.proofs.candidate.fingerprint
    ):
        raise IllegalMove(
            "OpenAir holds this rotation's own certificate: going on helps, going back does not.",
            next_action=_RESUME,
        )
    raise Drift(
        f"OpenAir holds {'another certificate than' if held else 'no certificate instead of'} the previous one: "
        "putting that back into NetSuite does not help.",
        next_action=by_hand("Find out who changed OpenAir. Resuming saves Keyturn's candidate there.", _RESUME),
    )


def _previous_of(rotation: Rotation) -> Certificate:
    if rotation.previous is None:
        raise IllegalMove("There was no previous certificate.")
    return rotation.previous
