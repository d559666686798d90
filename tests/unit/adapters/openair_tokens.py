"""OpenAir's token endpoint, and the one secret that the tokens are kept in, in memory."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import parse_qs

from support.clock import FakeClock

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_auth import SECRET, Grant, OAuthSignIn
from states.connection import OpenAirSettings
from states.errors import KeyturnError, Stale
from states.timing import REFRESH_SPARE

SETTINGS = OpenAirSettings(url="https://acme.app.openair.com", company="acme", user="keyturn", client_id="client")
VOID = Answer(400, {}, b'{"error": "invalid_grant"}')


class FakeSecrets:
    """One secret in memory, with the store's compare-and-set."""

    def __init__(self, grant: Grant | None) -> None:
        self.held = (grant.to_bytes(), 1) if grant else None
        self._lock = threading.Lock()

    def get(self, name: str) -> tuple[bytes, int] | None:
        assert SECRET == name
        return self.held

    def replace(self, name: str, value: bytes, version: int) -> int:
        assert SECRET == name
        with self._lock:
            if self.held is None or self.held[1] != version:
                raise Stale
            self.held = (value, version + 1)
            return version + 1

    @property
    def grant(self) -> Grant:
        assert self.held
        return Grant.from_bytes(self.held[0])

    def put(self, grant: Grant) -> None:
        assert self.held
        self.held = (grant.to_bytes(), self.held[1] + 1)


class FakeOpenAir:
    """A token endpoint that voids each refresh token with its use; `meanwhile` happens while a request is under way."""

    answer_within = 20.0

    def __init__(self, *answers: Answer | KeyturnError) -> None:
        self.valid = "refresh-0"
        self.answers = list(answers)
        self.meanwhile: Callable[[], None] = lambda: None
        self.asked: list[str] = []
        self.headers: Mapping[str, str] = {}

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        assert ("/login/oauth2/v1/token", True, None) == (path, writes, query)
        form = parse_qs(body.decode())
        assert ["refresh_token"] == form["grant_type"]
        self.headers = headers
        self.asked.append(form["refresh_token"][0])
        self.meanwhile()
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, KeyturnError):
                raise answer
            return answer
        return self.serve(self.asked[-1])

    def serve(self, refresh_token: str) -> Answer:
        if refresh_token != self.valid:
            return VOID
        number = int(self.valid.partition("-")[2]) + 1
        self.valid = f"refresh-{number}"
        content = {"access_token": f"access-{number}", "refresh_token": self.valid, "expires_in": 3600}
        return Answer(200, {}, json.dumps(content).encode())


REFRESH_WITHIN = timedelta(seconds=FakeOpenAir.answer_within) + REFRESH_SPARE


def sign_in(openair: FakeOpenAir, secrets: FakeSecrets, clock: FakeClock | None = None) -> OAuthSignIn:
    return OAuthSignIn(SETTINGS, "client secret", openair, secrets, clock or FakeClock())


def granted(number: int = 0, **changes: object) -> Grant:
    return Grant(**({"refresh_token": f"refresh-{number}"} | changes))
