"""The room of the journal: reading it, and checking its chain against the rotations."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from datetime import datetime
from itertools import groupby
from typing import Final

from sqlalchemy import exists
from sqlalchemy.orm import aliased, load_only
from sqlmodel import Session, col, select

from persistence import authenticity, evidence, journal_feed, journal_page, mapping, models, rotation_writes, row_check
from persistence.database import Database
from persistence.evidence import Recorded
from persistence.journal import APPROVAL_ASKED, ORIGIN, Entry, Head, content, renamed, verify
from persistence.journal_feed import FedEntry, Place
from persistence.journal_page import CheckedEntry, JournalFilter
from persistence.read_model import Page
from persistence.vault import Vault
from states.errors import JournalBroken, SealBroken, Tampered, VaultLocked
from states.state import State

_Before = aliased(models.Rotations, name="before")
_Rotation = models.Rotations
_Journal = models.Journal

_ENTRIES: Final = select(_Journal).order_by(col(_Journal.seq))
_Later = aliased(models.Journal, name="later")
_REQUESTS: Final = select(_Journal).where(
    col(_Journal.event) == APPROVAL_ASKED,
    # By the entries, not by what the rotation says: that may have been changed outside Keyturn.
    ~exists().where(col(_Later.rotation_id) == col(_Journal.rotation_id), col(_Later.seq) > col(_Journal.seq)),
)
_SINCE: Final = (
    select(col(_Rotation.connection), _Journal)
    .join(_Rotation, col(_Rotation.id) == col(_Journal.rotation_id))
    .order_by(col(_Journal.at), col(_Journal.rotation_id), col(_Journal.seq))
)
"""A rotation's last change is its journal's last entry: that spares the entries of rotations that ended before."""
_ROTATIONS: Final = (
    select(_Rotation, col(_Before.journal_hash), _Journal)
    .outerjoin(_Before, col(_Before.id) == col(_Rotation.follows))
    .outerjoin(_Journal, col(_Journal.rotation_id) == col(_Rotation.id))
    .options(
        load_only(
            *map(
                models.attribute,
                (_Rotation.id, _Rotation.state, _Rotation.follows, _Rotation.journal_seq, _Rotation.journal_hash),
            )
        )
    )
    .order_by(col(_Rotation.id), col(_Journal.seq))
)
_REMOVED: Final = (
    select(models.Connections.name, models.Connections.latest_rotation)
    .outerjoin(_Rotation, col(_Rotation.id) == col(models.Connections.latest_rotation))
    .where(col(models.Connections.latest_rotation).is_not(None), col(_Rotation.id).is_(None))
    .order_by(col(models.Connections.name))
    .limit(1)
)


class Journal:
    """What happened to each rotation, as a chain of authentication codes."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def of(self, rotation_id: str) -> list[Entry]:
        """Return the rotation's journal, in order; empty without such a rotation."""
        with self._database.reading() as tx, Session(tx) as session:
            entries = session.exec(_ENTRIES.where(_Journal.rotation_id == rotation_id))
            return [renamed(mapping.from_entry(stored)) for stored in entries]

    def requests(self, rotation_ids: Collection[str]) -> dict[str, Entry]:
        """Return the requests for approval that are the last entry of these rotations' journals, by rotation.

        One that Keyturn did not write is none. Without the key that shows it, all of them are returned.
        """
        if not rotation_ids:
            return {}
        is_authentic = self._judge()
        with self._database.reading() as tx, Session(tx) as session:
            found = session.exec(_REQUESTS.where(col(_Journal.rotation_id).in_(rotation_ids)))
            entries = [mapping.from_entry(stored) for stored in found]
        return {each.rotation_id: each for each in entries if is_authentic is None or is_authentic(each)}

    def since(
        self, moment: datetime, *, connection: str | None = None, rotation_id: str | None = None
    ) -> list[tuple[str, Entry]]:
        """Return every entry from ``moment`` (UTC) on with its connection, in the order of their times.

        Of all rotations, of those of one connection, or of one.
        """
        query = _SINCE.where(col(_Journal.at) >= moment, col(_Rotation.updated_at) >= moment)
        if connection is not None:
            query = query.where(col(_Rotation.connection) == connection)
        if rotation_id is not None:
            query = query.where(col(_Rotation.id) == rotation_id)
        with self._database.reading() as tx, Session(tx) as session:
            return [(name, renamed(mapping.from_entry(stored))) for name, stored in session.exec(query)]

    def page(self, wanted: JournalFilter, *, after: str | None = None, limit: int = 50) -> Page[CheckedEntry]:
        """Return up to ``limit`` entries, the newest first, each checked; ``after`` is the page before's ``following``.

        A page can have fewer entries than there are (`read_model.Page`). Raises InvalidInput for a cursor that is none.
        """
        is_authentic = self._judge()
        with self._database.reading() as tx, Session(tx) as session:
            return journal_page.page(session, wanted, after, limit, is_authentic)

    def end(self) -> Place:
        """Return a place in the feed that everything comes after that is not written yet (`journal_feed`)."""
        with self._database.reading() as tx:
            return journal_feed.end(tx)

    def check_place(self, place: Place) -> None:
        """Raise Stale for a place that the feed of this database never had."""
        with self._database.reading() as tx:
            journal_feed.check(tx, place)

    def after(self, place: Place, limit: int) -> list[FedEntry]:
        """Return up to ``limit`` entries of the feed after ``place``, in order; fewer where there are no more by now.

        Of the entries that are committed later, none comes before the last of these.
        """
        with self._database.reading() as tx, Session(tx) as session:
            return journal_feed.after(session, place, limit)

    def checked(self, rotation_id: str) -> list[CheckedEntry]:
        """Return the rotation's journal, in order, each entry checked; empty without such a rotation."""
        is_authentic = self._judge()
        with self._database.reading() as tx, Session(tx) as session:
            return journal_page.of(session, rotation_id, is_authentic)

    def _judge(self) -> Callable[[Entry], bool] | None:
        """Says whether an entry is authentic; None without the key that shows it."""
        try:
            self._vault.unlock()
        except (VaultLocked, SealBroken):
            return None
        return self._is_authentic

    def verify(self, rotation_id: str | None = None) -> int:
        """Check the chain of one rotation's journal, or of all, and the rows of rotations and connections; return how
        many entries were checked.

        Raises JournalBroken naming the first entry or rotation that is not as it was written; VaultLocked, SealBroken.
        """
        self._vault.unlock()
        with self._database.reading() as tx, Session(tx) as session:
            query = _ROTATIONS if rotation_id is None else _ROTATIONS.where(_Rotation.id == rotation_id)
            # Fetched in parts: the journal of a large store does not fit into memory.
            with closing(session.exec(query.execution_options(yield_per=1000))) as found:
                checked = sum(
                    self._check(rotation, after, (entry for _, _, entry in rows))
                    for (rotation, after), rows in groupby(found, key=lambda row: row[:2])
                )
            if rotation_id is None and (removed := session.exec(_REMOVED).first()):
                raise JournalBroken(f"Rotation {removed[1]} of connection {removed[0]} was removed.")
            row_check.verify(tx, self._vault, rotation_id)
            return checked

    def recorded(self, rotation_id: str) -> Recorded:
        """Return what is stored of the rotation with this whole id, for its evidence, all of one moment.

        Raises Tampered or JournalBroken where it is not as Keyturn wrote it; NotFound, VaultLocked, SealBroken.
        """
        self._vault.unlock()
        with self._database.reading() as tx, Session(tx) as session:
            rotation = rotation_writes.checked(tx, self._vault, rotation_id)
            if rotation.circumstances.broken:
                raise Tampered(rotation.circumstances.broken)
            rows = session.exec(_ROTATIONS.where(_Rotation.id == rotation_id)).all()
            stored, after, _ = rows[0]
            written = [entry for _, _, entry in rows]
            self._check(stored, after, iter(written))
            journal = [mapping.from_entry(entry) for entry in written if entry]
            adopted = evidence.adopted_in(session, rotation, journal)
        return Recorded(rotation=rotation, follows=stored.follows, journal=journal, adopted=adopted)

    def vouch(self, digest: str) -> str:
        """Return the code of an evidence file with this ``digest``. Raises VaultLocked, SealBroken."""
        return self._vault.authenticate(authenticity.of_evidence(digest))

    def has_vouched(self, digest: str, code: str) -> bool:
        """Whether this vault made ``code`` for a file with this ``digest``. Raises VaultLocked, SealBroken."""
        self._vault.unlock()
        return self._vault.is_authentic(authenticity.of_evidence(digest), code)

    def _check(self, rotation: models.Rotations, after: str | None, journal: Iterator[models.Journal | None]) -> int:
        if rotation.follows and after is None:
            raise JournalBroken(f"Rotation {rotation.follows}, which {rotation.id} follows, was removed.")
        return verify(
            self._is_authentic,
            # A rotation that has lost all its entries is joined to None.
            (mapping.from_entry(stored) for stored in journal if stored),
            rotation_id=rotation.id,
            after=after or ORIGIN,
            head=Head(rotation.journal_seq, rotation.journal_hash),
            state=State(rotation.state),
        )

    def _is_authentic(self, entry: Entry) -> bool:
        return self._vault.is_authentic(content(entry), entry.hash)
