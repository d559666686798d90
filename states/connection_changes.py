"""Which settings of a connection can change while it has an open rotation, and when it can be removed or renamed.

A rotation whose certificate NetSuite may hold must end in the same account and company. If it completed in another
one, it would destroy the key that can still restore the first.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from states import preconditions
from states.connection import Connection
from states.errors import HeldOff, RotationOpen
from states.next_action import REPEAT, NextAction, Verb, by_hand
from states.rotation import Rotation
from states.state import State

_PLACES: Final[Mapping[str, Callable[[Connection], str]]] = {
    "the NetSuite account": lambda connection: connection.netsuite.account,
    "the way into OpenAir": lambda connection: connection.openair.kind,
    "the OpenAir company": lambda connection: connection.openair.company,
    "the OpenAir preference": lambda connection: connection.openair.preference,
}
"""What a connection connects. These were correct when NetSuite was sent the certificate: both sides had answered."""
_ADDRESSES: Final[Mapping[str, Callable[[Connection], str]]] = {
    "NetSuite's RESTlet URL": lambda connection: connection.netsuite.restlet_url,
    "NetSuite's token URL": lambda connection: connection.netsuite.token_url,
    "OpenAir's URL": lambda connection: connection.openair.url,
}
"""Where both systems are reached. If a system moves meanwhile, only its new address helps."""


def moved(before: Connection, after: Connection) -> list[str]:
    """Return the names of the settings that differ and decide where the certificate goes; in words."""
    return [*_differing(_PLACES, before, after), *_differing(_ADDRESSES, before, after)]


def check_move(before: Connection, after: Connection, rotation: Rotation, *, is_held: bool) -> None:
    """Check that ``after`` can replace ``before`` while ``rotation`` is open.

    Args:
        before: The connection as it is stored.
        after: The connection as a person wants it.
        rotation: The open rotation.
        is_held: A worker or a person holds the rotation, and sends requests to the addresses in ``before``.

    Raises:
        RotationOpen: The rotation's certificate is, may be or would be in another place than ``after`` names. Only a
            base URL can change, and only while the rotation is parked.

    """
    places, is_sent = _differing(_PLACES, before, after), preconditions.may_be_sent(rotation)
    is_parked = rotation.state is State.FAILED
    if not is_held and (not is_sent or (is_parked and not places)):
        return
    reason = "NetSuite may hold its certificate" if is_sent else "it is being worked on"
    verb, first = Verb.EXPLAIN, "End that rotation first."
    if not is_parked and not (is_sent and places):
        verb, first = Verb.PARK, "Park that rotation first."
    raise RotationOpen(
        f"Connection {before.name} has the open rotation {rotation.id}, and {reason}: "
        f"{' and '.join(places or moved(before, after))} cannot be changed now.",
        next_action=NextAction(verb, {"rotation": rotation.id}, first, then=REPEAT),
    )


def check_closed(rotation: Rotation) -> None:
    """Check that a connection whose newest rotation this is can be removed or renamed.

    The worker that carries a rotation knows its connection by name, and the rotation's key may be the only one that
    matches NetSuite's certificate. Raises RotationOpen.
    """
    if rotation.is_open:
        raise RotationOpen(
            f"Connection {rotation.connection} has the open rotation {rotation.id}: "
            "it cannot be removed or renamed now.",
            next_action=NextAction(Verb.EXPLAIN, {"rotation": rotation.id}, "End that rotation first.", then=REPEAT),
        )


def check_removal(
    connection: Connection, rotation_id: str | None, in_flight_until: datetime | None, now: datetime
) -> None:
    """Check that no lost request of the connection's newest rotation can take effect after it is removed.

    A connection that is then added for the same account would know nothing of that request, and not wait for it.

    Args:
        connection: The connection, which has no open rotation.
        rotation_id: Its newest rotation; None without one.
        in_flight_until: Until when a lost request of that rotation may take effect (UTC); None without one.
        now: The time (UTC).

    Raises:
        HeldOff: The request may still take effect.

    """
    if in_flight_until and in_flight_until > now:
        raise HeldOff(
            f"A write of rotation {rotation_id} may take effect until {in_flight_until:%Y-%m-%d %H:%M:%S} UTC: "
            f"connection {connection.name} cannot be removed before.",
            next_action=by_hand("Wait until then."),
        )


def _differing(named: Mapping[str, Callable[[Connection], str]], before: Connection, after: Connection) -> list[str]:
    """Return the names of the values that ``before`` has and ``after`` changes. An empty value can be filled in."""
    return [name for name, of in named.items() if of(before) and of(before) != of(after)]
