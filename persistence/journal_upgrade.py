"""Gives the entries of a database from before the keyed journal the hashes that they would have today.

Their hashes were SHA-256 without a key. They are checked once more, as far as that shows anything, and replaced by the
vault's codes in the transaction of the migration. So no later check accepts an entry without a key.
"""

import hashlib
import json
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, select, update

from persistence import mapping, models
from persistence.journal import ORIGIN, Entry, content
from persistence.vault import Vault
from states.errors import JournalBroken

KEYED_SINCE: Final = "0010"
"""The migration from which on every hash is keyed."""

_r: Final = models.rotations
_j: Final = models.journal
_ROTATIONS: Final = select(_r.c.id, _r.c.follows, _r.c.journal_seq, _r.c.journal_hash)
_ENTRIES: Final = select(_j).where(_j.c.rotation_id == bindparam("id")).order_by(_j.c.seq)
_ENTRY: Final = update(_j).where(_j.c.rotation_id == bindparam("b_id"), _j.c.seq == bindparam("b_seq"))
_END: Final = update(_r).where(_r.c.id == bindparam("b_id"))


def is_wanted(applied: str | None) -> bool:
    """Whether a database whose newest migration is ``applied`` has a journal without keys; None: it is new."""
    return applied is not None and applied < KEYED_SINCE


def authenticate(tx: Transaction, vault: Vault) -> None:
    """Replace every hash, connection by connection from its first rotation on. Raises JournalBroken."""
    rotations = tx.execute(_ROTATIONS).all()
    followers = {row.follows: row for row in rotations if row.follows}
    for first in (row for row in rotations if row.follows is None):
        chain = [first]
        while following := followers.get(chain[-1].id):
            chain.append(following)
        old = new = ORIGIN
        for row in chain:
            old, new = _authenticate(tx, vault, row.id, old, new)
            if old != row.journal_hash:
                raise JournalBroken(f"The journal of rotation {row.id} does not end where the rotation says.")
            tx.execute(_END, {"b_id": row.id, "journal_hash": new})


def _authenticate(tx: Transaction, vault: Vault, rotation_id: str, old: str, new: str) -> tuple[str, str]:
    """Replace the hashes of a rotation's entries, which continue ``old``, by those that continue ``new``.

    Return the last of each.
    """
    for row in tx.execute(_ENTRIES, {"id": rotation_id}).mappings().all():
        entry = mapping.from_entry(models.Journal(**row))
        if entry.previous_hash != old or not _is_intact(vault, entry):
            raise JournalBroken(
                f"Journal entry {entry.seq} of rotation {rotation_id} was changed after it was written."
            )
        keyed = replace(entry, previous_hash=new)
        code = vault.authenticate(content(keyed))
        tx.execute(_ENTRY, {"b_id": rotation_id, "b_seq": entry.seq, "previous_hash": new, "hash": code})
        old, new = entry.hash, code
    return old, new


def _is_intact(vault: Vault, entry: Entry) -> bool:
    if vault.is_authentic(content(entry), entry.hash):
        return True
    covered = [
        *(entry.previous_hash, entry.rotation_id, entry.seq, entry.at.isoformat(timespec="microseconds"), entry.actor),
        *(entry.event, entry.source, entry.target, entry.attempt, entry.detail),
    ]
    canonical = json.dumps(covered, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest() == entry.hash
