"""Checks rows against their codes: what people read there is what Keyturn wrote.

`authenticity` says what the codes cover. Each function works within the caller's transaction.
"""

from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, RowMapping
from sqlmodel import Session, col, select

from persistence import (
    accounts,
    authenticity,
    connection_rows,
    mapping,
    models,
    openid,
    queries,
    rotation_mapping,
    sessions,
    silences,
    tokens,
)
from persistence.journal import Head
from persistence.vault import Vault
from states.errors import JournalBroken

_AT_ONCE: Final = 500
"""Rows that are read at once: those of a large store do not fit into memory."""
_IN_USE: Final = queries.CONNECTION.where(models.IN_USE)
_GONE: Final = select(models.Connections).where(~models.IN_USE)
_CONFIRMED: Final = (
    select(models.Connections, models.Certificates)
    .join(models.Certificates, col(models.Certificates.fingerprint) == col(models.Connections.confirmed_fingerprint))
    .options(models.WITHOUT_KEY)
)


def verify(tx: Transaction, vault: Vault, rotation_id: str | None = None) -> None:
    """Check the row of one rotation, or those of all rotations, connections, tokens, accounts, sessions and
    silences.

    Raises JournalBroken for the first that is not as Keyturn wrote it.
    """
    query = queries.ROTATION.order_by(models.rotations.c.id)
    wanted = query if rotation_id is None else query.where(models.rotations.c.id == rotation_id)
    with closing(tx.execute(wanted.execution_options(yield_per=_AT_ONCE))) as rows:
        for row in rows:
            _verify_rotation(vault, row)
    if rotation_id is None:
        _verify_connections(tx, vault)
        _verify_tokens(tx, vault)
        _verify_accounts(tx, vault)
        _verify_silences(tx, vault)


def _verify_tokens(tx: Transaction, vault: Vault) -> None:
    for row in tx.execute(tokens.ALL).mappings():
        if tokens.authentic(vault, row) is None:
            raise JournalBroken(f"Token {row['name']} was changed outside Keyturn.")


def _verify_silences(tx: Transaction, vault: Vault) -> None:
    for row in tx.execute(silences.ALL).mappings():
        if silences.authentic(vault, row) is None:
            raise JournalBroken(f"The silence {row['id']} was changed outside Keyturn.")


def _verify_accounts(tx: Transaction, vault: Vault) -> None:
    for row in tx.execute(accounts.ALL).mappings():
        if accounts.authentic(vault, row) is None:
            raise JournalBroken(f"Account {row['name']} was changed outside Keyturn.")
    for row in tx.execute(sessions.ALL).mappings():
        if sessions.authentic(vault, row) is None:
            raise JournalBroken(f"A session of account {row['account']} was changed outside Keyturn.")
    for row in tx.execute(openid.SESSIONS).mappings():
        if openid.authentic_session(vault, row) is None:
            raise JournalBroken(f"A session of {row['actor']} was changed outside Keyturn.")
    for row in tx.execute(openid.REQUESTS).mappings():
        if openid.authentic_request(vault, row) is None:
            raise JournalBroken("A sign-in by OpenID Connect was changed outside Keyturn.")


def _verify_rotation(vault: Vault, row: Row[Any]) -> None:
    values = dict(row._mapping)  # noqa: SLF001 - a named tuple's own way to a mapping
    head = Head(values["journal_seq"], values["journal_hash"])
    checked = authenticity.checked(vault, rotation_mapping.to_rotation(values), head, values["code"])
    if checked.circumstances.broken:
        raise JournalBroken(checked.circumstances.broken)


def _verify_connections(tx: Transaction, vault: Vault) -> None:
    in_parts = {"yield_per": _AT_ONCE}
    with Session(tx) as session, closing(session.exec(_GONE, execution_options=in_parts)) as gone:
        for stored in gone:
            if not _is_blank(stored):
                raise _changed(stored.name)
    with closing(tx.execute(_IN_USE, execution_options=in_parts)) as rows:
        for row in rows.mappings():
            if not _is_whole(vault, row):
                raise _changed(row["name"])
    with Session(tx) as session, closing(session.exec(_CONFIRMED, execution_options=in_parts)) as confirmed:
        for stored, certificate in confirmed:
            if not connection_rows.is_confirmed(vault, mapping.from_certificate(certificate), stored):
                raise _changed(stored.name)


def _is_whole(vault: Vault, row: RowMapping) -> bool:
    """Whether a connection's settings and its certificate are as Keyturn wrote them."""
    connection = mapping.to_connection(row)
    content = authenticity.of_connection(connection, is_automatic=row["automatic"])
    is_left_over = row["confirmed_fingerprint"] is None and row["confirmed_code"] is not None
    is_authentic = vault.is_authentic(content, row["code"] or "")
    return is_authentic and not is_left_over and connection_rows.is_current(vault, connection, row)


def _is_blank(stored: models.Connections) -> bool:
    """Whether the row of a connection that is gone is as it was left. It has no code, and nothing is done with it."""
    try:
        left = connection_rows.blank(stored)
    except mapping.NOT_OURS:
        return False
    return all(getattr(stored, name) == value for name, value in left.items() if name != "version")


def _changed(name: str) -> JournalBroken:
    return JournalBroken(f"Connection {name} was changed outside Keyturn.")
