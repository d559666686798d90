"""The room of the checkpoints: the whole journal at one moment, in one line that can be kept elsewhere.

A checkpoint's head is a digest of the head of the checkpoint before it, and of where the journal of each rotation ended
that went on since then. The vault authenticates it. Making one costs a pass over the rotations, and checking one also
works when the journal has gone on since: where each journal ended then is stored.

A copy elsewhere shows what the database alone cannot: that whole histories were removed together with the checkpoints
that cover them, and that the database was set back.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, and_, bindparam, func, insert, select, text

from persistence import models
from persistence.clock import database_now
from persistence.database import Database
from persistence.vault import Vault
from states.errors import InvalidInput, JournalBroken

_MARK: Final = "keyturn-checkpoint:"
_LINE: Final = re.compile(
    _MARK + r"([1-9][0-9]{0,8}):([0-9]{8}T[0-9]{6}\.[0-9]{6}Z):([0-9]{1,18}):([0-9]{1,18}):"
    r"([0-9a-f]{64}):([1-9][0-9]{0,8}-[0-9a-f]{64})(?![0-9A-Za-z])"
)
_MOMENT: Final = "%Y%m%dT%H%M%S.%fZ"
_ORIGIN: Final = "0" * 64
"""The head before the first checkpoint."""

_r: Final = models.rotations
_c: Final = models.checkpoints
_h: Final = models.checkpoint_heads
_j: Final = models.journal

_LOCK: Final = text("SELECT pg_advisory_xact_lock(7120231124)")
"""A number of Keyturn's own. The second of two processes that make a checkpoint waits here, and then sees the first
one's. SQLite has one writer at a time anyway."""
_NEWEST: Final = select(_c, database_now().label("now")).order_by(_c.c.number.desc()).limit(1)
_NOW: Final = select(database_now())
_NOTE_HEADS: Final = insert(_h).from_select(
    ["rotation_id", "seq", "checkpoint"],
    select(_r.c.id, _r.c.journal_seq, bindparam("checkpoint"))
    .outerjoin(_h, and_(_h.c.rotation_id == _r.c.id, _h.c.seq == _r.c.journal_seq))
    .where(_h.c.rotation_id.is_(None)),
)
_ENDS: Final = select(func.max(_h.c.seq).label("seq")).group_by(_h.c.rotation_id).subquery()
_COUNTS: Final = select(func.coalesce(func.sum(_ENDS.c.seq), 0), func.count()).select_from(_ENDS)
_HEADS: Final = (
    select(_h.c.checkpoint, _h.c.rotation_id, _h.c.seq, _j.c.hash)
    .outerjoin(_j, and_(_j.c.rotation_id == _h.c.rotation_id, _j.c.seq == _h.c.seq))
    .order_by(_h.c.checkpoint, _h.c.rotation_id, _h.c.seq)
)
_ALL: Final = select(_c).order_by(_c.c.number)
_Heads = Iterable[tuple[int, str, int, str | None]]
"""Where journals ended: checkpoint, rotation, number and hash of the entry; no hash where the entry was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The whole journal at one moment."""

    number: int
    """Counts from 1 without gaps."""
    at: datetime
    """By the database's clock (UTC)."""
    entries: int
    rotations: int
    head: str
    """Covers the checkpoint before this one, and where each journal ended that went on since then."""
    code: str = ""
    """The vault's code of all of the above."""

    @property
    def line(self) -> str:
        """The checkpoint as one word, for a copy elsewhere."""
        counts = f"{self.number}:{self.at.astimezone(UTC).strftime(_MOMENT)}:{self.entries}:{self.rotations}"
        return f"{_MARK}{counts}:{self.head}:{self.code}"

    @property
    def content(self) -> bytes:
        """What the code covers."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return json.dumps(["keyturn checkpoint", self.number, at, self.entries, self.rotations, self.head]).encode()

    def __str__(self) -> str:
        return f"Checkpoint {self.number} of {self.at:%Y-%m-%d %H:%M:%S} UTC"


def read_lines(lines: Iterable[str]) -> list[Checkpoint]:
    """Return every checkpoint in ``lines`` once, in order of their numbers; text around them does not matter.

    Raises InvalidInput for a checkpoint that was cut off.
    """
    found: set[Checkpoint] = set()
    for number, line in enumerate(lines, 1):
        matches = list(_LINE.finditer(line))
        if len(matches) != line.count(_MARK):
            raise InvalidInput(f"Line {number} holds a checkpoint that was cut off or changed.")
        found.update(map(_parsed, matches))
    return sorted(found, key=lambda checkpoint: checkpoint.number)


def _parsed(match: re.Match[str]) -> Checkpoint:
    number, at, entries, rotations, head, code = match.groups()
    try:
        moment = datetime.strptime(at, _MOMENT).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f"A checkpoint names the time {at}, which there is not.") from error
    return Checkpoint(
        number=int(number), at=moment, entries=int(entries), rotations=int(rotations), head=head, code=code
    )


class Checkpoints:
    """The checkpoints of the whole journal: made, and compared with the journal and with copies."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def make(self) -> Checkpoint:
        """Store a checkpoint of the journal as it is now, and return it.

        Raises JournalBroken where the end of a rotation's journal was removed; VaultLocked, SealBroken.
        """
        made = self._make(timedelta(0))
        assert made, "no checkpoint is younger than nothing"
        return made

    def make_after(self, interval: timedelta) -> Checkpoint | None:
        """Like `make`, but return None where the newest checkpoint, which another worker may have made, is younger than
        ``interval`` by the database's clock. Cheap then: nothing is locked.
        """
        with self._database.glancing() as tx:
            row = tx.execute(_NEWEST).first()
        return None if row and _is_younger(row, interval) else self._make(interval)

    def _make(self, interval: timedelta) -> Checkpoint | None:
        self._vault.unlock()
        with self._database.writing() as tx:
            if not self._database.is_sqlite:
                tx.execute(_LOCK)
            row = tx.execute(_NEWEST).first()
            if row and _is_younger(row, interval):
                return None
            made = self._next(tx, _checkpoint(row) if row else None)
            tx.execute(insert(_c).values(asdict(made)))
            return made

    def _next(self, tx: Transaction, before: Checkpoint | None) -> Checkpoint:
        number = before.number + 1 if before else 1
        # One statement decides what is covered: on PostgreSQL the next one may see more.
        tx.execute(_NOTE_HEADS, {"checkpoint": number})
        entries, rotations = tx.execute(_COUNTS).one()
        at = tx.execute(_NOW).scalar_one()
        with closing(tx.execute(_HEADS.where(_h.c.checkpoint == number).execution_options(yield_per=1000))) as heads:
            head = _head(before.head if before else _ORIGIN, map(_noted, heads))
        made = Checkpoint(number=number, at=at, entries=int(entries), rotations=rotations, head=head)
        return replace(made, code=self._vault.authenticate(made.content))

    def verify(self, copies: Sequence[Checkpoint] = ()) -> int:
        """Compare all checkpoints with the journal, and with ``copies`` of some of them; return how many there are.

        Raises JournalBroken naming the first that does not fit; VaultLocked, SealBroken.
        """
        self._vault.unlock()
        for copy in copies:
            if not self._vault.is_authentic(copy.content, copy.code):
                raise JournalBroken(f"{copy} is a forgery, or of another database: the vault's keys did not make it.")
        with self._database.reading() as tx:
            stored = [_checkpoint(row) for row in tx.execute(_ALL)]
            with closing(tx.execute(_HEADS.execution_options(yield_per=1000))) as heads:
                self._verify(stored, map(_noted, heads))
        _compare(stored, copies)
        return len(stored)

    def _verify(self, stored: Sequence[Checkpoint], heads: _Heads) -> None:
        before = _ORIGIN
        noted = _by_checkpoint(heads)
        covered = next(noted, None)
        for number, checkpoint in enumerate(stored, 1):
            if checkpoint.number != number:
                raise JournalBroken(f"Checkpoint {number} was removed; {_lower(checkpoint)} is kept.")
            own: _Heads = ()
            if covered and covered[0] == number:
                own = covered[1]
            head = _head(before, own)
            if own:
                covered = next(noted, None)
            if head != checkpoint.head:
                raise JournalBroken(
                    f"{checkpoint} does not fit the journal: entries that it covers were removed, or the record of "
                    "them was changed."
                )
            if not self._vault.is_authentic(checkpoint.content, checkpoint.code):
                raise JournalBroken(f"{checkpoint} was changed after it was made.")
            before = head
        if covered:
            raise JournalBroken(f"Checkpoint {covered[0]} was removed: where journals ended then is still stored.")


def _is_younger(row: Row[Any], interval: timedelta) -> bool:
    """Whether the newest checkpoint was made within ``interval``. One of the future was made by a clock that ran ahead:
    it is as good as none, or there would be none until then.
    """
    age: timedelta = row.now - row.at
    return timedelta(0) <= age < interval


def _by_checkpoint(heads: _Heads) -> Iterator[tuple[int, _Heads]]:
    return groupby(heads, key=lambda noted: noted[0])


def _noted(row: Row[int, str, int, str | None]) -> tuple[int, str, int, str | None]:
    return row.checkpoint, row.rotation_id, row.seq, row.hash


def _head(before: str, heads: _Heads) -> str:
    """The digest of a checkpoint. Raises JournalBroken where an entry that it covers was removed."""
    digest = hashlib.sha256(before.encode())
    for checkpoint, rotation_id, seq, entry_hash in heads:
        if entry_hash is None:
            raise JournalBroken(
                f"The journal of rotation {rotation_id} was removed, or cut off before entry {seq}, which checkpoint "
                f"{checkpoint} covers."
            )
        digest.update(json.dumps([rotation_id, seq, entry_hash]).encode())
    return digest.hexdigest()


def _compare(stored: Sequence[Checkpoint], copies: Sequence[Checkpoint]) -> None:
    """Raise JournalBroken where a copy, which is authentic, is not the checkpoint of its number."""
    for copy in copies:
        if copy.number > len(stored):
            last = f"its newest is {_lower(stored[-1])}" if stored else "it has none"
            raise JournalBroken(
                f"The database was set back, or its newest histories were removed: it lacks {_lower(copy)} "
                f"({copy.entries} entries of {copy.rotations} rotations); {last}."
            )
        if copy != stored[copy.number - 1]:
            raise JournalBroken(
                f"The database was set back to before {_lower(copy)} and went on from there, or histories were removed "
                "and the checkpoint was replaced: the database has another one of this number, made at "
                f"{stored[copy.number - 1].at:%Y-%m-%d %H:%M:%S} UTC."
            )


def _lower(checkpoint: Checkpoint) -> str:
    return f"c{str(checkpoint)[1:]}"


def _checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(
        number=row.number, at=row.at, entries=row.entries, rotations=row.rotations, head=row.head, code=row.code
    )
