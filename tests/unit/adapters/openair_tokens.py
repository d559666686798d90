"""A fake of OpenAir's token endpoint, and a fake store of the one secret that holds the tokens."""

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
        self.stored = (grant.to_bytes(), 1) if grant else None
        self._lock = threading.Lock()

    def get(self, name: str) -> tuple[bytes, int] | None:
        assert SECRET == name
        return self.stored

    def replace(self, name: str, value: bytes, version: int) -> int:
        assert SECRET == name
        with self._lock:
            if self.stored is None or self.stored[1] != version:
                raise Stale
            self.stored = (value, version + 1)
            return version + 1

    @property
    def grant(self) -> Grant:
        assert self.stored
        return Grant.from_bytes(self.stored[0])

    def put(self, grant: Grant) -> None:
        assert self.stored
        self.stored = (grant.to_bytes(), self.stored[1] + 1)


class FakeOpenAir:
    """A token endpoint that voids each refresh token when it is used. Calls `meanwhile` during each request."""

    answer_within = 20.0

    def __init__(self, *answers: Answer | KeyturnError) -> None:
        self.valid = "refresh-0"
        self.answers = list(answers)
        self.meanwhile: Callable[[], None] = lambda: None
        self.refresh_tokens_sent: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.redirect_uris: list[list[str]] = []

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
        self.redirect_uris.append(form.get("redirect_uri", []))
        self.refresh_tokens_sent.append(form["refresh_token"][0])
        self.meanwhile()
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, KeyturnError):
                raise answer
            return answer
        return self.serve(self.refresh_tokens_sent[-1])

    def serve(self, refresh_token: str) -> Answer:
        if refresh_token != self.valid:
            return VOID
        number = int(self.valid.partition("-")[2]) + 1
        self.valid = f"refresh-{number}"
        content = {"access_token": f"access-{number}", "refresh_token": self.valid, "expires_in": 3600}
        return Answer(200, {}, json.dumps(content).encode())


REFRESH_WITHIN = timedelta(seconds=FakeOpenAir.answer_within) + REFRESH_SPARE


def sign_in(
    openair: FakeOpenAir,
    secrets: FakeSecrets,
    clock: FakeClock | None = None,
    settings: OpenAirSettings = SETTINGS,
) -> OAuthSignIn:
    return OAuthSignIn(settings, "client secret", openair, secrets, clock or FakeClock())


def a_grant(number: int = 0, **changes: object) -> Grant:
    return Grant(**({"refresh_token": f"refresh-{number}"} | changes))
