"""An attacker with full write access to the database, and no key-encryption key: all that he can write.

Each attack is one or more statements on one connection and its newest rotation, on SQLite as on PostgreSQL.
"""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, insert, select, update
from sqlalchemy import Connection as Transaction
from support.environment import NAME
from support.factories import a_certificate, signed

from orchestrator.bootstrap import Keyturn
from persistence import mapping, models
from states.certificate import Challenge
from states.state import State

Attack = Callable[[Transaction, str], object]
"""Writes within a transaction; the connection is given by its name."""

EVIL: Final = "https://evil.example"
_r: Final = models.rotations
_c: Final = models.connections


def write(app: Keyturn, attack: Attack) -> None:
    """Let the attacker write. What the attack leaves alone stays, and what waits can be taken up at once."""
    with app.store._database.writing() as tx:
        attack(tx, NAME)
        tx.execute(update(_r).values(available_at=_r.c.created_at))


def row_of(table: Table, name: str) -> ColumnElement[bool]:
    """The row of the connection, or of its newest rotation."""
    if table is _c:
        return _c.c.name == name
    return _r.c.id == select(_c.c.latest_rotation).where(_c.c.name == name).scalar_subquery()


def setting(system: str, field: str, value: object) -> Attack:
    """Change one setting of the connection."""

    def attack(tx: Transaction, name: str) -> None:
        stored = tx.execute(select(_c.c[system]).where(row_of(_c, name))).scalar_one()
        tx.execute(update(_c).where(row_of(_c, name)).values({system: {**stored, field: value}}))

    return attack


def columns(table: Table, **values: Any) -> Attack:
    """Change columns of the connection, or of its newest rotation; a value may be an expression."""
    return lambda tx, name: tx.execute(update(table).where(row_of(table, name)).values(values))


def forged_confirmation(*, is_moved: bool = False) -> Attack:
    """The attacker's own certificate with a true signature by its key: one INSERT, one UPDATE.

    ``is_moved``: the rotation is said to have NetSuite's confirmation by now, so that its next step saves.
    """

    def attack(tx: Transaction, name: str) -> None:
        rotation = row_of(_r, name)
        now = tx.execute(select(_r.c.updated_at).where(rotation)).scalar()
        if now is None:
            return  # the connection has no rotation
        own, challenge = a_certificate(now=now, days=3650), Challenge.of(b"any challenge".ljust(32, b"."))
        tx.execute(insert(models.certificates).values(mapping.of_certificate(own)))
        confirmation = {
            "confirmation_fingerprint": own.fingerprint,
            "challenge": challenge.nonce,
            "signature": signed(own, challenge.text),
            "asked_at": now,
        }
        moved = {"state": State.UPLOADED_TO_NETSUITE.value, "skew_from": now} if is_moved else {}
        tx.execute(update(_r).where(rotation).values(candidate_fingerprint=own.fingerprint, **confirmation, **moved))

    return attack


def another_signature(tx: Transaction, name: str) -> None:
    """A true signature by another key than the candidate's."""
    challenge = Challenge.of(b"any challenge".ljust(32, b"."))
    signature = signed(a_certificate(), challenge.text)
    tx.execute(update(_r).where(row_of(_r, name)).values(challenge=challenge.nonce, signature=signature))


def another_certificate(tx: Transaction, name: str) -> None:
    """The attacker's own certificate in the place of the candidate's text."""
    candidate = select(_r.c.candidate_fingerprint).where(row_of(_r, name)).scalar_subquery()
    stored = models.certificates.c.fingerprint == candidate
    tx.execute(update(models.certificates).where(stored).values(pem=a_certificate().pem))


def swapped_secrets(tx: Transaction, name: str) -> None:
    """Two secrets of a connection change places."""
    table = models.secrets
    pair = ("openair_api_key", "openair_client_secret")
    of = table.c.connection == name
    sealed = {row.name: row.sealed for row in tx.execute(select(table).where(of))}
    for secret, taken in zip(pair, reversed(pair), strict=True):
        tx.execute(update(table).where(of, table.c.name == secret).values(sealed=sealed[taken]))


def secrets_of_another(tx: Transaction, name: str) -> None:
    """The secrets of another connection in the place of the connection's own."""
    table = models.secrets
    query = select(table.c.name, table.c.sealed).where(table.c.connection != name)
    for secret, sealed in tx.execute(query).all():
        tx.execute(update(table).where(table.c.connection == name, table.c.name == secret).values(sealed=sealed))


def removed_history(tx: Transaction, name: str) -> None:
    """Every rotation of the connection with its journal, every reference to them, and all checkpoints."""
    tx.execute(update(_c).where(row_of(_c, name)).values(latest_rotation=None, current_fingerprint=None))
    removed = select(_r.c.id).where(_r.c.connection == name)
    tx.execute(models.journal.delete().where(models.journal.c.rotation_id.in_(removed)))
    tx.execute(_r.delete().where(_r.c.connection == name))
    for table in (models.checkpoint_heads, models.checkpoints):
        tx.execute(table.delete())


def cut_off_journal(tx: Transaction, name: str) -> None:
    """The last entry of the rotation's journal."""
    table = models.journal
    of = table.c.rotation_id == select(_c.c.latest_rotation).where(row_of(_c, name)).scalar_subquery()
    last = select(table.c.seq).where(of).order_by(table.c.seq.desc()).limit(1).scalar_subquery()
    tx.execute(table.delete().where(of, table.c.seq == last))


def rows_of(app: Keyturn, table: Table) -> list[dict[str, Any]]:
    """Every row as it is now, to be put back later."""
    with app.store._database.reading() as tx:
        return [dict(row) for row in tx.execute(table.select()).mappings()]


def put_back(table: Table, rows: list[dict[str, Any]], key: str) -> Attack:
    """Rows as they were before."""

    def attack(tx: Transaction, _name: str) -> None:
        for row in rows:
            tx.execute(update(table).where(table.c[key] == row[key]).values(row))

    return attack


ON_ROTATION: Final[dict[str, Attack]] = {
    "a forged confirmation": forged_confirmation(),
    "another certificate's text": another_certificate,
    "the previous certificate": columns(_r, previous_fingerprint=_r.c.candidate_fingerprint),
    "an allowance to overwrite": columns(_r, may_overwrite=True),
    "an allowance to create": columns(_r, may_create_record=True),
    "the policy": columns(_r, policy={"algorithm": "rsa-2048", "days": 3650}),
    "a settled doubt": columns(_r, updated_at=_r.c.created_at),
    "a rotation that a person may have asked for": columns(_r, cause="manual", actor="ada", reason="x"),
    "no code": columns(_r, code=None),
    "an entry of its journal": cut_off_journal,
}
"""What may be changed of a rotation in any state."""
ON_PROOFS: Final[dict[str, Attack]] = {
    "a confirmation, and that it was uploaded": forged_confirmation(is_moved=True),
    "a signature of another key": another_signature,
    "a new time": columns(_r, asked_at=_r.c.available_at),
}
"""What may be changed of a rotation in one state."""
ON_CONNECTION: Final[dict[str, Attack]] = {
    "NetSuite's URL": setting("netsuite", "restlet_url", EVIL),
    "the URL of NetSuite's tokens": setting("netsuite", "token_url", EVIL),
    "OpenAir's URL": setting("openair", "url", EVIL),
    "the account": setting("netsuite", "account", "6666666"),
    "the client": setting("netsuite", "client_id", "another"),
    "the script": setting("netsuite", "script", "customscript_evil"),
    "the preference": setting("openair", "preference", "another"),
    "the way into OpenAir": setting("openair", "kind", "export"),
    "the algorithm": setting("policy", "algorithm", "rsa-2048"),
    "what happens when OpenAir refuses": setting("policy", "on_refusal", "park"),
    "that it is automatic": columns(_c, automatic=False),
    "no code": columns(_c, code=None),
    "no certificate": columns(_c, current_fingerprint=None),
    "all of its history": removed_history,
}
"""What may be changed of a connection."""
ON_SECRETS: Final[dict[str, Attack]] = {"two of its secrets": swapped_secrets, "another's secrets": secrets_of_another}
"""What may be changed of sealed secrets."""
