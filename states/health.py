"""The health of a connection: the vendor's sentence, and each problem with its next action.

The two sentences are those of OpenAir's own health check, and they show under the same conditions.
https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (real-time certificate rotation)
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from states import due
from states.certificate import Certificate
from states.connection import Connection, OpenAirKind
from states.credential import sign_in_certificate
from states.due import Need
from states.errors import CertificateRecordMissing, Drift, ForeignRotation, KeyturnError
from states.next_action import NextAction, Verb, by_hand
from states.outage import Outage, outage_of
from states.ports import Record
from states.rotation import Rotation
from states.timing import CREDENTIAL_PROBLEM_WITHIN

OUTAGE: Final = "OUTAGE"
"""The code of the problem that an open rotation leaves imports in an outage."""
NO_VALID_CERTIFICATE: Final = "No valid certificate available for real-time import"
NOT_KNOWN: Final = "Not known: {unasked} could not be asked."
KEY_FILE_LEFT: Final = "NetSuite may still hold the file of a private key: {warnings}"
DELETE_KEY_FILE: Final = by_hand("Delete the file in NetSuite. Keyturn tries that again at each check and upload.")
VALID_UNTIL: Final = "Current real-time import certificate is valid until {expiry}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What both sides answered at ``now`` (UTC)."""

    connection: Connection
    now: datetime
    netsuite: Record | KeyturnError | None
    """The record; None where there is none; the error where NetSuite could not be asked."""
    openair: Certificate | KeyturnError | None
    """OpenAir's certificate; None where it has none; the error where OpenAir could not be asked."""
    agree: bool | None
    """Whether NetSuite's signature verified with OpenAir's certificate; None where that could not be tried."""
    rotation: Rotation | None
    """The connection's open rotation, if any."""
    key_files: tuple[str, ...] = ()
    """What NetSuite said of files of private keys that it could not remove."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what to do about it."""

    code: str
    message: str
    next_action: NextAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health check's result."""

    shows: bool | None
    """Whether OpenAir's form would show the line at all; None where the systems could not be asked."""
    sentence: str
    valid_until: datetime | None
    """UTC; None where there is no valid certificate, or where that is not known."""
    problems: tuple[Problem, ...]
    sign_in_until: datetime | None = None
    """Until when Keyturn's own certificate for NetSuite is valid (UTC); None where that is not known."""
    outage: Outage | None = None
    """The outage that the connection's open rotation leaves imports in, if any."""


def check(facts: Facts) -> Health:
    """Judge ``facts``. An expired, absent, placeholder or disagreeing certificate counts as none (assumption)."""
    problems = tuple(problem for look in _LOOKS if (problem := look(facts)))
    outage = outage_of(facts.rotation) if facts.rotation else None
    sign_in_until = facts.connection.netsuite.sign_in_ends
    if isinstance(facts.openair, KeyturnError) and not _holds_none(facts.netsuite):
        return Health(
            shows=None,
            sentence=_unknown(facts),
            valid_until=None,
            problems=problems,
            sign_in_until=sign_in_until,
            outage=outage,
        )
    certificate = _certificate(facts)
    until = certificate.not_after if certificate and _works(certificate, facts) else None
    return Health(
        shows=facts.connection.options.shows_certificate,
        sentence=VALID_UNTIL.format(expiry=f"{until:%Y-%m-%d}") if until else NO_VALID_CERTIFICATE,
        valid_until=until,
        problems=problems,
        sign_in_until=sign_in_until,
        outage=outage,
    )


def _unknown(facts: Facts) -> str:
    """The sentence where OpenAir could not be asked: what it holds is not known, only what it was given last."""
    unasked = "the systems" if isinstance(facts.netsuite, KeyturnError) else "OpenAir"
    current = facts.connection.current
    last = f" The certificate that was saved there last is valid until {current.not_after:%Y-%m-%d}." if current else ""
    return f"{NOT_KNOWN.format(unasked=unasked)}{last}"


def _holds_none(netsuite: Record | KeyturnError | None) -> bool:
    """Whether NetSuite is known to hold no certificate, so that none can be valid."""
    return netsuite is None or (isinstance(netsuite, Record) and netsuite.is_placeholder)


def _works(certificate: Certificate, facts: Facts) -> bool:
    return certificate.is_valid_at(facts.now) and facts.agree is not False and not _holds_none(facts.netsuite)


def _certificate(facts: Facts) -> Certificate | None:
    """OpenAir's certificate; if OpenAir could not be asked, the one that Keyturn last saved there."""
    return facts.connection.current if isinstance(facts.openair, KeyturnError) else facts.openair


def _netsuite_unreachable(facts: Facts) -> Problem | None:
    return _unreachable("NetSuite", facts.netsuite, facts.connection.name)


def _openair_unreachable(facts: Facts) -> Problem | None:
    return _unreachable("OpenAir", facts.openair, facts.connection.name)


def _unreachable(system: str, answer: object, connection: str) -> Problem | None:
    if not isinstance(answer, KeyturnError):
        return None
    next_action = answer.next_action.outside_rotation().about(connection=connection)
    return Problem(answer.code, f"{system} could not be asked: {answer.message}", next_action)


def _record_missing(facts: Facts) -> Problem | None:
    if facts.netsuite is not None:
        return None
    error = CertificateRecordMissing()
    return Problem(error.code, error.message, by_hand(error.repair, _rotate(facts)))


def _placeholder(facts: Facts) -> Problem | None:
    if not isinstance(facts.netsuite, Record) or not facts.netsuite.is_placeholder:
        return None
    return Problem(
        "PLACEHOLDER",
        f"NetSuite holds the placeholder {facts.netsuite.file_name}, which is not valid.",
        _rotate(facts),
    )


def _openair_empty(facts: Facts) -> Problem | None:
    if facts.openair is not None:
        return None
    return Problem(
        "OPENAIR_EMPTY",
        "OpenAir holds no certificate for real-time import.",
        _rotate(facts),
    )


def _drift(facts: Facts) -> Problem | None:
    if facts.agree is not False:
        return None
    message = "Imports are refused: NetSuite does not sign with the key of the certificate in OpenAir."
    if facts.connection.openair.kind is OpenAirKind.EXPORT:
        message = (
            "Imports are refused, unless OpenAir holds another certificate by now, which Keyturn cannot see: NetSuite "
            "does not sign with the key of the certificate that was confirmed last."
        )
    return Problem(Drift.code, message, _rotate(facts))


def _foreign(facts: Facts) -> Problem | None:
    """Both sides hold a certificate that Keyturn does not know, so Keyturn would rotate it too late or too early."""
    ours = facts.connection.current
    if not facts.agree or ours is None or not isinstance(facts.openair, Certificate):
        return None
    candidate = facts.rotation.proofs.candidate if facts.rotation else None
    if facts.openair.fingerprint in (ours.fingerprint, candidate and candidate.fingerprint):
        return None
    choice = "The rotation replaces nothing: you can adopt that certificate then, or overwrite it."
    return Problem(
        ForeignRotation.code,
        "Both sides hold a certificate that Keyturn did not put there, so it does not rotate it in time.",
        _rotate(facts, choice),
    )


def _due(facts: Facts) -> Problem | None:
    certificate = _certificate(facts)
    need = due.need(certificate, None, facts.now)  # without the drawn moment: being due is no problem
    if certificate is None or need in (Need.NOT_DUE, Need.DUE):
        return None
    tense = "expired on" if need is Need.EXPIRED else "expires on"
    return Problem(
        need.name,
        f"The certificate {tense} {certificate.not_after:%Y-%m-%d}.",
        _rotate(facts),
    )


def _not_yet_valid(facts: Facts) -> Problem | None:
    certificate = _certificate(facts)
    if certificate is None or facts.now >= certificate.not_before:
        return None
    return Problem(
        "NOT_YET_VALID",
        f"The certificate is valid only from {certificate.not_before:%Y-%m-%d %H:%M} UTC on.",
        NextAction(
            Verb.DOCTOR,
            {"connection": facts.connection.name},
            because="Correct this machine's clock; the doctor compares it with NetSuite's.",
        ),
    )


def _rotate(facts: Facts, because: str = "") -> NextAction:
    """What replaces a certificate: a new rotation, or the open one, because a connection has one at a time."""
    if facts.rotation:
        return _explain(facts.rotation, f"Rotation {facts.rotation.id} is open.")
    return NextAction(Verb.ROTATE, {"connection": facts.connection.name}, because)


def _explain(rotation: Rotation, because: str = "") -> NextAction:
    return NextAction(Verb.EXPLAIN, {"rotation": rotation.id}, because)


def _sign_in(facts: Facts) -> Problem | None:
    """Keyturn's own certificate for NetSuite ends: no certificate is rotated then."""
    mine = sign_in_certificate(facts.connection.name, facts.connection.netsuite.sign_in_ends)
    if mine.not_after is None or mine.not_after - facts.now > CREDENTIAL_PROBLEM_WITHIN:
        return None
    return Problem("CREDENTIAL_EXPIRING", f"{mine.label} {mine.ends(facts.now)}.", mine.next_action)


def _parked(facts: Facts) -> Problem | None:
    rotation = facts.rotation
    if rotation is None or rotation.failure is None:
        return None
    return Problem(
        "PARKED",
        f"Rotation {rotation.id} is parked: {rotation.failure.message}",
        _explain(rotation),
    )


def _key_file(facts: Facts) -> Problem | None:
    if not facts.key_files:
        return None
    return Problem("KEY_FILE_LEFT", KEY_FILE_LEFT.format(warnings=" ".join(facts.key_files)), DELETE_KEY_FILE)


def _outage(facts: Facts) -> Problem | None:
    rotation = facts.rotation
    outage = outage_of(rotation) if rotation else None
    if rotation is None or outage is None:
        return None
    waits = rotation.failure or rotation.awaits_person
    next_action = _explain(rotation) if waits else NextAction(Verb.WATCH, {"rotation": rotation.id})
    return Problem(OUTAGE, f"{outage.sentence(facts.now)}: {outage.reason}", next_action)


_LOOKS: Final[tuple[Callable[[Facts], Problem | None], ...]] = (
    _outage,
    _drift,
    _netsuite_unreachable,
    _openair_unreachable,
    _record_missing,
    _placeholder,
    _key_file,
    _openair_empty,
    _foreign,
    _due,
    _not_yet_valid,
    _sign_in,
    _parked,
)
"""What is looked at, the most harmful first: imports that are refused."""
