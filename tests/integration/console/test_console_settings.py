"""The settings' pages: tokens are made, shown once, and revoked by an administrator."""

import re

from support.console import RunningConsole

from orchestrator.bootstrap import Keyturn


def test_a_token_is_made_shown_once_and_revoked(app: Keyturn, console: RunningConsole) -> None:
    """The page makes a token that the API accepts, does not show it again, and revokes it after a question."""
    assert "There is no token yet." in console.text("/settings/tokens")
    made = console.post("/settings/tokens", {"name": "nightly", "role": "operator", "days": "30"})
    assert 201 == made.status_code
    (secret,) = re.findall(r"keyturn_[\w-]{43}", made.text)
    accepted = app.tokens.accepted(secret)
    assert accepted
    assert ("nightly", "operator", "ada") == (accepted.name, accepted.role, accepted.created_by)
    listed = console.get("/settings/tokens").text
    assert secret not in listed
    assert 'href="/settings/tokens/nightly/revoke"' in listed
    assert "are refused from the next request on" in console.text("/settings/tokens/nightly/revoke")
    assert app.tokens.accepted(secret)
    assert 303 == console.post("/settings/tokens/nightly/revoke").status_code
    assert app.tokens.accepted(secret) is None
    assert 404 == console.get("/settings/tokens/nightly/revoke").status_code
    assert 404 == console.post("/settings/tokens/nightly/revoke").status_code


def test_a_token_that_cannot_be_made(app: Keyturn, console: RunningConsole) -> None:
    """A name that is none or is taken, no role, and a life that is too long are refused in words; nothing is stored."""
    good = {"name": "nightly", "role": "viewer", "days": "30"}
    for wrong in ({"name": "-"}, {"role": "root"}, {"role": ""}, {"days": "367"}, {"days": "x"}, {"days": "0"}):
        assert 422 == console.post("/settings/tokens", {**good, **wrong}).status_code, wrong
    assert [] == app.tokens.all()
    assert 201 == console.post("/settings/tokens", good).status_code
    assert 409 == console.post("/settings/tokens", good).status_code
    assert 1 == len(app.tokens.all())
