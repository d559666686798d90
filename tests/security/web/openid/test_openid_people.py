"""Who signed in by OpenID Connect: the role, the name, and how long they stay."""

import logging
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from security.web.test_console_people import ask, guarded
from support.clock import OffsetClock
from support.console import RunningConsole
from support.openid import SECRET, Json, Provider, at_provider, begin, come_back, sessions, sign_in
from support.openid_lies import claims

from orchestrator.bootstrap import Keyturn
from states.access import Role


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["kt-viewers"], Role.VIEWER),
        (["staff", "kt-operators"], Role.OPERATOR),
        (["kt-viewers", "kt-admins", "kt-operators"], Role.ADMINISTRATOR),
        ("kt-admins", Role.ADMINISTRATOR),
    ],
)
def test_the_greatest_role_counts(
    console: RunningConsole, app: Keyturn, provider: Provider, groups: Any, role: Role
) -> None:
    """A claim that is a text or a list gives the greatest role that one of its values gives."""
    claims(groups=groups)(provider)
    sign_in(console)
    assert app.openid
    found = app.openid.find(str(console.http.headers["Cookie"]).partition("=")[2])
    assert found
    assert role is found.role


def test_every_route_needs_its_role(console: RunningConsole, provider: Provider) -> None:
    """Who signed in by OpenID Connect gets 403 from exactly the routes that need a greater role."""
    for role, group in zip(Role, ("kt-viewers", "kt-operators", "kt-admins"), strict=True):
        provider.groups = (group,)
        person = console.another()
        sign_in(person)
        for method, path, needed in guarded():
            status = ask(person, method, path.format(rotation="none-such", name="none-such", token="x", account="x"))
            assert role.includes(needed) == (status != HTTPStatus.FORBIDDEN), (role, method, path, status)


@pytest.mark.parametrize(
    "groups", [[], ["staff"], ["KT-ADMINS"], "kt-admins,kt-viewers", [["kt-admins"]], {"kt-admins": 1}, 7]
)
def test_no_role(console: RunningConsole, app: Keyturn, provider: Provider, groups: Any) -> None:
    """Who has no role reads which values of which claim give one; nothing begins."""
    claims(groups=groups)(provider)
    answer = sign_in(console)
    assert (HTTPStatus.FORBIDDEN, 0) == (answer.status_code, sessions(app))
    assert (
        "openid:ada@example.com may not use this console: the claim “groups” has to hold one of kt-viewers (viewer), "
        "kt-operators (operator), kt-admins (administrator)."
    ) in answer.text


def test_claims_of_the_user_info_endpoint(console: RunningConsole, provider: Provider) -> None:
    """Where the ID token lacks the role or the address, the UserInfo endpoint is asked; otherwise it is not."""
    sign_in(console)
    assert "GET /userinfo" not in provider.asked
    claims(groups=None, email=None, email_verified=None)(provider)
    sign_in(console)
    assert "openid:ada@example.com, operator" in console.text("/")
    assert "GET /userinfo" in provider.asked


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"email_verified": False}, "openid-sub:248289761001"),
        ({"email_verified": "true"}, "openid-sub:248289761001"),
        ({"email_verified": False, "preferred_username": "ada@example.com"}, "openid-user:ada@example.com"),
        ({"email": "Zoë@exämple.com"}, "openid:Zoë@exämple.com"),
    ],
)
def test_names(console: RunningConsole, provider: Provider, changed: Json, name: str) -> None:
    """Only an address that the provider verified is one; what a person chose to be called cannot be taken for it."""
    claims(**changed)(provider)
    provider.user_info = lambda _: {"sub": "248289761001"}
    assert HTTPStatus.SEE_OTHER == sign_in(console).status_code
    assert f"{name}, operator" in console.text("/")


@pytest.mark.parametrize("email", ["", " a@b.c", "a\u202e@b.c", "a\n@b.c", "a\x00@b.c", "x" * 121])
def test_names_that_are_none(console: RunningConsole, app: Keyturn, provider: Provider, email: str) -> None:
    """A name that cannot be shown on a line is refused."""
    claims(email=email)(provider)
    assert (HTTPStatus.FORBIDDEN, 0) == (sign_in(console).status_code, sessions(app))


def test_the_journal_names_the_person(console: RunningConsole, app: Keyturn, provider: Provider) -> None:
    """What the person does is done under the name that the provider verified."""
    provider.groups = ("kt-admins",)
    sign_in(console)
    form = {"name": "nightly", "role": "viewer", "days": "30"}
    assert console.post("/settings/tokens", form).status_code < HTTPStatus.BAD_REQUEST
    assert ["openid:ada@example.com"] == [each.token.created_by for each in app.tokens.all()]
    app.tokens.revoke("nightly", actor="root")


def test_an_administrator_signs_a_person_out(
    console: RunningConsole, app: Keyturn, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """The page lists who is signed in, each person once, and ends all sessions of one at once; the log says who did."""
    caplog.set_level(logging.INFO)
    bob, again = console.another(), console.another()
    claims(email="bob@example.com")(provider)
    for each in (bob, again):
        sign_in(each)
    claims(groups=["kt-admins"])(provider)
    sign_in(console)
    shown = console.text("/settings/people")
    assert "openid:ada@example.com you administrator" in shown
    assert 1 == shown.count("openid:bob@example.com")
    for expected in (HTTPStatus.SEE_OTHER, HTTPStatus.NOT_FOUND):
        assert expected == console.post("/settings/sessions/end", {"name": "openid:bob@example.com"}).status_code
    assert [HTTPStatus.UNAUTHORIZED] * 2 + [HTTPStatus.OK] == [
        each.get("/").status_code for each in (bob, again, console)
    ]
    assert 1 == sessions(app)
    (record,) = [vars(each) for each in caplog.records if each.getMessage() == "person signed out"]
    assert ("openid:bob@example.com", "openid:ada@example.com") == (record["named"], record["actor"])


def test_other_settings_end_the_sessions(
    console: RunningConsole, app: Keyturn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session is valid under the settings that gave its role, and for twelve hours; a process with the same settings
    knows it.
    """
    sign_in(console)
    token = str(console.http.headers["Cookie"]).partition("=")[2]
    same, other = Keyturn(app.settings), Keyturn(app.settings)
    other.settings = app.settings.model_copy(
        update={"openid": app.settings.openid.model_copy(update={"operators": ()})}
    )
    assert same.openid
    assert other.openid
    assert (True, False) == (same.openid.find(token) is not None, other.openid.find(token) is not None)
    same.close()
    other.close()
    monkeypatch.setattr(app.openid, "_clock", OffsetClock(timedelta(hours=12)))
    assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code


def test_a_person_signs_in(console: RunningConsole, provider: Provider) -> None:
    """The page offers the provider; who comes back has the role of their group and the name that the provider verified,
    and signs out again.
    """
    assert "Sign in with 127.0.0.1" in console.text("/sign-in")
    answer = sign_in(console)
    assert (HTTPStatus.SEE_OTHER, "/") == (answer.status_code, answer.headers["location"])
    assert "openid:ada@example.com, operator" in console.text("/")
    assert HTTPStatus.FORBIDDEN == console.get("/settings/people").status_code
    assert "there is none to change" in console.text("/settings/password")
    assert HTTPStatus.SEE_OTHER == console.post("/sign-out").status_code
    assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code
    assert 1 == provider.asked.count("GET /.well-known/openid-configuration")


def test_a_database_has_hashes_only(console: RunningConsole, app: Keyturn, provider: Provider) -> None:
    """Neither the state nor the cookies, and nothing that the provider issued, is in the database."""
    address = begin(console)
    waiting = str(console.http.headers["Cookie"]).partition("=")[2]
    with app.store._database.reading() as tx:
        requests = str(tx.exec_driver_sql("SELECT * FROM openidrequests").all())
    come = come_back(console, at_provider(address))
    with app.store._database.reading() as tx:
        stored = requests + str(tx.exec_driver_sql("SELECT * FROM openidsessions").all())
    asked = dict(parse_qsl(urlsplit(address).query))
    cookie = come.headers["set-cookie"].partition(";")[0].partition("=")[2]
    known = (waiting, cookie, asked["state"], asked["nonce"], asked["code_challenge"], SECRET, *provider.issued)
    assert [] == [each for each in known if each in stored]
