"""What an evidence file shows by itself: with no database, no settings, no key and no network.

It shows that the file agrees with itself: each signature verifies with its certificate, each fingerprint is of its
certificate, the recorded moves are those of the transition table in a legal order, and each entry of the journal names
the hash of the one before it. It cannot show who wrote the file. The journal's hashes are keyed codes: who makes up
entries can make up hashes that follow from each other; only the installation's key shows the difference (LIMITS).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Final

from orchestrator.views import evidence
from orchestrator.views.evidence_format import Evidence, Held, JournalEntry
from persistence.journal import MOVES, ORIGIN, Entry, renamed
from states import table
from states.certificate import CHALLENGE_PREFIX, Certificate, Challenge
from states.errors import InvalidInput
from states.state import State

LIMITS: Final = (
    "That entries are as the installation wrote them. The journal's codes are keyed, and without the key anyone can "
    "make up a file that agrees with itself. Compare the digest with one that was kept elsewhere, or have the "
    "installation that wrote the file check it with its key.",
    "Who signed: a signature shows the certificate's private key at work. Keyturn made the candidate's key, so that "
    "it was NetSuite that signed is what Keyturn recorded.",
    "What OpenAir holds: OpenAir signs nothing. What it was read back to hold is what Keyturn recorded.",
    "When and who: times, names, reasons and messages are what Keyturn recorded.",
    "What happened after the file was made.",
)
"""What a file cannot show by itself."""

_ENDINGS: Final = {edge.trigger: edge.ending for edge in table.PARKED if edge.ending}
_NO_SIGNATURE: Final = f"{CHALLENGE_PREFIX}None"


def findings(file: Evidence) -> list[str]:
    """What is wrong with ``file``, the most harmful first, each as a sentence; empty where it agrees with itself."""
    journal = [_to_entry(file.rotation.id, each) for each in file.journal]
    if not journal:
        return ["The journal is empty."]
    now = [renamed(entry) for entry in journal]
    return list(
        dict.fromkeys(
            [
                *_order(now, journal),
                *_signatures(file, now),
                *_certificates(file, now),
                *_readings(file, now),
                *_chain(file, journal),
                *_about(file, now),
            ]
        )
    )


def _to_entry(rotation_id: str, each: JournalEntry) -> Entry:
    return Entry(
        previous_hash=each.previous_hash,
        rotation_id=rotation_id,
        seq=each.seq,
        at=datetime.fromisoformat(each.at),
        actor=each.actor,
        event=each.event,
        source=each.source,
        target=each.target,
        attempt=each.attempt,
        detail=each.detail,
        hash=each.hash,
    )


# --- the order of the moves -------------------------------------------------------------------------------------------


class _Replay:
    """How far a rotation got, move by move."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.failed_from: State | None = None
        self.candidate: object = None
        self.confirmed: object = None
        """The fingerprint that NetSuite has confirmed; None again once the previous certificate is put back."""
        self.attempt = 1
        self.is_closed = False

    def move(self, entry: Entry) -> Iterator[str]:
        """Make the move of ``entry``; yield what is wrong with it, the most harmful first."""
        fingerprint = entry.detail.get("fingerprint")
        if entry.event in evidence.SAVED and (self.confirmed is None or fingerprint != self.confirmed):
            yield f"Entry {entry.seq} saves to OpenAir what NetSuite had not confirmed by then."
        if self.is_closed:
            yield f"Entry {entry.seq} follows the entry that closed the rotation."
        if entry.source is not self.state:
            yield f"Entry {entry.seq} does not begin where the entry before it ended."
        if entry.event == table.RESUME:
            self.attempt += 1
            if entry.target is not self.failed_from:
                yield f"Entry {entry.seq} resumes to another state than the one that the rotation failed from."
        if entry.attempt != self.attempt:
            yield f"Entry {entry.seq} counts another attempt than there were."
        self._gather(entry, fingerprint)
        if entry.event in evidence.PROVED[:1] and fingerprint != self.candidate:
            yield f"Entry {entry.seq} confirms another certificate than the candidate."

    def _gather(self, entry: Entry, fingerprint: object) -> None:
        self.state = entry.target
        if entry.event == evidence.MADE:
            self.candidate = fingerprint
        elif entry.event in evidence.PROVED[:1]:
            self.confirmed = fingerprint
        elif entry.event == table.FAIL:
            self.failed_from = entry.source
        elif entry.event == table.RESTORING:
            self.failed_from, self.confirmed = table.BEFORE_UPLOAD, None
        self.is_closed = entry.event in _ENDINGS or entry.target is State.COMPLETED


def _order(journal: Sequence[Entry], written: Sequence[Entry]) -> Iterator[str]:
    replay = _Replay()
    for entry, as_written in zip(journal, written, strict=True):
        yield from replay.move(entry)
        if f"{entry.source or ''}>{as_written.event}>{entry.target}" not in MOVES:
            yield f"Entry {entry.seq} makes a move that the transition table does not have."


# --- what both systems showed -----------------------------------------------------------------------------------------


def _signatures(file: Evidence, journal: Sequence[Entry]) -> Iterator[str]:
    certificates, asked = dict(file.certificates), set[str]()
    for given, expected in zip_longest(file.netsuite, evidence.signatures(journal)):
        shown = given.model_dump() if given else None
        if expected is None or expected["signature"] is None or expected["challenge"] == _NO_SIGNATURE or not given:
            seq = expected["entry"] if expected else given and given.entry
            yield f"Entry {seq} and NetSuite's signatures do not belong together."
            continue
        if shown != expected:
            yield f"What NetSuite signed for entry {given.entry} is not what the journal has."
        held = certificates[given.certificate]
        try:
            challenge = Challenge(given.challenge.removeprefix(CHALLENGE_PREFIX))
            is_proved = held is not None and _parsed(held).verifies(given.signature, challenge.text)
        except InvalidInput:
            is_proved = False
        if not is_proved:
            yield f"The signature of entry {given.entry} was not made with the {given.certificate} certificate's key."
        if given.challenge in asked:
            yield f"The challenge of entry {given.entry} was signed before."
        asked.add(given.challenge)


def _certificates(file: Evidence, journal: Sequence[Entry]) -> Iterator[str]:
    known = evidence.fingerprints(journal)
    for role, held in dict(file.certificates).items():
        if (held.fingerprint if held else None) != known[role]:
            yield f"The {role} certificate is not the one that the journal names."
        if held is None:
            continue
        try:
            parsed = _parsed(held)
        except InvalidInput:
            yield f"The {role} certificate cannot be read."
            continue
        if evidence.held_json(parsed) != held.model_dump():
            yield f"The {role} certificate has another fingerprint, validity or text than the file says."
    for entry in journal:
        if entry.event == table.RESTORE and entry.detail.get("fingerprint") != known["previous"]:
            yield f"Entry {entry.seq} restores another certificate than the previous one."


def _parsed(held: Held) -> Certificate:
    return Certificate.parse(held.pem)


def _readings(file: Evidence, journal: Sequence[Entry]) -> Iterator[str]:
    # Whether only a person can look there is the connection's own: of a closing move the journal does not tell it.
    seen = evidence.readings(journal, by_hand=False), evidence.readings(journal, by_hand=True)
    shown = [each.model_dump() for each in file.openair]
    if not all(given in either for given, *either in zip_longest(shown, *seen)):
        yield "What OpenAir was read back to hold is not what the journal has."


# --- the rest of the file against its journal -------------------------------------------------------------------------


def _chain(file: Evidence, journal: Sequence[Entry]) -> Iterator[str]:
    last, chain = file.chain.continues, file.chain
    for place, entry in enumerate(journal, 1):
        if entry.seq != place:
            yield f"Entry {entry.seq} of the journal should be entry {place}."
        if entry.previous_hash != last:
            yield f"Entry {entry.seq} does not name the hash of the entry before it."
        last = entry.hash
    if (chain.entries, chain.head) != (len(journal), last):
        yield "The journal does not end where the file says."
    if (chain.follows is None) != (chain.continues == ORIGIN):
        yield "The journal continues no rotation, or the file does not name the one that it continues."


def _about(file: Evidence, journal: Sequence[Entry]) -> Iterator[str]:
    first, last, about = journal[0], journal[-1], file.rotation
    ending = _ENDINGS.get(last.event)
    is_closed = ending is not None or last.target is State.COMPLETED
    expected: Mapping[str, object] = {
        "cause": first.detail.get("cause"),
        "actor": first.actor,
        "reason": first.detail.get("reason"),
        "state": last.target,
        "ending": ending,
        "attempt": last.attempt,
        "requested_at": evidence.moment(first.at),
        "closed_at": evidence.moment(last.at if is_closed else None),
    }
    for name, value in expected.items():
        if getattr(about, name) != value:
            yield f"The rotation's {name} is not what the journal has."
    if [each.model_dump() for each in file.timeline] != evidence.timeline(journal):
        yield "The timeline is not that of the journal."
