"""An attacker with full write access to the database, and no key-encryption key: all that he can write.

Each attack is one or more statements on the open database, on SQLite as on PostgreSQL.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Table, insert, select, update
from support.environment import NAME
from support.factories import a_certificate, signed

from orchestrator.bootstrap import Keyturn
from persistence import mapping, models
from states.certificate import Challenge
from states.state import State

Attack = Callable[[Transaction], object]

EVIL: Final = "https://evil.example"
_r: Final = models.rotations
_c: Final = models.connections


def write(app: Keyturn, attack: Attack) -> None:
    """Let the attacker write. What the attack leaves alone stays, and what waits can be taken up at once."""
    with app.store._database.writing() as tx:
        attack(tx)
        tx.execute(update(_r).values(available_at=_r.c.created_at))


def setting(system: str, field: str, value: object) -> Attack:
    """Change one setting of the first connection."""

    def attack(tx: Transaction) -> None:
        stored = tx.execute(select(_c.c[system]).where(_c.c.name == NAME)).scalar_one()
        tx.execute(update(_c).where(_c.c.name == NAME).values({system: {**stored, field: value}}))

    return attack


def columns(table: Table, **values: Any) -> Attack:
    """Change columns of every row; a value may be an expression."""
    return lambda tx: tx.execute(update(table).values(values))


def forged_confirmation(*, is_moved: bool = False) -> Attack:
    """The attacker's own certificate with a true signature by its key: one INSERT, one UPDATE.

    ``is_moved``: the rotation is said to have NetSuite's confirmation by now, so that its next step saves.
    """

    def attack(tx: Transaction) -> None:
        now = tx.execute(select(_r.c.updated_at)).scalars().first()
        assert now
        own, challenge = a_certificate(now=now, days=3650), Challenge.of(b"any challenge".ljust(32, b"."))
        tx.execute(insert(models.certificates).values(mapping.of_certificate(own)))
        confirmation = {
            "confirmation_fingerprint": own.fingerprint,
            "challenge": challenge.nonce,
            "signature": signed(own, challenge.text),
            "asked_at": now,
        }
        moved = {"state": State.UPLOADED_TO_NETSUITE.value, "skew_from": now} if is_moved else {}
        tx.execute(update(_r).values(candidate_fingerprint=own.fingerprint, **confirmation, **moved))

    return attack


def another_signature(tx: Transaction) -> None:
    """A true signature by another key than the candidate's."""
    challenge = Challenge.of(b"any challenge".ljust(32, b"."))
    tx.execute(update(_r).values(challenge=challenge.nonce, signature=signed(a_certificate(), challenge.text)))


def another_certificate(tx: Transaction) -> None:
    """The attacker's own certificate in the place of the candidate's text."""
    candidate = select(_r.c.candidate_fingerprint).where(_r.c.closed_at.is_(None)).scalar_subquery()
    stored = models.certificates.c.fingerprint == candidate
    tx.execute(update(models.certificates).where(stored).values(pem=a_certificate().pem))


def swapped_secrets(tx: Transaction) -> None:
    """Two secrets of a connection change places."""
    table = models.secrets
    pair = ("openair_api_key", "openair_client_secret")
    for connection in tx.execute(select(_c.c.name)).scalars().all():
        of = table.c.connection == connection
        sealed = {row.name: row.sealed for row in tx.execute(select(table).where(of))}
        for name, taken in zip(pair, reversed(pair), strict=True):
            tx.execute(update(table).where(of, table.c.name == name).values(sealed=sealed[taken]))


def secrets_of_another(name: str, other: str) -> Attack:
    """The secrets of ``other`` in the place of those of ``name``."""

    def attack(tx: Transaction) -> None:
        table = models.secrets
        query = select(table.c.name, table.c.sealed).where(table.c.connection == other)
        for secret, sealed in tx.execute(query).all():
            tx.execute(update(table).where(table.c.connection == name, table.c.name == secret).values(sealed=sealed))

    return attack


def removed_history(tx: Transaction) -> None:
    """Every rotation and its journal, and every reference to them."""
    tx.execute(update(_c).values(latest_rotation=None, current_fingerprint=None))
    for table in (models.journal, _r, models.checkpoint_heads, models.checkpoints):
        tx.execute(table.delete())


def cut_off_journal(tx: Transaction) -> None:
    """The last entry of every journal."""
    last = select(models.journal.c.seq).order_by(models.journal.c.seq.desc()).limit(1).scalar_subquery()
    tx.execute(models.journal.delete().where(models.journal.c.seq == last))


def rows_of(app: Keyturn, table: Table) -> list[dict[str, Any]]:
    """Every row as it is now, to be put back later."""
    with app.store._database.reading() as tx:
        return [dict(row) for row in tx.execute(table.select()).mappings()]


def put_back(table: Table, rows: list[dict[str, Any]], key: str) -> Attack:
    """Rows as they were before."""

    def attack(tx: Transaction) -> None:
        for row in rows:
            tx.execute(update(table).where(table.c[key] == row[key]).values(row))

    return attack
