"""Asks NetSuite to sign a challenge, and judges whose key signed.

Only a signature proves what NetSuite holds: its record names no fingerprint, and an error proves nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from states.certificate import Certificate, Challenge
from states.errors import CannotSign, CertificateRecordMissing, NotConfirmed, UnreadableCertificate
from states.ports import Ports, Record
from states.rotation import Candidate, Confirmation, PrivateKey, Rotation
from states.timing import READ_BACK_DELAY


class Signer(StrEnum):
    """Whose key NetSuite signed with, or why it did not sign."""

    CANDIDATE = "candidate"
    PREVIOUS = "previous"
    OTHER = "other"
    """A key that is neither the candidate's nor the previous certificate's."""
    CANNOT_SIGN = "cannot sign"
    """There is a record, but NetSuite cannot sign with it: no one can tell whose it is."""
    NO_RECORD = "no record"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at NetSuite showed."""

    signer: Signer
    confirmation: Confirmation | None = None
    """The proof that NetSuite holds the signer's certificate, where that is the candidate or the previous one."""
    error: CannotSign | CertificateRecordMissing | None = None
    """What NetSuite answered where it did not sign."""


@dataclass(frozen=True, slots=True)
class Signature:
    """NetSuite's answer to a challenge that it was never asked to sign before."""

    challenge: Challenge
    text: str
    """Standard Base64."""
    asked_at: datetime
    """When NetSuite was asked (UTC)."""

    def is_by(self, certificate: Certificate) -> bool:
        """Whether it was made with ``certificate``'s private key."""
        return certificate.verifies(self.text, self.challenge.text)

    def confirm(self, rotation_id: str, certificate: Certificate) -> Confirmation:
        """The proof that NetSuite holds ``certificate``. Raises NotConfirmed where another key signed."""
        return Confirmation(
            rotation_id=rotation_id,
            certificate=certificate,
            challenge=self.challenge,
            signature=self.text,
            asked_at=self.asked_at,
            is_firsthand=True,
        )


def sign(ports: Ports) -> Signature:
    """Have NetSuite sign a new challenge. Changes nothing. Raises CertificateRecordMissing, CannotSign."""
    challenge, asked_at = ports.challenge(), ports.clock.now()
    return Signature(challenge, ports.netsuite.sign(challenge), asked_at)


def install(
    ports: Ports,
    certificate: Certificate,
    key: PrivateKey,
    *,
    asked_at: datetime,
    deadline: datetime,
    create: bool,
    warn: Callable[[str], None],
) -> Signature:
    """Install ``certificate`` in NetSuite, and have it sign a new challenge in the same call.

    ``asked_at`` is taken by the caller, who needs it as the beginning of the skew even where the answer is lost.
    ``warn`` is called, and errors are raised, as by ports.NetSuite.install.
    """
    challenge = ports.challenge()
    text = ports.netsuite.install(certificate, key, challenge, deadline=deadline, create=create, warn=warn)
    return Signature(challenge, text, asked_at)


def judge(rotation: Rotation, ports: Ports) -> Verdict:
    """Ask NetSuite once, and judge whether it holds the rotation's candidate, the previous certificate or neither."""
    try:
        signature = sign(ports)
    except CertificateRecordMissing as error:
        return Verdict(Signer.NO_RECORD, error=error)
    except CannotSign as error:
        return Verdict(Signer.CANNOT_SIGN, error=error)
    candidate, previous = rotation.proofs.candidate, rotation.previous
    known = [(Signer.PREVIOUS, previous), (Signer.CANDIDATE, candidate and candidate.certificate)]
    if rotation.proofs.confirmation:
        known.reverse()  # the one that is expected first: it saves a verification
    for signer, certificate in known:
        if certificate:
            with suppress(NotConfirmed):
                return Verdict(signer, confirmation=signature.confirm(rotation.id, certificate))
    return Verdict(Signer.OTHER)


def absence(candidate: Candidate, ports: Ports, verdict: Verdict) -> str:
    """Return what shows that NetSuite does not hold ``candidate``, as a sentence; empty where that is open.

    Reads the record's validity where NetSuite cannot sign with it. Changes nothing.
    """
    match verdict.signer:
        case Signer.CANDIDATE:
            return ""
        case Signer.PREVIOUS | Signer.OTHER:
            return "NetSuite signed with another key."
        case Signer.CANNOT_SIGN:
            record = ports.netsuite.report().record
            return _other_validity(candidate, record) if record else _NO_RECORD
        case _:
            return _NO_RECORD


_NO_RECORD: Final = "NetSuite has no certificate record."


def _other_validity(candidate: Candidate, record: Record) -> str:
    if record.is_placeholder:
        return "NetSuite cannot sign with the placeholder that its record holds."
    if record.valid_from and record.valid_to and not shows(candidate, record):
        return "NetSuite cannot sign with what its record holds, whose validity is not the candidate's."
    return ""


def shows(candidate: Candidate, record: Record) -> bool:
    """Whether the record shows the candidate's validity, to the second: all that NetSuite shows of a certificate."""
    shown = tuple(moment and moment.replace(microsecond=0) for moment in (record.valid_from, record.valid_to))
    return shown == (candidate.certificate.not_before, candidate.certificate.not_after)


def read_openair(ports: Ports) -> Certificate | UnreadableCertificate | None:
    """What OpenAir holds. A text that is no certificate is a value here: it is replaced like any other certificate."""
    try:
        return ports.openair.read()
    except UnreadableCertificate as error:
        return error


def looks(ports: Ports, count: int) -> Iterator[None]:
    """``count`` turns to look at a system, with a delay between them: a change may show late."""
    for look in range(count):
        if look:
            ports.clock.sleep(READ_BACK_DELAY)
        yield
