"""The console refuses what does not come from a signed-in person's own page, and what was decided on an older page."""

import socket
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from support.clock import OffsetClock
from support.console import RunningConsole, running_console
from support.environment import NAME, keyturn

from orchestrator.bootstrap import Keyturn
from orchestrator.console import app as application
from orchestrator.console import server
from orchestrator.console.access import ROUTES as ACCESS
from orchestrator.console.actions import OF_ROTATION
from orchestrator.console.guard import POLICY
from orchestrator.http_guard import MOST_BYTES
from orchestrator.site import Site
from states.errors import InvalidInput
from states.rotation import Rotation

OPEN = {route for route, role in ACCESS.items() if role is None}


@pytest.fixture(scope="module")
def ada(console: RunningConsole) -> RunningConsole:
    """The console as a person sees it who is signed in."""
    person = RunningConsole(console.port, console.link)
    person.http.trust_env = False
    person.sign_in()
    return person


def routes() -> list[tuple[str, str]]:
    """Every route of the application, with a path for each verb."""
    found = []
    probe = application.Console.__new__(application.Console)
    for route in _routes(probe):
        for method in sorted(route.methods & {"GET", "POST"}):
            verbs = [verb.value for verb in OF_ROTATION] if "{verb}" in route.path else [""]
            found += [(method, route.path.replace("{verb}", verb)) for verb in verbs]
    return found


def _routes(_probe: object) -> list[APIRoute]:
    class Nothing:
        site = Site("http://127.0.0.1:1", frozenset(), "cookie")
        sessions = None
        watcher = None
        faults = None

    guard: Any = application.build(Nothing())  # type: ignore[arg-type]
    return [each for each in guard._app.routes if isinstance(each, APIRoute)]


ROUTES = routes()
POSTS = [path for method, path in ROUTES if method == "POST"]


def filled(path: str, parked: Rotation) -> str:
    return path.replace("{rotation}", parked.id).replace("{name}", NAME)


def unchanged(app: Keyturn, parked: Rotation) -> None:
    """Assert that nothing was done with the connection or its rotation."""
    assert parked == app.rotations.show(NAME)
    assert 1 == len(list(app.lists.rotations().items))


def test_the_routes_are_found() -> None:
    """The routes that the tests go through are those of the application: reading, streams, verbs, sessions."""
    assert {("GET", "/"), ("GET", "/live/rotations/{rotation}"), ("POST", "/rotations/{rotation}/restore")} <= set(
        ROUTES
    )
    assert 23 == len(POSTS)
    served = {(method, route.path) for route in _routes(object()) for method in route.methods & {"GET", "POST"}}
    assert {route for route in ACCESS if route[1] != "/demo"} == served


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_needs_a_session(
    app: Keyturn, console: RunningConsole, parked: Rotation, method: str, path: str
) -> None:
    """Without a session a route answers 401 and nothing of what is stored; only signing in and the files are open."""
    answers = [console.get(filled(path, parked)) if method == "GET" else console.post(filled(path, parked))]
    if method == "GET":
        answers.append(console.get(filled(path, parked), Cookie=f"__Host-keyturn-{console.port}=wrong"))
    for answer in answers:
        if (method, path) in OPEN:
            assert answer.status_code in (200, 401, 404, 422)
        else:
            assert HTTPStatus.UNAUTHORIZED == answer.status_code
        assert parked.id not in answer.text.replace(filled(path, parked), "")
        assert POLICY == answer.headers["content-security-policy"]
    unchanged(app, parked)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "origin",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Site": ""},
        {"Sec_Fetch_Site": "", "Origin": "null"},
        {"Sec_Fetch_Site": "", "Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "", "Origin": "https://example.com"},
    ],
    ids=str,
)
def test_every_post_needs_the_proof_that_it_is_ours(
    app: Keyturn, ada: RunningConsole, parked: Rotation, path: str, origin: dict[str, str]
) -> None:
    """A form that another page posted with this person's cookie is refused, with any fields."""
    fields = {"version": parked.version, "reason": "x", "follows": parked.id, "on_refusal": "park"}
    assert HTTPStatus.FORBIDDEN == ada.post(filled(path, parked), fields, **origin).status_code
    unchanged(app, parked)


def test_a_browser_without_fetch_metadata(app: Keyturn, ada: RunningConsole, parked: Rotation) -> None:
    """Where a browser does not send Sec-Fetch-Site, the Origin of this console's own page is proof enough."""
    path = f"/rotations/{parked.id}/resume"
    answer = ada.post(path, {"version": parked.version + 1, "reason": "x"}, Sec_Fetch_Site="", Origin=ada.url)
    assert HTTPStatus.PRECONDITION_FAILED == answer.status_code
    unchanged(app, parked)


@pytest.mark.parametrize("path", [path for path in POSTS if "{rotation}" in path])
def test_a_decision_on_an_older_page_is_refused(app: Keyturn, ada: RunningConsole, parked: Rotation, path: str) -> None:
    """A verb with another version than the rotation has, or with none, changes nothing."""
    fields = {"reason": "x", "fingerprint": "00"}
    older = ada.post(filled(path, parked), {**fields, "version": parked.version - 1})
    missing = ada.post(filled(path, parked), fields)
    assert [HTTPStatus.PRECONDITION_FAILED, HTTPStatus.UNPROCESSABLE_ENTITY] == [
        older.status_code,
        missing.status_code,
    ]
    assert "Look again" in older.text
    unchanged(app, parked)


def test_a_rotation_is_not_requested_twice(app: Keyturn, ada: RunningConsole, parked: Rotation) -> None:
    """The form that begins a rotation is refused while one is open, and where it is not complete."""
    path, fields = f"/connections/{NAME}/rotate", {"reason": "x", "follows": parked.id, "on_refusal": "park"}
    assert HTTPStatus.CONFLICT == ada.post(path, fields).status_code
    for missing in fields:
        given = {name: value for name, value in fields.items() if name != missing}
        assert HTTPStatus.UNPROCESSABLE_ENTITY == ada.post(path, given).status_code
    unchanged(app, parked)


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "127.0.0.1:1", "localhost.example.com:{port}"])
def test_only_its_own_host(ada: RunningConsole, host: str) -> None:
    """A name that someone else points at loopback gets nothing, though the browser sends the cookie for it."""
    answer = ada.get("/", Host=host.format(port=ada.port))
    assert HTTPStatus.MISDIRECTED_REQUEST == answer.status_code
    assert NAME not in answer.text


def test_what_another_page_loads(ada: RunningConsole) -> None:
    """Another page can link to a page, and cannot load one, nor a stream."""
    for path in ("/", f"/connections/{NAME}", "/live/"):
        for site in ("cross-site", "same-site"):
            answer = ada.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
            assert HTTPStatus.FORBIDDEN == answer.status_code
    linked = ada.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert HTTPStatus.OK == linked.status_code


def test_other_methods(ada: RunningConsole) -> None:
    """PUT, DELETE and the rest are not known."""
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = ada.http.request(method, f"{ada.url}/", headers={"Sec-Fetch-Site": "same-origin"}, timeout=60)
        assert HTTPStatus.METHOD_NOT_ALLOWED == answer.status_code


def test_a_long_body(app: Keyturn, ada: RunningConsole, parked: Rotation) -> None:
    """A body that is too long is refused, whether it says how long it is or not."""
    path, body = f"/rotations/{parked.id}/resume", b"reason=" + b"x" * MOST_BYTES
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    for data in (body, iter([body[:100], body[100:]])):
        answer = ada.http.post(f"{ada.url}{path}", data=data, headers=form, timeout=60)
        assert HTTPStatus.REQUEST_ENTITY_TOO_LARGE == answer.status_code
    unchanged(app, parked)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"version": 1}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"version=%ff"),
        ("application/x-www-form-urlencoded", b"version=1&version=2"),
    ],
)
def test_a_malformed_body(app: Keyturn, ada: RunningConsole, parked: Rotation, kind: str, body: bytes) -> None:
    """A body that is no readable form is refused with a clear sentence."""
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    answer = ada.http.post(f"{ada.url}/rotations/{parked.id}/resume", data=body, headers=headers, timeout=60)
    assert HTTPStatus.UNPROCESSABLE_ENTITY == answer.status_code
    assert "INVALID_INPUT" in answer.text
    unchanged(app, parked)


def test_the_headers_of_a_page(ada: RunningConsole, parked: Rotation) -> None:
    """A page is not kept, not framed, loads nothing from elsewhere, and has no script or style of its own."""
    for path in ("/", "/connections", f"/connections/{NAME}", f"/rotations/{parked.id}", "/nowhere"):
        answer = ada.get(path)
        assert (POLICY, "no-store", "nosniff") == tuple(
            answer.headers[name] for name in ("content-security-policy", "cache-control", "x-content-type-options")
        )
        assert "unsafe-inline" not in POLICY
        assert [] == [each for each in ("style=", "onclick=", "<style", "<script>", "//cdn") if each in answer.text]
        assert "server" not in answer.headers


def test_signing_in_and_out(app: Keyturn) -> None:
    """The link works once; its page alone does not use it up; the cookie is this host's, and no script reads it."""
    with running_console(app) as console:
        for _ in range(2):
            assert HTTPStatus.OK == console.get(f"/sign-in?token={console.token}").status_code
        answer = console.post("/sign-in", {"token": console.token})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-keyturn-{console.port}=")
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert HTTPStatus.UNAUTHORIZED == console.post("/sign-in", {"token": console.token}).status_code
        console.http.headers["Cookie"] = cookie.partition(";")[0]
        assert HTTPStatus.OK == console.get("/").status_code
        assert HTTPStatus.SEE_OTHER == console.post("/sign-out").status_code
        assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code


def test_a_session_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session ends after twelve hours, and is another console's never."""
    with keyturn(tmp_path, monkeypatch) as app, running_console(app) as console, running_console(app) as other:
        console.sign_in()
        assert HTTPStatus.OK == console.get("/").status_code
        stolen = str(console.http.headers["Cookie"])
        for cookie in (stolen, stolen.replace(str(console.port), str(other.port))):
            assert HTTPStatus.UNAUTHORIZED == other.get("/", Cookie=cookie).status_code
        assert isinstance(app.clock, OffsetClock)
        app.clock.ahead = timedelta(hours=12)
        assert HTTPStatus.UNAUTHORIZED == console.get("/").status_code


def test_a_port_that_is_in_use() -> None:
    """A port that is in use, or is none, is refused in words."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidInput, match="port"):
        server.listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InvalidInput, match="0 to 65535"):
        server.listen("127.0.0.1", 70000)


def test_what_a_person_wrote_is_escaped(app: Keyturn, ada: RunningConsole, parked: Rotation) -> None:
    """What a page's address holds is shown as text, in the page and in its stream's address."""
    evil = '"><script>alert(1)</script>'
    for path in ("/rotations", "/connections"):
        answer = ada.http.get(f"{ada.url}{path}", params={"q": evil}, timeout=60)
        assert HTTPStatus.OK == answer.status_code
        assert "<script>alert" not in answer.text
    unchanged(app, parked)
