"""Connections in the database. Each function works within the caller's transaction."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Text, bindparam, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from persistence import mapping, models, rotations, secrets
from persistence.clock import UtcDateTime
from states import connection_changes
from states.certificate import Certificate
from states.connection import Connection
from states.errors import AlreadyExists, NotFound, Stale
from states.next_action import REPEAT, NextAction, Verb, by_hand

_c: Final = models.connections
_r: Final = models.rotations
_current: Final = models.certificates.alias("current")

FULL: Final = select(
    _c, *(_current.c[name].label(f"current_{name}") for name in ("pem", "not_before", "not_after"))
).select_from(_c.outerjoin(_current, _current.c.fingerprint == _c.c.current_fingerprint))
"""Everything that makes a connection."""

_ONE: Final = FULL.where(_c.c.name == bindparam("name"))
_another = select(_c.c.name).where(_c.c.name != bindparam("name"))
_OF_ACCOUNT: Final = _another.where(models.canonical(bindparam("account", type_=Text())) == models.ACCOUNT)
_OF_PLACE: Final = _another.where(
    models.canonical_url(bindparam("url", type_=Text())) == models.PLACE[0],
    bindparam("preference", type_=Text()) == models.PLACE[1],
)
_ALL: Final = FULL.order_by(_c.c.name)
_ADD: Final = insert(_c)
_CHANGE: Final = update(_c).where(_c.c.name == bindparam("b_name"))
_SAVE: Final = _CHANGE.where(_c.c.version == bindparam("b_version"))
_MOVE: Final = _SAVE.where(_c.c.latest_rotation.is_not_distinct_from(bindparam("b_latest", type_=Text())))
"""What is saved once the latest rotation was looked at: on PostgreSQL another one may begin until here."""
_LATEST: Final = select(_c.c.latest_rotation).where(_c.c.name == bindparam("name"))
_HOLDER: Final = select(_r.c.worker).where(_r.c.id == bindparam("id")).with_for_update(key_share=True)
"""Who holds a rotation, locked against claims and moves, not against the connection's next rotation."""
_DUE: Final = (
    select(_c.c.name)
    .where(
        models.AUTOMATIC,
        _c.c.due_at <= bindparam("now", type_=UtcDateTime()),
        ~exists().where(_r.c.connection == _c.c.name, models.OPEN),
    )
    .order_by(_c.c.due_at)
    .limit(bindparam("limit"))
)
_CONFIRMED: Final = (
    select(*(_current.c[name].label(f"confirmed_{name}") for name in ("fingerprint", "pem", "not_before", "not_after")))
    .select_from(_c.join(_current, _current.c.fingerprint == _c.c.confirmed_fingerprint))
    .where(_c.c.name == bindparam("name"))
)


def add(tx: Transaction, connection: Connection, sealed: Mapping[str, bytes]) -> Connection:
    """Insert a connection that has no certificate yet, with its sealed secrets. Raises AlreadyExists for a name, a
    NetSuite account or a place in OpenAir that has a connection.
    """
    added = replace(connection, version=0, current=None)
    values = {"name": added.name, "version": added.version, "due_at": added.due_at, **mapping.of_connection(added)}
    try:
        with tx.begin_nested():  # PostgreSQL answers nothing more in a transaction in which a statement failed
            tx.execute(_ADD, values)
    except IntegrityError as error:
        if tx.execute(_ONE, {"name": connection.name}).first():
            raise AlreadyExists(f"There is a connection {connection.name} already.") from error
        raise _taken(tx, connection) from error
    _put(tx, connection.name, sealed)
    return added


def save(tx: Transaction, connection: Connection, sealed: Mapping[str, bytes]) -> Connection:
    """Write what an administrator may change, and the secrets given. Raises NotFound, Stale, AlreadyExists for an
    account or a place in OpenAir that has another connection, RotationOpen where an open rotation holds it in place.
    """
    values = {"version": connection.version + 1, **mapping.of_connection(connection)}
    compared = {"b_name": connection.name, "b_version": connection.version}
    statement = _SAVE
    if connection_changes.moved(before := one(tx, connection.name), connection):
        statement, compared["b_latest"] = _MOVE, _free_to_move(tx, before, connection)
    try:
        with tx.begin_nested():
            saved = tx.execute(statement, {**compared, **values}).rowcount
    except IntegrityError as error:
        raise _taken(tx, connection) from error
    if saved == 0:
        raise Stale(
            f"Connection {connection.name} was changed by somebody else meanwhile; nothing was changed.",
            next_action=NextAction(Verb.SHOW_CONNECTION, {"connection": connection.name}, then=REPEAT),
        )
    _put(tx, connection.name, sealed)
    return one(tx, connection.name)


def _free_to_move(tx: Transaction, before: Connection, after: Connection) -> str | None:
    """The id of the latest rotation, which stays as it is until the transaction ends. Raises RotationOpen."""
    latest: str | None = tx.execute(_LATEST, {"name": before.name}).scalar_one()
    holder = tx.execute(_HOLDER, {"id": latest}).scalar_one_or_none()
    if rotation := rotations.open_one(tx, before.name):
        connection_changes.check_move(before, after, rotation, is_held=holder is not None)
    return latest


def _taken(tx: Transaction, connection: Connection) -> AlreadyExists:
    """What the database's refusal means: another connection has the account, or else the place in OpenAir."""
    name, account, openair = connection.name, connection.netsuite.account, connection.openair
    other = tx.execute(_OF_ACCOUNT, {"name": name, "account": account}).scalar_one_or_none()
    if other is not None:
        return _already(
            f"NetSuite account {account} has the connection {other} already. An account has one certificate record: "
            "two connections would replace each other's certificate.",
            other,
            "account",
        )
    place = {"url": openair.url, "preference": openair.preference}
    other = tx.execute(_OF_PLACE, {"name": name, **place}).scalar_one()
    return _already(
        f"The OpenAir company at {openair.url} has the connection {other} already. Its preference {openair.preference} "
        "holds one certificate: two connections would replace each other's.",
        other,
        "URL",
    )


def _already(message: str, other: str, meant: str) -> AlreadyExists:
    return AlreadyExists(
        message,
        next_action=by_hand(
            f"Give the right {meant}.", alternatives=(NextAction(Verb.SHOW_CONNECTION, {"connection": other}),)
        ),
    )


def one(tx: Transaction, name: str) -> Connection:
    """The connection of this name. Raises NotFound."""
    row = tx.execute(_ONE, {"name": name}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no connection {name}.")
    return mapping.to_connection(row)


def every(tx: Transaction) -> list[Connection]:
    """Every connection, by name."""
    return [mapping.to_connection(row) for row in tx.execute(_ALL).mappings()]


def due(tx: Transaction, now: datetime, limit: int) -> list[str]:
    """The names of those whose automatic rotation is due, the longest due first."""
    return list(tx.execute(_DUE, {"now": now, "limit": limit}).scalars())


def confirm(tx: Transaction, name: str, fingerprint: str, *, by: str, at: datetime) -> None:
    """Note which certificate a person says OpenAir holds: one that is stored already."""
    said = {"confirmed_fingerprint": fingerprint, "confirmed_by": by, "confirmed_at": at}
    tx.execute(_CHANGE, {"b_name": name, **said})


def confirmed(tx: Transaction, name: str) -> Certificate | None:
    """The certificate that a person confirmed last."""
    row = tx.execute(_CONFIRMED, {"name": name}).mappings().one_or_none()
    return mapping.to_certificate(row, "confirmed") if row else None


def _put(tx: Transaction, name: str, sealed: Mapping[str, bytes]) -> None:
    for secret, blob in sealed.items():
        secrets.put(tx, name, secret, blob, version=None)
