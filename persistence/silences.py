"""The room of the silences: added, listed, ended, and which of them are active.

Who can write the database and has no key cannot silence anything: each row has a code that covers all of it.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from persistence import alert_models, authenticity
from persistence.clock import UtcDateTime
from persistence.database import Database
from persistence.mapping import NOT_OURS, Row
from persistence.shared_commit import undo
from persistence.vault import Vault
from states.alert import Kind
from states.errors import NotFound, SealBroken, VaultLocked
from states.next_action import NextAction, Verb
from states.silence import Silence

_s: Final = alert_models.silences
_FIELDS: Final = [each.name for each in _s.c if each.name != "code"]
ALL: Final = select(_s).order_by(_s.c.until, _s.c.id)
_NOW: Final = bindparam("now", type_=UtcDateTime())
_ACTIVE: Final = ALL.where(_s.c.ended_at.is_(None), _s.c.until > _NOW)
_FIND: Final = select(_s).where(_s.c.id == bindparam("wanted"))
_ADD: Final = insert(_s)
_END: Final = update(_s).where(_s.c.id == bindparam("of"), _s.c.ended_at.is_(None))
_REMOVE: Final = delete(_s).where(_s.c.id == bindparam("of"))
_FORGET: Final = delete(_s).where(_s.c.until < bindparam("before", type_=UtcDateTime()))


class Silences:
    """What people are not notified of for a while."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def add(self, silence: Silence) -> None:
        """Store a new silence. Raises VaultLocked, SealBroken."""
        values = {name: getattr(silence, name) for name in _FIELDS}
        kind = silence.kind.value if silence.kind else None
        code = self._vault.authenticate(authenticity.of_silence(silence))
        with self._database.writing() as tx:
            tx.execute(_ADD, {**values, "kind": kind, "code": code})

    def all(self) -> list[tuple[Silence, bool]]:
        """Every silence, the one that ends first first, and whether it is as Keyturn wrote it; one that cannot be read
        is left out. Raises VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            rows = list(tx.execute(ALL).mappings())
        found = ((to_silence(row), authentic(self._vault, row) is not None) for row in rows)
        return [(silence, is_authentic) for silence, is_authentic in found if silence]

    def active(self, now: datetime) -> list[Silence]:
        """Return what silences anything ``now`` (UTC): nothing that was changed outside Keyturn does.

        Without the key that shows that, nothing is silenced.
        """
        with self._database.reading() as tx:
            rows = list(tx.execute(_ACTIVE, {"now": now}).mappings())
        try:
            return [silence for row in rows if (silence := authentic(self._vault, row))]
        except (VaultLocked, SealBroken):
            return []

    def end(self, silence_id: str, *, by: str, now: datetime) -> Silence | None:
        """End a silence before its time; return it. One that was changed outside Keyturn is removed: None.

        Raises NotFound where no such silence is active; VaultLocked, SealBroken.
        """
        self._vault.unlock()
        with self._database.writing() as tx:
            row = tx.execute(_FIND, {"wanted": silence_id}).mappings().first()
            silence = authentic(self._vault, row) if row else None
            if row and silence is None:
                tx.execute(_REMOVE, {"of": silence_id})
                return None
            if silence is None or not silence.is_active(now):
                raise NotFound(f"No silence {silence_id} is active.", next_action=NextAction(Verb.LIST_SILENCES))
            ended = replace(silence, ended_at=now, ended_by=by)
            code = self._vault.authenticate(authenticity.of_silence(ended))
            tx.execute(_END.values(ended_at=now, ended_by=by, code=code), {"of": silence_id})
        return ended

    def forget(self, before: datetime) -> None:
        """Remove the silences whose time was over ``before`` (UTC). Safe to repeat."""
        with self._database.writing() as tx:
            if not tx.execute(_FORGET, {"before": before}).rowcount:
                undo(tx)


def to_silence(row: Row) -> Silence | None:
    """The silence of a row; None where it holds what Keyturn never wrote."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    try:
        return Silence(**{**values, "kind": Kind(values["kind"]) if values["kind"] is not None else None})
    except NOT_OURS:
        return None


def authentic(vault: Vault, row: Row) -> Silence | None:
    """The silence of a row, if it is as Keyturn wrote it. Raises VaultLocked, SealBroken."""
    silence = to_silence(row)
    return silence if silence and vault.is_authentic(authenticity.of_silence(silence), str(row["code"])) else None
