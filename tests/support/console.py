"""A console that serves in this process, and a person's requests to it over real HTTP."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from orchestrator.api.app import build
from orchestrator.bootstrap import Keyturn
from orchestrator.console import server
from orchestrator.console.demo_page import Faults
from orchestrator.operations.workers import Role

PASSWORD = "correct horse battery"
"""Of every account that a test adds."""


@dataclass
class RunningConsole:
    """A console's address, its link, and a person who may be signed in."""

    port: int
    link: str
    http: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return self.link.partition("/sign-in")[0]

    @property
    def token(self) -> str:
        """The one-time token of the link."""
        return parse_qs(urlsplit(self.link).query)["token"][0]

    def sign_in(self) -> None:
        """Follow the link."""
        self._keep(self.post("/sign-in", {"token": self.token}))

    def sign_in_as(self, name: str, password: str) -> None:
        """Sign in with a password."""
        self._keep(self.post("/sign-in", {"name": name, "password": password}))

    def another(self) -> "RunningConsole":
        """Another browser at the same console."""
        other = RunningConsole(self.port, self.link)
        other.http.trust_env = False
        return other

    def _keep(self, answer: requests.Response) -> None:
        """Keep the cookie by hand: requests sends no Secure cookie over plain HTTP."""
        assert 303 == answer.status_code, answer.text
        self.http.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.http.get(f"{self.url}{path}", headers=_hyphened(headers), allow_redirects=False, timeout=60)

    def text(self, path: str, status: int = 200) -> str:
        """What a page says, without its tags; it must be answered with this status."""
        answer = self.get(path)
        assert status == answer.status_code, answer.text
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())

    def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> requests.Response:
        """Post a form as this console's own page does, unless ``headers`` say otherwise."""
        own = {"Sec-Fetch-Site": "same-origin", **_hyphened(headers)}
        return self.http.post(
            f"{self.url}{path}",
            data=fields or {},
            headers={name: value for name, value in own.items() if value},
            allow_redirects=False,
            timeout=60,
        )


def _hyphened(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def running_console(
    app: Keyturn, actor: str = "ada", faults: Faults | None = None, port: int = 0
) -> Iterator[RunningConsole]:
    """Serve a console until the block ends, on a free port unless one is given; with ``faults``, the demo's."""
    listener, stop = server.listen("127.0.0.1", port), app.stop_request()
    links: list[str] = []
    is_ready = threading.Event()

    def ready(link: str) -> None:
        links.append(link)
        is_ready.set()

    thread = threading.Thread(
        target=server.serve, args=(app, listener, actor, stop, ready), kwargs={"api": build, "faults": faults}
    )
    thread.start()
    try:
        assert is_ready.wait(60), "the console did not start"
        running = RunningConsole(listener.getsockname()[1], links[0])
        with running.http:
            running.http.trust_env = False
            yield running
    finally:
        stop.set()
        thread.join()


@contextmanager
def running_worker(app: Keyturn) -> Iterator[None]:
    """Carry rotations in this process until the block ends."""
    stop = app.stop_request()
    with app.worker(stop, Role.WORKER, 1) as work:
        thread = threading.Thread(target=work.run, args=(1,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
