"""Why a connection cannot be stored: another one has its name, its NetSuite account or its place in OpenAir."""

from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Text, bindparam, select

from persistence import models
from states.connection import Connection
from states.errors import AlreadyExists, Stale
from states.next_action import REPEAT, NextAction, Verb, by_hand

_c: Final = models.connections
_OF_ACCOUNT: Final = select(_c.c.name).where(models.canonical(bindparam("account", type_=Text())) == models.ACCOUNT)
_OF_PLACE: Final = select(_c.c.name).where(
    models.PLACE[0] == models.canonical_url(bindparam("url", type_=Text())),
    models.PLACE[1] == bindparam("preference", type_=Text()),
)


def exists(name: str) -> AlreadyExists:
    """Return the error for a name that has a connection."""
    return AlreadyExists(f"There is a connection {name} already.")


def taken(tx: Transaction, connection: Connection) -> AlreadyExists | Stale:
    """Explain why the database refused the connection: another one has its account, or else its place in OpenAir; or
    had it when the database refused, on PostgreSQL, where that one may have been removed by the time of this look.
    """
    name, account, openair = connection.name, connection.netsuite.account, connection.openair
    other = tx.execute(_OF_ACCOUNT.where(_c.c.name != name), {"account": account}).scalar_one_or_none()
    if other is not None:
        return _already(
            f"NetSuite account {account} has the connection {other} already. An account has one certificate record: "
            "two connections would replace each other's certificate.",
            other,
            "account",
        )
    place = {"url": openair.url, "preference": openair.preference}
    other = tx.execute(_OF_PLACE.where(_c.c.name != name), place).scalar_one_or_none()
    if other is None:
        return Stale(
            f"Connection {name} was not stored: another connection had its NetSuite account or its place in OpenAir, "
            "and was changed or removed in the meantime.",
            next_action=REPEAT,
        )
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
