"""A program's requests to the API, over real HTTP."""

from dataclasses import dataclass, field
from typing import Any

import requests

from orchestrator.bootstrap import Keyturn
from states.access import Role

PREFIX = "/api/v1"


def add_token(app: Keyturn, name: str, role: Role, *, days: int = 30) -> str:
    """Make a token, and return its secret."""
    return app.tokens.add(name, role, days=days, actor="ada").secret


@dataclass
class Program:
    """A program with a token, or without one."""

    port: int
    secret: str = ""
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.trust_env = False

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Send a request below the API's path; ``headers`` by their names, with hyphens for underscores."""
        given = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{PREFIX}{path}"
        return self.http.request(method, url, json=body, headers=given, allow_redirects=False, timeout=60)

    def stream(self, path: str) -> requests.Response:
        """What is at ``path``, while it comes."""
        url = f"http://127.0.0.1:{self.port}{PREFIX}{path}"
        return self.http.get(url, headers={"Authorization": f"Bearer {self.secret}"}, stream=True, timeout=60)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.ask("GET", path, **headers)

    def tag(self, path: str) -> str:
        """The ETag of what is at ``path``."""
        answer = self.get(path)
        assert 200 == answer.status_code, answer.text
        return str(answer.headers["etag"])
