"""An attacker in a schedule who writes the database without a key, and what Keyturn must notice of it.

What he can write is listed in tests/support/database_writer.py; here he puts back old rows, too.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Table, select, update
from sqlalchemy.exc import IntegrityError
from support import database_writer as attacker
from support.database_writer import Attack

from persistence import models
from persistence.database import Database
from tests.faults.summary import COUNTS

OLD_ROTATION, OLD_CONNECTION = "an old rotation", "an old connection"
ATTACKS: Final[Mapping[str, Attack]] = {
    **{f"rotation: {what}": attack for what, attack in {**attacker.ON_ROTATION, **attacker.ON_PROOFS}.items()},
    **{f"connection: {what}": attack for what, attack in attacker.ON_CONNECTION.items()},
    **attacker.ON_SECRETS,
}
ROTATION_ATTACKS: Final = (*(what for what in ATTACKS if what.startswith("rotation: ")), OLD_ROTATION)
NAMES_OF_ATTACKS: Final = (*ATTACKS, OLD_ROTATION, OLD_CONNECTION)
_r, _c, _certificates = models.rotations, models.connections, models.certificates
_UNCHECKED: Final = {
    _r: {"id", "worker", "fence", "lease_until", "version", "available_at"},
    _c: {"name", "due_at", "confirmed_fingerprint", "confirmed_by", "confirmed_at", "confirmed_code"},
}
"""Who works when (docs/explanation/threat-model.md), and what this attacker leaves alone."""

_ENTRIES: Final = tuple(f"entry {seq}" for seq in range(1000))
_SEQS: Final = {name: seq for seq, name in enumerate(_ENTRIES)}
"""The fields of a rotation's journal, each of an entry that is there."""

Fields = dict[str, Any]
Content = dict[str, Fields]
"""What Keyturn must notice a change of, by the id of a rotation or the name of a connection."""


class DatabaseWriter:
    """Changes rotations and connections behind Keyturn's back, and knows which of them Keyturn must notice."""

    def __init__(self, database: Database) -> None:
        """``database`` is opened for the attacker alone."""
        self._database = database
        self._old: dict[tuple[str, str], Fields] = {}
        self._earlier: Content = {}
        """What Keyturn must check of them at that time, where all of it was as Keyturn had written it."""
        self._written: Content = {}
        """What the attacker wrote, where it is not what Keyturn had written."""
        self._genuine: Content = {}
        """What Keyturn had written there."""
        self.touched: set[str] = set()
        """The rotations and connections that were written to at any time, and the connections of those rotations."""
        self.removed: set[str] = set()
        """The rotations that were removed."""

    def write(self, connection: str, what: str) -> None:
        """Make the change that is called ``what``, unless a constraint of the database forbids it."""
        try:
            with self._database.writing() as tx:
                before = _content(tx)
                if what in ATTACKS:
                    ATTACKS[what](tx, connection)
                else:
                    self._put_back(tx, connection, _r if what == OLD_ROTATION else _c, before)
                after = _content(tx)
        except IntegrityError:
            return
        changed = {key for key, fields in before.items() if fields != after.get(key)}
        if changed or what in attacker.ON_SECRETS:
            self._note(before, after, changed)
            self.touched.add(connection)
            COUNTS[f"wrote: {what}"] += 1

    def _put_back(self, tx: Transaction, connection: str, table: Table, before: Content) -> None:
        """Write the row as it was when the attacker first saw it."""
        key = table.primary_key.columns[0]
        row = tx.execute(select(table).where(attacker.row_of(table, connection))).mappings().one_or_none()
        if row:
            if (table.name, row[key]) not in self._old and not self._still_written(before, row[key]):
                self._earlier[row[key]] = before[row[key]]
            old = self._old.setdefault((table.name, row[key]), dict(row))
            values = {name: value for name, value in old.items() if name not in _UNCHECKED[table]}
            tx.execute(update(table).where(key == row[key]).values(values))

    def _note(self, before: Content, after: Content, changed: set[str]) -> None:
        for key in changed:
            self.touched.add(key)
            if key not in after:
                self.removed.add(key)
                continue
            if after[key] == self._earlier.get(key):
                self.forget(key)  # all of it was set back: a true copy of an earlier moment
                continue
            written, genuine = self._still_written(before, key), self._genuine.get(key, {})
            for field in before[key].keys() | after[key].keys():
                value, new = before[key].get(field), after[key].get(field)
                if value != new:
                    genuine = {**genuine, field: genuine[field] if field in written else value}
                    written[field] = new
            self._genuine[key] = genuine
            self._written[key] = {field: value for field, value in written.items() if value != genuine[field]}

    def _still_written(self, content: Content, key: str) -> Fields:
        """What the attacker wrote and Keyturn has not replaced since."""
        if key not in content:
            return {}
        written = self._written.get(key, {})
        return {field: value for field, value in written.items() if content[key].get(field) == value}

    def forget(self, key: str) -> None:
        """It is as Keyturn wrote it, now or earlier: nothing can be noticed."""
        self._written.pop(key, None)
        self._genuine.pop(key, None)

    def changed(self) -> set[str]:
        """The rotations and connections that are not as Keyturn wrote them, as a check of the journal must notice."""
        content = self._read()
        return {key for key in self._written if self._still_written(content, key)}

    def unusable(self) -> set[str]:
        """Those of which Keyturn must notice it before it acts: not an entry in the middle of a journal."""
        content = self._read()
        return {
            key
            for key in self._written
            if any(name not in _SEQS or not _goes_on(content[key], name) for name in self._still_written(content, key))
        }

    def _read(self) -> Content:
        with self._database.reading() as tx:
            return _content(tx)


def _goes_on(fields: Fields, missing: str) -> bool:
    """Whether a worker that held the rotation has written another entry since."""
    return any(_SEQS[name] > _SEQS[missing] for name in fields if name in _SEQS)


def _content(tx: Transaction) -> Content:
    pems = {row.fingerprint: row.pem for row in tx.execute(select(_certificates.c.fingerprint, _certificates.c.pem))}
    content: Content = {}
    for row in tx.execute(select(_r)).mappings():
        certificates = {name: pems.get(row[f"{name}_fingerprint"]) for name in ("candidate", "previous")}
        content[row["id"]] = {**_checked(_r, row), **certificates}
    for row in tx.execute(select(_c)).mappings():
        content[row["name"]] = {**_checked(_c, row), "current": pems.get(row["current_fingerprint"])}
    for rotation_id, seq in tx.execute(select(models.journal.c.rotation_id, models.journal.c.seq)):
        content[rotation_id][_ENTRIES[seq]] = True
    return content


def _checked(table: Table, row: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in row.items() if name not in _UNCHECKED[table]}
