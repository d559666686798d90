"""The room of the checkpoints: the whole journal at one moment, in one line that can be kept elsewhere.

A checkpoint's head is a digest of the head of the checkpoint before it, and of where the journal of each rotation ended
that went on since then. The vault authenticates it. Making one costs a pass over the rotations, which no writer waits
for, and checking one also works when the journal has gone on since: where each journal ended then is stored.

A copy elsewhere shows what the database alone cannot: that whole histories were removed together with the checkpoints
that cover them, and that the database was set back.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, func, insert, select, text

from persistence import models
from persistence.checkpoint import Checkpoint
from persistence.clock import database_now
from persistence.database import Database
from persistence.vault import Vault
from states.errors import JournalBroken

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
_ENDS: Final = (
    select(_r.c.id, _r.c.journal_seq.label("seq"), _j.c.hash)
    .outerjoin(_h, and_(_h.c.rotation_id == _r.c.id, _h.c.seq == _r.c.journal_seq))
    .outerjoin(_j, and_(_j.c.rotation_id == _r.c.id, _j.c.seq == _r.c.journal_seq))
    .where(_h.c.rotation_id.is_(None))
    .order_by(_r.c.id)
)
"""Where each journal ends that went on since a checkpoint covered it."""
_COVERED: Final = (
    select(_h.c.rotation_id, func.max(_h.c.seq))
    .where(_h.c.rotation_id.in_(bindparam("ids", expanding=True)))
    .group_by(_h.c.rotation_id)
)
_PART: Final = 5_000
"""How many journals one checkpoint adds at most: storing where they end holds SQLite's write lock."""
_HEADS: Final = (
    select(_h.c.checkpoint, _h.c.rotation_id, _h.c.seq, _j.c.hash)
    .outerjoin(_j, and_(_j.c.rotation_id == _h.c.rotation_id, _j.c.seq == _h.c.seq))
    .order_by(_h.c.checkpoint, _h.c.rotation_id, _h.c.seq)
)
_ALL: Final = select(_c).order_by(_c.c.number)
_Heads = Iterable[tuple[int, str, int, str | None]]
"""Where journals ended: checkpoint, rotation, number and hash of the entry; no hash where the entry was removed."""


class Checkpoints:
    """The checkpoints of the whole journal: made, and compared with the journal and with copies."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def make(self) -> Checkpoint:
        """Store a checkpoint that covers every entry that was committed when it began, and return it.

        The journals are read in a snapshot, so that no writer waits meanwhile. Entries that are appended after that are
        left to the next checkpoint. Where many journals went on since the newest one, several checkpoints are made,
        each in a short transaction and for a part of the journals; the last one is returned, and covers those before
        it. What an interrupted call made is kept: the next one goes on from there.

        Raises JournalBroken where the end of a rotation's journal was removed, or the newest checkpoint was changed;
        VaultLocked, SealBroken.
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
        made: Checkpoint | None = None
        with self._database.reading() as tx, closing(tx.execute(_ENDS.execution_options(yield_per=_PART))) as ends:
            for part in ends.partitions():
                made = self._append(part, interval)
                if made is None:
                    return None
                interval = timedelta(0)  # the newest one is its own
        return made or self._append((), interval)

    def _append(self, ends: Sequence[Row[str, int, str | None]], interval: timedelta) -> Checkpoint | None:
        """Store the next checkpoint, which covers the journals up to ``ends``: facts, as entries are only appended.

        Returns None where the newest one is younger than ``interval``. Ends that another process has covered since they
        were read are left out.
        """
        with self._database.writing() as tx:
            if not self._database.is_sqlite:
                tx.execute(_LOCK)
            row = tx.execute(_NEWEST).first()
            if row and _is_younger(row, interval):
                return None
            before = _checkpoint(row) if row else None
            if before:
                self._ensure_authentic(before)
            covered = dict(tx.execute(_COVERED, {"ids": [end.id for end in ends]}).all())
            own = [end for end in ends if end.seq > covered.get(end.id, 0)]
            number = before.number + 1 if before else 1
            made = Checkpoint(
                number=number,
                at=tx.execute(_NOW).scalar_one(),
                entries=(before.entries if before else 0) + sum(end.seq - covered.get(end.id, 0) for end in own),
                rotations=(before.rotations if before else 0) + sum(end.id not in covered for end in own),
                head=_head(before.head if before else _ORIGIN, ((number, *end) for end in own)),
            )
            made = replace(made, code=self._vault.authenticate(made.content))
            if own:
                tx.execute(insert(_h), [{"rotation_id": id_, "seq": seq, "checkpoint": number} for id_, seq, _ in own])
            tx.execute(insert(_c).values(asdict(made)))
            return made

    def _ensure_authentic(self, checkpoint: Checkpoint) -> None:
        if not self._vault.is_authentic(checkpoint.content, checkpoint.code):
            raise JournalBroken(f"{checkpoint} was changed after it was made.")

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
            self._ensure_authentic(checkpoint)
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
