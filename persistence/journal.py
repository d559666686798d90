"""The journal's chain: what happened to a rotation, written so that a later change shows.

Each entry's hash is the vault's authentication code of the entry and of the hash before it; a rotation's first entry
continues the chain of the connection's previous rotation. The chain shows edits, removals and cut-off tails. Who can
write the database, but has no key-encryption key, cannot compute a hash again. What the chain cannot show, that the
newest histories or all of them were removed, a checkpoint shows that is kept elsewhere (`checkpoints`).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from persistence.vault import Vault
from states import table
from states.errors import JournalBroken
from states.rotation import Rotation
from states.state import State

REQUEST: Final = "request"
"""The event of every rotation's first entry, which comes from no state."""
POSTPONED: Final = "postponed"
TAKEN_OVER: Final = "taken_over"
UNKNOWN: Final = "unknown"
"""A write was sent and its answer lost; committed before anything else is sent."""
CONFIRMED_BY_PERSON: Final = "confirmed_by_person"
RESTORE_REFUSED: Final = "restore_refused"
"""Keyturn cannot restore the previous certificate by itself: from now on the rotation waits for a person."""

APPROVAL_ASKED: Final = "approval_asked"
"""A person asks for another one's approval to close a parked rotation (states/approval.py)."""
APPROVAL_WITHDRAWN: Final = "approval_withdrawn"

NOTES: Final = (POSTPONED, TAKEN_OVER, UNKNOWN, CONFIRMED_BY_PERSON)
"""Events that leave the state as it is. They happen to rotations that have a step left."""

PARKED_NOTES: Final = (RESTORE_REFUSED, APPROVAL_ASKED, APPROVAL_WITHDRAWN)
"""Events that leave a parked rotation parked, besides being postponed."""

RENAMED: Final = {"put_off": POSTPONED}
"""Events by the name that an earlier checkout wrote. An entry keeps it, because the entry's hash covers it."""

EVENTS: Final = tuple(dict.fromkeys((REQUEST, *table.TRIGGERS, *NOTES, *PARKED_NOTES)))
"""Every event, by its present name."""

MOVES: Final = (
    f">{REQUEST}>{State.REQUESTED}",
    *(f"{edge.source}>{edge.trigger}>{edge.target}" for edge in table.EDGES),
    *(f"{state}>{note}>{state}" for note in (*NOTES, *RENAMED) for state in table.ACTIVE),
    *(f"{State.FAILED}>{note}>{State.FAILED}" for note in (POSTPONED, *PARKED_NOTES)),
)
"""Everything that an entry can say, as `source>event>target`; the database refuses anything else."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a rotation's journal ends so far."""

    seq: int
    hash: str


ORIGIN: Final = "0" * 64
"""The hash before the first entry of a connection's first rotation."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a rotation."""

    previous_hash: str
    rotation_id: str
    seq: int
    """Counts from 1 without gaps."""
    at: datetime
    """UTC."""
    actor: str
    """The person, schedule or worker that did it."""
    event: str
    source: State | None
    """None for the request."""
    target: State
    attempt: int
    detail: Mapping[str, object]
    """Evidence, as JSON has it; nothing secret."""
    hash: str
    """The vault's code of all of the above, in this order."""

    @property
    def head(self) -> Head:
        """The journal's end when this is its last entry."""
        return Head(self.seq, self.hash)


def renamed(entry: Entry) -> Entry:
    """The entry with its event's present name. Its hash stays: it was made with the name of then."""
    return replace(entry, event=RENAMED[entry.event]) if entry.event in RENAMED else entry


def append(
    vault: Vault,
    head: Head,
    rotation: Rotation,
    *,
    event: str,
    actor: str,
    source: State | None,
    detail: Mapping[str, object],
) -> Entry:
    """Make the entry that follows ``head``: that ``event`` took ``rotation`` from ``source`` to its state.

    ``detail`` must be plain JSON; otherwise a TypeError names what is not. Call ``vault.unlock`` before a transaction
    in which this is called.
    """
    covered = (
        *(head.hash, rotation.id, head.seq + 1, rotation.updated_at, actor),
        *(event, source, rotation.state, rotation.attempt, detail),
    )
    return Entry(*covered, vault.authenticate(_content(*covered)))


_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def content(entry: Entry) -> bytes:
    """What an entry's hash covers: what it is, the hash before it, and all of the entry."""
    return _content(
        *(entry.previous_hash, entry.rotation_id, entry.seq, entry.at, entry.actor),
        *(entry.event, entry.source, entry.target, entry.attempt, entry.detail),
    )


def _content(previous_hash: str, rotation_id: str, seq: int, at: datetime, *rest: object) -> bytes:
    covered = (previous_hash, rotation_id, seq, at.isoformat(timespec="microseconds"), *rest)
    return _canonical(("keyturn journal entry", *covered)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What one entry must agree with."""

    before: Head | None
    """The entry before it; for a first one the end of the connection's rotation before, ORIGIN where there is none.
    None where it was removed."""
    reached: State | None
    """Where the entry before it left the rotation; None for a first one."""
    head: Head
    """Where the rotation says that its journal ends."""
    has_next: bool
    """Whether there is an entry after it."""


def finding(entry: Entry, around: Neighbours, is_authentic: Callable[[Entry], bool]) -> str:
    """What is wrong with one entry, as a sentence; empty where it is as it was written, and in its place."""
    if not is_authentic(entry):
        return "This entry was changed after it was written."
    if around.before is None:
        return "The entry before this one was removed."
    if entry.previous_hash != around.before.hash or entry.source != around.reached:
        return "This entry does not follow from the one before it."
    if entry.seq == around.head.seq and entry.hash != around.head.hash:
        return "The rotation names another entry as its last one."
    if entry.seq > around.head.seq or (entry.seq < around.head.seq and not around.has_next):
        return "The entry after this one was removed, or the rotation was changed."
    return ""


def verify(
    is_authentic: Callable[[Entry], bool],
    entries: Iterable[Entry],
    *,
    rotation_id: str,
    after: str,
    head: Head,
    state: State,
) -> int:
    """Check a rotation's whole journal; return how many entries it has.

    ``is_authentic`` says whether an entry's hash is its own; ``after`` is the hash that the journal continues, ``head``
    where the rotation says it ends, ``state`` the rotation's own. Raises JournalBroken naming the first entry that is
    not as it was written.
    """
    last = Head(0, after)
    reached: State | None = None
    for entry in entries:
        where = f"Journal entry {entry.seq} of rotation {rotation_id}"
        if entry.seq != last.seq + 1:
            raise JournalBroken(f"{where} should be entry {last.seq + 1}: the entries in between were removed.")
        if entry.previous_hash != last.hash or entry.source != reached:
            raise JournalBroken(f"{where} does not follow from what is before it.")
        if not is_authentic(entry):
            raise JournalBroken(f"{where} was changed after it was written.")
        last, reached = entry.head, entry.target
    if last != head:
        raise JournalBroken(
            f"The journal of rotation {rotation_id} ends with entry {last.seq} ({last.hash[:12]}…), "
            f"but was written up to entry {head.seq} ({head.hash[:12]}…)."
        )
    if reached is not state:
        raise JournalBroken(
            f"Rotation {rotation_id} was changed outside Keyturn: its journal leaves it {reached}, not {state}."
        )
    return last.seq
