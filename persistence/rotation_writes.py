"""What every write of a rotation does: compare and set, append to the journal, settle certificates and keys.

Each function works within the caller's transaction.
"""

from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from persistence import alert_rows, authenticity, mapping, models, rotation_mapping, rotation_statements
from persistence.journal import Entry, Head
from persistence.mapping import Row
from persistence.prepared import Prepared, Values
from persistence.vault import Vault, data_key_of
from states.certificate import Certificate
from states.errors import DataKeyRetired, IllegalMove, NotFound, Stale
from states.next_action import REPEAT, NextAction, Verb
from states.rotation import Ending, Rotation
from states.state import State


def lock(tx: Transaction, vault: Vault, before: Rotation) -> tuple[Values, Rotation]:
    """Lock a rotation that no worker holds; return its holder, its fencing token and the end of its journal, and
    ``before``, marked as broken if it was changed outside Keyturn.

    Raises:
        NotFound: without such a rotation.
        Stale: when a worker holds it, or it is not as ``before`` any more.

    """
    found = rotation_statements.LOCK.first(tx, {"id": before.id})
    if found is None:
        raise NotFound(f"There is no rotation {before.id}.")
    if found["version"] != before.version or found["is_leased"]:
        raise Stale(
            f"Rotation {before.id} is being worked on, or was changed meanwhile; this change was not stored.",
            next_action=NextAction(Verb.SHOW_ROTATION, {"rotation": before.id}, then=REPEAT),
        )
    found = {**found, **(rotation_statements.LAST_SEQ.first(tx, {"id": before.id}) or {})}
    head = Head(found["journal_seq"], found["journal_hash"])
    return found, authenticity.checked(vault, before, head, found["code"], last_seq=found["last_seq"] or 0)


def checked(tx: Transaction, vault: Vault, rotation_id: str) -> Rotation:
    """Return the rotation with this id, marked as broken if it was changed outside Keyturn. Raises NotFound."""
    row = rotation_statements.LOCKED.first(tx, {"id": rotation_id})  # one statement, so one moment
    if row is None:
        raise NotFound(f"There is no rotation {rotation_id}.")
    return check(vault, row)


def check(vault: Vault, row: Row) -> Rotation:
    """Return the rotation of a row with where its journal ends, marked as broken if it was changed outside Keyturn."""
    head, rotation = Head(row["journal_seq"], row["journal_hash"]), rotation_mapping.to_rotation(row)
    return authenticity.checked(vault, rotation, head, row["code"], last_seq=row["last_seq"] or 0)


def store(
    tx: Transaction,
    vault: Vault,
    statement: Prepared,
    before: Rotation,
    after: Rotation,
    entry: Entry,
    values: Values,
) -> None:
    """Write the columns in which ``after`` differs from ``before``, append ``entry``, and write what is to be reported.

    ``values`` are what ``statement`` compares besides the version, and who holds the rotation from now on.

    Raises:
        Stale: when no row is as ``before`` was.
        DataKeyRetired: when the data key that sealed a new candidate's private key was retired since.
        IllegalMove: when the database refuses the move.

    """
    compared = {"b_id": before.id, "b_version": before.version}
    # SQLite checks only the constraints and indexes of the columns that are written.
    written = {
        **rotation_mapping.of_changes(before, after),
        "version": before.version + 1,
        **closing_with(vault, after, entry),
    }
    candidate = after.proofs.candidate
    try:
        if candidate and not before.proofs.candidate:
            key = rotation_statements.DATA_KEY.first(tx, {"id": data_key_of(candidate.sealed_key)})
            if key and key["retired_at"]:
                raise DataKeyRetired
            rotation_statements.KEEP_CERTIFICATE.run(
                tx, mapping.of_certificate(candidate.certificate, candidate.sealed_key)
            )
        if not statement.run(tx, {**compared, **written, **values}):
            raise Stale
        rotation_statements.APPEND.run(tx, mapping.of_entry(entry))
    except IntegrityError as error:
        raise IllegalMove(
            f"The store refuses to take rotation {before.id} from {before.state} to {after.state} by {entry.event}."
        ) from error
    alert_rows.note(tx, before, after, entry)


def settle(
    tx: Transaction, vault: Vault, rotation: Rotation, adopted: Certificate | None, due_at: datetime | None
) -> None:
    """Make the certificate with which a rotation ended the connection's current one, and destroy unneeded keys.

    Keys go in the transaction that makes them useless. Later, a crash in between would leave them for ever.
    """
    if rotation.is_open:
        return
    candidate, completed = rotation.proofs.candidate, rotation.state is State.COMPLETED
    if rotation.ending is Ending.RESTORED and due_at:
        rotation_statements.TRY_AGAIN.run(tx, {"b_name": rotation.connection, "b_due_at": due_at, "due_at": due_at})
    if adopted:
        _keep(tx, adopted)
    if current := candidate.certificate if candidate and completed else adopted:
        rotation_statements.ERASE_CURRENT_KEY.run(tx, {"b_name": rotation.connection, "sealed_key": None})
        # An open rotation is its connection's latest.
        code = vault.authenticate(authenticity.of_current(rotation.connection, current, rotation.id))
        changed = {"current_fingerprint": current.fingerprint, "due_at": due_at, "current_code": code}
        rotation_statements.CHANGE_CONNECTION.run(tx, {"b_name": rotation.connection, **changed})
    if candidate and not (completed and rotation.policy.keep_key):
        rotation_statements.ERASE_KEY.run(tx, {"b_fingerprint": candidate.fingerprint, "sealed_key": None})


def closing_with(vault: Vault, rotation: Rotation, entry: Entry) -> Values:
    """The columns of ``rotation`` that say where its journal ends, with ``entry``, and that it is authentic."""
    code = authenticity.authenticate_rotation(vault, rotation, entry.head)
    return {"journal_seq": entry.seq, "journal_hash": entry.hash, "code": code}


def head_of(row: Values) -> Head:
    """Where the journal of a stored rotation continues. Of one that was set back, it continues after its last entry."""
    return Head(max(row["journal_seq"], row["last_seq"] or 0), row["journal_hash"])


def held_by(worker: str | None, lease: float) -> Values:
    """The columns of who holds a rotation: ``worker`` for ``lease`` seconds, or no one."""
    return {"worker": worker, "lease": lease if worker else None}


def _keep(tx: Transaction, adopted: Certificate) -> None:
    """Store a certificate that Keyturn did not make, unless it is known; a known one keeps its key."""
    with Session(tx) as session:
        if session.get(models.Certificates, adopted.fingerprint):
            return
        try:
            with session.begin_nested():
                session.add(models.Certificates(**mapping.of_certificate(adopted)))
        except IntegrityError:
            """Another connection's adoption stored it between the look and the INSERT, on PostgreSQL."""
