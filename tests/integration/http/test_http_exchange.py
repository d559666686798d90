"""Requests and answers are unchanged, and nothing is sent to other hosts, through proxies or in cookies."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from integration.http.http_calls import client, post
from integration.http.scripted_server import Handler, ScriptedServer, read_request
from pytest_httpserver import HTTPServer
from support.polling import WAIT_LIMIT, until
from werkzeug import Request, Response

from orchestrator.adapters import http as http_module
from orchestrator.adapters.idle_connections import IdleConnections


def test_request_and_answer(httpserver: HTTPServer) -> None:
    """Path, query, headers and body arrive unchanged, and status, headers and body come back unchanged."""
    httpserver.expect_request(
        "/base/path", method="POST", query_string={"script": "a b"}, data=b"body", headers={"X-Own": "1"}
    ).respond_with_data(b"gone", status=410, headers={"X-Theirs": "2"})
    with client(httpserver.url_for("/base/")) as http:
        answer = http.post("/path", b"body", {"X-Own": "1"}, writes=True, query={"script": "a b"})
    assert (410, "2", b"gone") == (answer.status, answer.headers["x-theirs"], answer.body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(httpserver: HTTPServer, status: int) -> None:
    """A redirect is returned and not followed, so that no token or key is sent to another host."""
    httpserver.expect_request("/path").respond_with_data(b"", status=status, headers={"Location": "/elsewhere"})
    httpserver.expect_request("/elsewhere").respond_with_data(b"")
    assert status == post(httpserver.url_for("")).status
    assert ["/path"] == [request.path for request, _ in httpserver.log]


def test_environment_is_ignored(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The client ignores proxies and netrc files of the environment."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login another password another\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    httpserver.expect_request("/path").respond_with_json({})
    with client(httpserver.url_for("").replace("127.0.0.1", "localhost")) as http:
        http.post("/path", b"", {"Authorization": "Bearer mine"}, writes=False)
        http.post("/path", b"", {}, writes=False)
    assert ["Bearer mine", None] == [request.headers.get("Authorization") for request, _ in httpserver.log]


def test_no_cookies(httpserver: HTTPServer) -> None:
    """The client sends no cookie back."""
    httpserver.expect_request("/path").respond_with_data(b"", headers={"Set-Cookie": "session=1; Path=/"})
    with client(httpserver.url_for("")) as http:
        for _ in range(2):
            http.post("/path", b"", {}, writes=False)
    assert [None, None] == [request.headers.get("Cookie") for request, _ in httpserver.log]


def test_threads_may_share(httpserver: HTTPServer) -> None:
    """Many threads at once each get their own answer."""

    def echo(request: Request) -> Response:
        return Response(request.data)

    httpserver.expect_request("/path").respond_with_handler(echo)
    seen: dict[int, bytes] = {}
    with client(httpserver.url_for("")) as http:

        def call(number: int) -> None:
            seen[number] = http.post("/path", str(number).encode(), {}, writes=False).body

        threads = [threading.Thread(target=call, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {number: str(number).encode() for number in range(16)} == seen


def test_a_connection_is_closed_when_the_other_side_closed_it(
    serve: Callable[[Handler], ScriptedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without another call, long before it would be closed for being idle: no descriptor is left to a dead socket."""
    idle = IdleConnections(seconds=3600, look=0.01)
    monkeypatch.setattr(http_module, "IDLE", idle)
    closed = threading.Event()

    def answer_once(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1) == b"":
            closed.set()

    with client(serve(answer_once).url) as http:
        http.post("/path", b"", {}, writes=False)
        assert closed.wait(WAIT_LIMIT)
        until(lambda: idle._closer is None)
