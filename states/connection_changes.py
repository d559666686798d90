"""What of a connection may be changed while it has an open rotation.

A rotation whose certificate NetSuite may hold has to end where it began: carried on elsewhere it would complete there,
and destroy the key that could still put the first place right.
"""

from collections.abc import Callable, Mapping
from typing import Final

from states import preconditions
from states.connection import Connection
from states.errors import RotationOpen
from states.next_action import REPEAT, NextAction, Verb
from states.rotation import Rotation
from states.state import State

_PLACES: Final[Mapping[str, Callable[[Connection], str]]] = {
    "the NetSuite account": lambda connection: connection.netsuite.account,
    "the way into OpenAir": lambda connection: connection.openair.kind,
    "the OpenAir company": lambda connection: connection.openair.company,
    "the OpenAir preference": lambda connection: connection.openair.preference,
}
"""What a connection is between. Each was right when NetSuite was sent the certificate: both sides were asked before."""
_ADDRESSES: Final[Mapping[str, Callable[[Connection], str]]] = {
    "NetSuite's RESTlet URL": lambda connection: connection.netsuite.restlet_url,
    "NetSuite's token URL": lambda connection: connection.netsuite.token_url,
    "OpenAir's URL": lambda connection: connection.openair.url,
}
"""Where it is reached. A system may move meanwhile, and nothing but its new address helps then."""


def moved(before: Connection, after: Connection) -> list[str]:
    """What of where the certificate goes differs, in words; empty where only sign-in, options or policy do."""
    return [*_differing(_PLACES, before, after), *_differing(_ADDRESSES, before, after)]


def check_move(before: Connection, after: Connection, rotation: Rotation, *, is_held: bool) -> None:
    """See that ``after`` may take the place of ``before`` while ``rotation`` is open.

    ``is_held``: a worker or a person has the rotation in hand, and what they send goes to where ``before`` says. Raises
    RotationOpen where the rotation's certificate would be, or may be by now, in another place than the one that the
    connection names; only a base URL may still be corrected, of a rotation that is parked.
    """
    places, is_sent = _differing(_PLACES, before, after), preconditions.may_be_sent(rotation)
    is_parked = rotation.state is State.FAILED
    if not is_held and (not is_sent or (is_parked and not places)):
        return
    told = "NetSuite may hold its certificate" if is_sent else "it is being worked on"
    verb, first = Verb.EXPLAIN, "End that rotation first."
    if not is_parked and not (is_sent and places):
        verb, first = Verb.PARK, "Park that rotation first."
    raise RotationOpen(
        f"Connection {before.name} has the open rotation {rotation.id}, and {told}: "
        f"{' and '.join(places or moved(before, after))} cannot be changed now.",
        next_action=NextAction(verb, {"rotation": rotation.id}, first, then=REPEAT),
    )


def _differing(named: Mapping[str, Callable[[Connection], str]], before: Connection, after: Connection) -> list[str]:
    """The names of what ``before`` has and ``after`` has not. What was not told before, as a company, may be told."""
    return [name for name, of in named.items() if of(before) and of(before) != of(after)]
