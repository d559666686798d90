"""The changes that are allowed to a connection while it has an open rotation."""

from dataclasses import replace
from typing import Any

import pytest
from support.advice import commands, text
from support.factories import a_connection
from support.pairs import NOW, Pair
from unit.states.rotations import a_rotation, parked

from states import connection_changes
from states.connection import Connection, OpenAirKind, Options, Policy
from states.errors import RotationOpen
from states.next_action import NextAction, Verb
from states.rotation import Rotation
from states.state import State

ACME = a_connection()


def at_netsuite(**over: Any) -> Connection:
    """Return acme with other settings of NetSuite."""
    return replace(ACME, netsuite=replace(ACME.netsuite, **over))


def at_openair(**over: Any) -> Connection:
    """Return acme with other settings of OpenAir."""
    return replace(ACME, openair=replace(ACME.openair, **over))


PLACES = {
    "the NetSuite account": at_netsuite(account="7654321"),
    "the way into OpenAir": at_openair(kind=OpenAirKind.EXPORT),
    "the OpenAir company": at_openair(company="Bolt"),
    "the OpenAir preference": at_openair(preference="another"),
}
ADDRESSES = {
    "NetSuite's RESTlet URL": at_netsuite(restlet_url="https://restlets.example"),
    "NetSuite's token URL": at_netsuite(token_url="https://tokens.example"),
    "OpenAir's URL": at_openair(url="https://acme.app.netsuitesuiteprojectspro.com"),
}
HERE = [
    ACME,
    at_netsuite(client_id="new", certificate_id="new", assertion_algorithm="ES256", script="s", deployment="d"),
    at_openair(user="new", client_id="new", namespace="new"),
    replace(ACME, policy=Policy(days=90), options=Options(oauth2=False), bundles={}),
]


@pytest.mark.parametrize(("name", "after"), [*PLACES.items(), *ADDRESSES.items()])
def test_what_is_a_move(name: str, after: Connection) -> None:
    """Account, company, preference, kind and base URLs decide where the certificate goes."""
    assert [name] == connection_changes.moved(ACME, after)


@pytest.mark.parametrize("after", HERE)
def test_what_is_no_move(after: Connection) -> None:
    """Sign-in, RESTlet, options, bundles and policy can change at any time."""
    assert [] == connection_changes.moved(ACME, after)


def test_naming_the_company_is_no_move() -> None:
    """Adding the company's name, for a sign-in by password, is no move."""
    assert [] == connection_changes.moved(at_openair(company="", client_id="client"), ACME)


@pytest.mark.parametrize("after", [*PLACES.values(), *ADDRESSES.values()])
@pytest.mark.parametrize("state", [State.REQUESTED, State.KEY_GENERATED])
def test_nothing_was_sent(pair: Pair, state: State, after: Connection) -> None:
    """While nothing was sent to NetSuite and no worker holds the rotation, the connection can be moved."""
    for rotation in (a_rotation(pair, state), parked(a_rotation(pair, state))):
        connection_changes.check_move(ACME, after, rotation, is_held=False)


@pytest.mark.parametrize(("name", "after"), PLACES.items())
def test_a_place_stays_once_the_certificate_may_be_there(pair: Pair, name: str, after: Connection) -> None:
    """A rotation that is confirmed or in doubt must end before its connection is moved."""
    sent = [
        a_rotation(pair, State.KEY_GENERATED, doubt_since=NOW),
        a_rotation(pair, State.UPLOADED_TO_NETSUITE),
        a_rotation(pair, State.SAVED_TO_OPENAIR),
    ]
    for rotation in (*sent, *map(parked, sent)):
        message, next_action = refused(after, rotation)
        assert (
            f"has the open rotation {rotation.id}, and NetSuite may hold its certificate: {name} cannot be" in message
        )
        assert ["rotation explain " + rotation.id] == commands(next_action)
        assert "End that rotation first." in text(next_action)


@pytest.mark.parametrize(("name", "after"), ADDRESSES.items())
def test_an_address_may_be_corrected_of_a_parked_rotation(pair: Pair, name: str, after: Connection) -> None:
    """An address can be corrected while the rotation is parked; an open one must be parked first."""
    rotation = a_rotation(pair, State.UPLOADED_TO_NETSUITE)
    message, next_action = refused(after, rotation)
    assert f"{name} cannot be changed now" in message
    expected = f"Park that rotation first. Run `keyturn rotation park {rotation.id}`. Then repeat the command."
    assert expected == text(next_action)
    connection_changes.check_move(ACME, after, parked(rotation), is_held=False)


@pytest.mark.parametrize("after", [*PLACES.values(), *ADDRESSES.values()])
def test_nothing_moves_under_a_worker(pair: Pair, after: Connection) -> None:
    """While a worker holds the rotation, the connection cannot be moved."""
    message, next_action = refused(after, a_rotation(pair, State.KEY_GENERATED), is_held=True)
    assert "and it is being worked on" in message
    assert Verb.PARK is next_action.verb
    message, next_action = refused(after, parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE)), is_held=True)
    assert Verb.EXPLAIN is next_action.verb


def refused(after: Connection, rotation: Rotation, *, is_held: bool = False) -> tuple[str, NextAction]:
    """Return the error's message and next action for a move of acme now."""
    with pytest.raises(RotationOpen) as caught:
        connection_changes.check_move(ACME, after, rotation, is_held=is_held)
    return caught.value.message, caught.value.next_action
