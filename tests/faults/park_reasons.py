"""Whether a rotation was parked for a true reason, and needs a person, judged by what both systems saw.

A change by another party may be old; an answer must have come since the attempt began.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from orchestrator.adapters.netsuite_errors import NOT_DEPLOYED, PERMISSIONS
from orchestrator.adapters.openair_errors import NO_SUCH_RECORD, NOT_ACCEPTED, NOT_PRIVILEGED, SIGN_IN, WRONG_ADDRESS
from persistence.journal import REQUEST, RESTORE_REFUSED
from persistence.journal import Entry as Note
from simulator import Entry, Pair
from states.preconditions import restores_itself
from states.rotation import Failure, Rotation
from states.table import RESUME
from tests.faults.error_codes import INVALID_CERTIFICATE, UNLISTED

APART = timedelta(minutes=1)
"""How far two clocks may disagree."""

Reason = Callable[[Sequence[Entry]], bool]
"""Whether it is true of an account's history."""


def _another_party(system: str, *actions: str) -> Reason:
    """Another party did one of these things there."""
    return lambda history: any(
        entry.endpoint == "outside" and entry.system == system and entry.action in actions for entry in history
    )


def _answered(*, statuses: Iterable[int] = (), codes: Iterable[str] = ()) -> Reason:
    """Some request was answered so."""
    return lambda history: any(entry.status in statuses or entry.code in codes for entry in history)


def _nothing_works(history: Sequence[Entry]) -> bool:
    """The last requests went wrong: lost, refused, or without effect; and several in a row did."""
    ours = [entry for entry in history if entry.endpoint != "outside"]
    return sum(entry.fault is not None for entry in ours) > 2


def _signs_with_an_earlier_one(history: Sequence[Entry]) -> bool:
    """The last signature was not made with what was installed last, but with what was there before."""
    installed = [entry.effect["installed"] for entry in history if "installed" in entry.effect]
    signed = [entry.effect["signed"] for entry in history if "signed" in entry.effect]
    return signed[-1] != installed[-1] and signed[-1] in installed


def _signs_without_us(history: Sequence[Entry]) -> bool:
    """Nothing was installed before the last signature, or another party changed the record."""
    signed = [place for place, entry in enumerate(history) if "signed" in entry.effect]
    untouched = not any("installed" in entry.effect for entry in history[: signed[-1]])
    return untouched or _DONE["FOREIGN_ROTATION"](history)


_MESSAGES: Mapping[str, Reason] = {
    "signs with the previous": _signs_with_an_earlier_one,
    "signs already": _signs_without_us,
}
"""Where one code is said for several reasons."""

_DONE: Mapping[str, Reason] = {
    "FOREIGN_ROTATION": _another_party("netsuite", "foreign", "valid", "placeholder"),
    "CERTIFICATE_NOT_FOUND": _another_party("netsuite", "missing"),
    "CANNOT_SIGN": _another_party("netsuite", "keyless"),
    "DRIFT": _another_party("openair", "foreign", "missing", "administrator"),
}
"""What another party did there."""

_ANSWERED: Mapping[str, Reason] = {
    "CERTIFICATE_NOT_FOUND": _answered(codes=["CERTIFICATE_NOT_FOUND"]),
    "CANNOT_SIGN": _answered(codes=["SIGNING_FAILED"]),
    "DRIFT": _answered(codes=[NO_SUCH_RECORD]),
    "SIGN_IN_REFUSED": _answered(
        statuses=[401],
        codes=[*SIGN_IN, "invalid_grant", "invalid_request", "invalid_client", "access_denied"],  # XML API, OAuth
    ),
    "NOT_PERMITTED": _answered(statuses=[403], codes=[*PERMISSIONS, NOT_PRIVILEGED]),
    "WRONG_BASE_URL": _answered(statuses=[302], codes=WRONG_ADDRESS),
    "REFUSED": _answered(codes=[INVALID_CERTIFICATE, "INVALID_REQUEST", UNLISTED, *NOT_ACCEPTED, *NOT_DEPLOYED]),
    "GAVE_UP": _nothing_works,
}
"""How a system answered."""

_OURS = {"PARKED_BY_PERSON", "NOT_VALID_NOW"}
"""Neither system has a part in that: a person, or a clock of ours, has."""


def is_true(failure: Failure, journal: Sequence[Note], history: Iterable[Entry]) -> bool:
    """Whether what the failure's code says really happened, of a rotation with this journal."""
    seen = list(history)
    for words, reason in _MESSAGES.items():
        if words in failure.message:
            return reason(seen)
    begun = [note.at for note in journal if note.event in (REQUEST, RESUME)]  # none where an attacker cut it off
    since = [entry for entry in seen if not begun or entry.at >= max(begun) - APART]
    done, answered = _DONE.get(failure.code, _never), _ANSWERED.get(failure.code, _never)
    return failure.code in _OURS or done(seen) or answered(since)


def is_outage(parked: Rotation, pair: Pair) -> bool:
    """Whether NetSuite has the rotation's new certificate, and OpenAir still the previous one."""
    candidate, previous = parked.proofs.candidate, parked.previous
    held = (pair.netsuite.record.fingerprint, pair.openair.settings.fingerprint)
    return bool(candidate and previous and held == (candidate.fingerprint, previous.fingerprint))


def waits_needlessly(parked: Rotation, journal: Sequence[Note], now: datetime) -> bool:
    """Whether an outage waits for a person though Keyturn could restore the previous certificate by itself.

    A restore that was tried and refused, in the time of the faults, is a person's from then on.
    """
    return restores_itself(parked, now) and RESTORE_REFUSED not in [note.event for note in journal]


def _never(_history: Sequence[Entry]) -> bool:
    """A code that these tests give no reason for: a wrong seal or a wrong key."""
    return False
