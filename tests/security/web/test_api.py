"""The API refuses a token that may not, a version that is over, and a body that is none, and nothing changes."""

from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from support.api import PREFIX, Program, add_token
from support.clock import OffsetClock
from support.console import RunningConsole, running_console
from support.environment import NAME, keyturn

from orchestrator.api.access import OPEN, ROUTES
from orchestrator.api.app import routes
from orchestrator.api.context import Api
from orchestrator.api.router import StrictRoute
from orchestrator.bootstrap import Keyturn
from orchestrator.http_guard import MOST_BYTES
from orchestrator.operations.verbs import VERBS
from states.access import Role
from states.rotation import Rotation

POSTS = sorted(path for method, path in ROUTES if method == "POST")
ACTS = [f"/rotations/{{rotation}}/{verb.value}" for verb in VERBS]
BODY = {"reason": "x"}
MORE: dict[str, dict[str, Any]] = {"confirm": {"fingerprint": "00"}}
"""What a verb needs in addition."""
CANARY = "canary-d41d8cd98f"
NEW: dict[str, Any] = {"name": "beta", "secrets": {"netsuite_key": CANARY, "openair_password": CANARY}}
"""A connection that lacks something."""
EXPORTED: dict[str, Any] = {"openair": {"kind": "export"}, "secrets": {"netsuite_key": CANARY}}
"""What is complete, with a key that is none."""


@pytest.fixture(scope="module")
def programs(app: Keyturn, console: RunningConsole) -> dict[Role, Program]:
    """A program of each role."""
    return {role: Program(console.port, add_token(app, role.value, role)) for role in Role}


def filled(path: str, parked: Rotation) -> str:
    """A route's path about the parked rotation, without the prefix."""
    names = {"rotation": parked.id, "name": NAME, "token": "none-such"}
    return path.removeprefix(PREFIX).format(**names)


def body_of(path: str) -> dict[str, Any] | None:
    """A body that the route takes."""
    if path.startswith(f"{PREFIX}/connections") and not path.endswith("/rotations"):
        return NEW if path.endswith("/connections") else {}
    return None if path.endswith("/trigger") else {**BODY, **MORE.get(path.rpartition("/")[2], {})}


def unchanged(app: Keyturn, parked: Rotation) -> None:
    """Assert that nothing was done with the connection, its rotation or the tokens."""
    assert parked == app.rotations.show(NAME)
    assert 1 == len(list(app.lists.rotations().items))
    assert [NAME] == [each.name for each in app.connections.all()]
    assert {role.value for role in Role} <= {each.token.name for each in app.tokens.all()}


def test_the_table_has_every_route(app: Keyturn) -> None:
    """The application has the routes of the table, each with one method, and no other."""

    class Nothing:
        keyturn = app
        site = None
        watch = verbs = None

    nothing: Any = Nothing()
    made = routes(nothing)
    assert isinstance(nothing, Nothing)
    assert not isinstance(nothing, Api)
    found = [(method, each.path) for each in made.routes if isinstance(each, StrictRoute) for method in each.methods]
    assert sorted(ROUTES) == sorted(found)
    assert len(made.routes) == len(found), "every route is a strict one"


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
@pytest.mark.usefixtures("programs")
def test_every_route_needs_a_token(
    app: Keyturn, console: RunningConsole, parked: Rotation, method: str, path: str
) -> None:
    """Without a token, with one that is none, or with a cookie, a route answers 401 and tells nothing; only whether the
    process is alive and ready needs no token.
    """
    app.tokens.add("gone", Role.ADMINISTRATOR, days=1, actor="ada")
    app.tokens.revoke("gone", actor="ada")
    person = RunningConsole(console.port, console.link)
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer keyturn_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Cookie": f"__Host-keyturn-{person.port}=x"},
    ]
    for given in headers:
        answer = Program(console.port).ask(method, filled(path, parked), body_of(path), **given)
        if path in OPEN:
            assert HTTPStatus.OK == answer.status_code
            continue
        assert (HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED") == (answer.status_code, answer.json()["code"])
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert parked.id not in answer.text
    unchanged(app, parked)


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
@pytest.mark.parametrize("role", Role)
def test_every_route_needs_its_role(
    app: Keyturn, programs: dict[Role, Program], parked: Rotation, method: str, path: str, role: Role
) -> None:
    """A token of too low a role is refused, also where its request is malformed; one of a role that suffices is not."""
    needed = ROUTES[method, path]
    tag = f'"{parked.version + 1}"'
    for body in (body_of(path), {"nonsense": True}):
        if path.endswith(("/events", "/trigger")) and role.includes(needed or role):
            continue  # these would act, or stream
        answer = programs[role].ask(method, filled(path, parked), body, If_Match=tag)
        is_refused = answer.status_code == HTTPStatus.FORBIDDEN
        assert is_refused == (needed is not None and not role.includes(needed)), answer.text
        if is_refused:
            assert ("FORBIDDEN", "application/problem+json") == (
                answer.json()["code"],
                answer.headers["content-type"],
            )
    unchanged(app, parked)


@pytest.mark.parametrize("path", ACTS)
def test_an_action_names_what_was_seen(
    app: Keyturn, programs: dict[Role, Program], parked: Rotation, path: str
) -> None:
    """Without If-Match an action is refused with 428, with another version with 412, and the answer says what the store
    has; nothing was changed.
    """
    operator, target = programs[Role.OPERATOR], filled(path, parked)
    for tag in ("", "*"):
        answer = operator.ask("POST", target, body_of(path), **({"If_Match": tag} if tag else {}))
        assert HTTPStatus.PRECONDITION_REQUIRED == answer.status_code
    for tag in (f'"{parked.version - 1}"', f'W/"{parked.version}"', str(parked.version), '"x"', '"1", "2"'):
        answer = operator.ask("POST", target, body_of(path), If_Match=tag)
        assert HTTPStatus.PRECONDITION_FAILED == answer.status_code, answer.text
    stale = operator.ask("POST", target, body_of(path), If_Match=f'"{parked.version - 1}"').json()
    assert ("STALE", True, parked.id) == (stale["code"], stale["kept"]["changed"], stale["kept"]["rotation"]["id"])
    assert "verb" in stale["next_action"]
    unchanged(app, parked)


def test_a_start_names_what_was_seen(app: Keyturn, programs: dict[Role, Program], parked: Rotation) -> None:
    """A start without a key or a version is refused with 428, with another version with 412, and while a rotation is
    open with 409, which says which one.
    """
    operator, target = programs[Role.OPERATOR], f"/connections/{NAME}/rotations"
    tag = operator.tag(f"/connections/{NAME}")
    key = {"Idempotency_Key": "k"}
    refused = [
        operator.ask("POST", target, BODY, If_Match=tag),
        operator.ask("POST", target, BODY, **key),
        operator.ask("POST", target, BODY, If_Match='"99.0"', **key),
        operator.ask("POST", target, BODY, If_Match=tag, **key),
    ]
    assert [428, 428, 412, 409] == [each.status_code for each in refused]
    assert ("ROTATION_OPEN", parked.id) == (refused[3].json()["code"], refused[3].json()["kept"]["rotation"]["id"])
    unchanged(app, parked)


@pytest.mark.parametrize("path", ACTS)
def test_bodies_that_are_none(app: Keyturn, programs: dict[Role, Program], parked: Rotation, path: str) -> None:
    """A body of another type, that is malformed, too long, without a reason, or has a field too many is refused."""
    operator, target, tag = programs[Role.OPERATOR], filled(path, parked), f'"{parked.version}"'
    whole = body_of(path)
    assert whole
    url, headers = f"http://127.0.0.1:{operator.port}{PREFIX}{target}", {"If-Match": tag}
    headers |= {"Authorization": f"Bearer {operator.secret}"}

    def send(data: Any, kind: str = "application/json") -> int:
        return operator.http.post(url, data=data, headers={**headers, "Content-Type": kind}, timeout=60).status_code

    kinds = ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-16", "")
    assert [415] * len(kinds) == [send(b'{"reason": "x"}', kind) for kind in kinds]
    malformed = (b"", b"{", b"[]", b"null", b'{"reason": "x", "reason": "y"}', b"[" * 5000, b'{"reason": "\xff"}')
    assert [422] * len(malformed) == [send(each) for each in malformed]
    wrong: list[dict[str, Any]] = [
        *({**whole, "reason": each} for each in ("", " ", "x" * 501, 1, None, "a\0b", "\ud800")),
        {**whole, "another": 1},
        {name: value for name, value in whole.items() if name != "reason"},
    ]
    answers = [operator.ask("POST", target, each, If_Match=tag) for each in wrong]
    assert [422] * len(wrong) == [each.status_code for each in answers], [each.text for each in answers]
    large = b'{"reason": "' + b"x" * MOST_BYTES + b'"}'
    assert [413, 413] == [send(large), send(iter([large[:100], large[100:]]))]
    for query in ("dryrun=true", "dry_run=true&dry_run=false", "dry_run=", "dry_run=perhaps"):
        assert 422 == operator.ask("POST", f"{target}?{query}", whole, If_Match=tag).status_code
    unchanged(app, parked)


def test_a_connection_that_is_none(
    app: Keyturn, programs: dict[Role, Program], parked: Rotation, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection with a field too many, of another kind, or at the wrong place is refused; the answer and the log
    have nothing of the secrets, also where one is the name of a field.
    """
    administrator = programs[Role.ADMINISTRATOR]
    wrong: list[Any] = [
        NEW,
        {**NEW, "name": "../x"},
        {**NEW, "netsuite_key": CANARY},
        {**NEW, "netsuite": {"netsuite_key": CANARY}},
        {**NEW, "netsuite": CANARY},
        {**NEW, "policy": {"algorithm": CANARY}},
        {**NEW, "policy": {"days": "1"}},
        {**NEW, "openair": {"kind": CANARY}},
        {**NEW, "openair": {"url": "x\0"}},
        {**NEW, "bundles": {CANARY: "1"}},
        {**NEW, "secrets": {"openair_api_key": 1}},
        {**NEW, "secrets": {"openair_api_key": ""}},
        {**NEW, "secrets": {CANARY: "x"}},
        {**NEW, "secrets": CANARY},
        {"name": "beta", "netsuite": dict.fromkeys(("account", "client_id", "certificate_id"), "1"), **EXPORTED},
    ]
    answers = [administrator.ask("POST", "/connections", each) for each in wrong]
    tag = administrator.tag(f"/connections/{NAME}")
    answers += [
        administrator.ask("PATCH", f"/connections/{NAME}", {**each, "name": "x"}, If_Match=tag) for each in wrong
    ]
    assert [422] * len(answers) == [each.status_code for each in answers], [each.text for each in answers]
    assert CANARY not in "".join(each.text for each in answers) + caplog.text
    for method, body in (("PATCH", {}), ("DELETE", None)):
        for given, status in (({}, 428), ({"If_Match": '"99.0"'}, 412)):
            assert status == administrator.ask(method, f"/connections/{NAME}", body, **given).status_code
    assert 409 == administrator.ask("DELETE", f"/connections/{NAME}", If_Match=tag).status_code
    unchanged(app, parked)


@pytest.mark.parametrize("rotation", ["{name}", "{short}", "01KA2B3C4D5E6F7G8H9JKMNPQR"])
def test_a_rotation_is_named_by_its_whole_id(
    app: Keyturn, programs: dict[Role, Program], parked: Rotation, rotation: str
) -> None:
    """A connection's name, or the beginning of an id, names no rotation here."""
    named = rotation.format(name=NAME, short=parked.id[:8])
    for method, path, body in (("GET", "", None), ("POST", "/abandon", BODY)):
        answer = programs[Role.OPERATOR].ask(method, f"/rotations/{named}{path}", body, If_Match=f'"{parked.version}"')
        assert answer.status_code in (404, 422)
    unchanged(app, parked)


def test_only_its_own_host(programs: dict[Role, Program]) -> None:
    """A name that someone else points at loopback gets nothing."""
    for host in ("example.com", "127.0.0.1", "localhost.example.com"):
        assert 421 == programs[Role.ADMINISTRATOR].get("/status", Host=host).status_code


def test_what_an_answer_says_of_itself(programs: dict[Role, Program], parked: Rotation) -> None:
    """Answers are not kept, not framed and not taken for something else, and say nothing of the server."""
    for path in ("/health", "/status", f"/rotations/{parked.id}/diagram", "/nowhere"):
        headers = programs[Role.VIEWER].get(path).headers
        assert ("no-store", "nosniff") == (headers["cache-control"], headers["x-content-type-options"])
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert "set-cookie" not in headers


def test_a_token_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is refused from the moment at which it expires or is revoked, and one that was made for another
    installation always.
    """
    with keyturn(tmp_path / "a", monkeypatch) as app, running_console(app) as console:
        program = Program(console.port, add_token(app, "short", Role.ADMINISTRATOR, days=1))
        other = Program(console.port, add_token(app, "other", Role.VIEWER))
        assert [200, 200] == [
            each.get("/tokens" if each is program else "/status").status_code for each in (program, other)
        ]
        assert 204 == program.ask("DELETE", "/tokens/other").status_code
        assert 401 == other.get("/status").status_code
        assert 404 == program.ask("DELETE", "/tokens/other").status_code
        assert isinstance(app.clock, OffsetClock)
        app.clock.ahead = timedelta(days=1)
        assert 401 == program.get("/status").status_code
        with keyturn(tmp_path / "b", monkeypatch) as another:
            foreign = Program(console.port, add_token(another, "foreign", Role.ADMINISTRATOR))
        assert 401 == foreign.get("/status").status_code
