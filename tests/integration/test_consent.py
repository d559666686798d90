"""A consent in OpenAir gives a connection its refresh token."""

from dataclasses import replace

import pytest
import requests
from integration.fixture_types import Carry, Rotate
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.consent import REDIRECT_URI
from orchestrator.secrets import SecretName, Secrets
from simulator import Fault, Simulator
from states.connection import Connection, OpenAirKind
from states.errors import InvalidInput, SignInRefused, Stale, TryLater
from states.state import State


def browse(address: str) -> str:
    """Open the address as a browser does; return where OpenAir sends it."""
    return requests.get(address, allow_redirects=False, timeout=60).headers["Location"]


def test_a_void_refresh_token_is_replaced(app: Keyturn, simulator: Simulator, rotate: Rotate, carry: Carry) -> None:
    """The parked rotation completes after the consent; the redirect URI is kept and sent at each refresh."""
    simulator.faults.add(Fault("openair.token", "error", code="invalid_grant"))
    parked = rotate()
    asked = app.consents.ask(NAME)
    stored = app.consents.complete(asked, browse(asked.address), actor="ada")
    assert (REDIRECT_URI, REDIRECT_URI) == (asked.redirect_uri, stored.openair.redirect_uri)
    assert State.COMPLETED is carry(app.rotations.resume(parked.id, actor="ada")).state


def test_another_redirect_uri(app: Keyturn) -> None:
    """The one that is given is used, and from then on asked for."""
    asked = app.consents.ask(NAME, "https://localhost/done")
    app.consents.complete(asked, browse(asked.address), actor="ada")
    assert "https://localhost/done" == app.consents.ask(NAME).redirect_uri


@pytest.mark.parametrize("uri", ["no uri", "https://a b/"])
def test_a_redirect_uri_that_is_none(app: Keyturn, uri: str) -> None:
    """It is refused before a person is asked."""
    with pytest.raises(InvalidInput):
        app.consents.ask(NAME, uri)


def test_each_consent_has_a_state_of_its_own(app: Keyturn) -> None:
    """The answer to one consent does not complete another, and leaves the token as it was."""
    one, other = app.consents.ask(NAME), app.consents.ask(NAME)
    before = token(app)
    with pytest.raises(InvalidInput):
        app.consents.complete(one, browse(other.address), actor="ada")
    assert before == token(app)


def test_a_code_is_taken_once(app: Keyturn) -> None:
    """The same answer a second time is refused, and the stored token stays."""
    asked = app.consents.ask(NAME)
    came_back = browse(asked.address)
    app.consents.complete(asked, came_back, actor="ada")
    granted = token(app)
    with pytest.raises(SignInRefused):
        app.consents.complete(asked, came_back, actor="ada")
    assert granted == token(app)


def test_a_lost_answer_keeps_the_former_token(app: Keyturn, simulator: Simulator) -> None:
    """OpenAir's answer with the tokens is lost: nothing is stored, and another consent succeeds."""
    before = token(app)
    simulator.faults.add(Fault("openair.token", "reset", action="authorization_code", when="after"))
    asked = app.consents.ask(NAME)
    with pytest.raises(TryLater):
        app.consents.complete(asked, browse(asked.address), actor="ada")
    assert before == token(app)
    again = app.consents.ask(NAME)
    app.consents.complete(again, browse(again.address), actor="ada")
    assert before != token(app)


def test_a_change_meanwhile_is_kept(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process changes the connection while the code is exchanged: both the change and the token are stored."""
    asked = app.consents.ask(NAME)
    edit, changes = app.connections.edit, iter([90, 60])

    def edit_late(connection: Connection, secrets: dict[SecretName, str], *, actor: str) -> Connection:
        if days := next(changes, None):
            shown = app.connections.show(NAME)
            edit(replace(shown, policy=replace(shown.policy, days=days)), {}, actor="bob")
        return edit(connection, secrets, actor=actor)

    monkeypatch.setattr(app.connections, "edit", edit_late)
    before = token(app)
    stored = app.consents.complete(asked, browse(asked.address), actor="ada")
    assert (60, True) == (stored.policy.days, before != token(app))


def test_a_connection_that_never_rests(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few tries the conflict is raised."""

    def stale(*_: object, **__: object) -> Connection:
        raise Stale

    monkeypatch.setattr(app.connections, "edit", stale)
    asked = app.consents.ask(NAME)
    with pytest.raises(Stale):
        app.consents.complete(asked, browse(asked.address), actor="ada")


def test_another_company_meanwhile(app: Keyturn) -> None:
    """The connection signs in with another client by now: the token is not stored, and the code is not sent."""
    asked = app.consents.ask(NAME)
    shown = app.connections.show(NAME)
    app.connections.edit(replace(shown, openair=replace(shown.openair, client_id="another")), {}, actor="bob")
    before = token(app)
    with pytest.raises(InvalidInput, match="was changed meanwhile"):
        app.consents.complete(asked, browse(asked.address), actor="ada")
    assert before == token(app)


@pytest.mark.parametrize("kind", ["export", "password"])
def test_a_connection_without_oauth(app: Keyturn, kind: str) -> None:
    """Where a person saves the certificate, or Keyturn signs in with a password, there is no consent to give."""
    shown = app.connections.show(NAME)
    changes = {"kind": OpenAirKind.EXPORT} if kind == "export" else {"client_id": "", "company": "acme", "user": "k"}
    app.connections.edit(replace(shown, openair=replace(shown.openair, **changes)), {}, actor="ada")
    with pytest.raises(InvalidInput, match="there is no consent to give"):
        app.consents.ask(NAME)


def token(app: Keyturn) -> bytes | None:
    """The stored tokens."""
    found = Secrets(app.store, app.vault, app.connections.show(NAME)).get(SecretName.OPENAIR_REFRESH_TOKEN)
    return found[0] if found else None
