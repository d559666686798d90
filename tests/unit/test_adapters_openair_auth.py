"""Refresh tokens: never spent twice at once, never forgotten, replaced before they are used."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_auth import SECRET, SPARE, Grant, OAuthSignIn, PasswordSignIn
from states.connection import OpenAirSettings
from states.errors import KeyturnError, SignInRefused, Stale, Throttled, TryLater, Unknown, WrongBaseUrl

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SETTINGS = OpenAirSettings(url="https://acme.app.openair.com", company="acme", user="keyturn", client_id="client")
VOID = Answer(400, {}, b'{"error": "invalid_grant"}')


class FakeClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


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


REFRESH_WITHIN = timedelta(seconds=FakeOpenAir.answer_within) + SPARE


def sign_in(openair: FakeOpenAir, secrets: FakeSecrets, clock: FakeClock | None = None) -> OAuthSignIn:
    return OAuthSignIn(SETTINGS, "client secret", openair, secrets, clock or FakeClock())


def granted(number: int = 0, **changes: object) -> Grant:
    return Grant(**({"refresh_token": f"refresh-{number}"} | changes))


def test_first_sign_in_refreshes() -> None:
    """After a consent there is only a refresh token: it is spent, and both new tokens are stored."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    expected = granted(1, access_token="access-1", expires_at=NOW + timedelta(seconds=3600))
    assert expected == secrets.grant


def test_client_signs_in_by_http_basic() -> None:
    """The client's id and secret go into the Authorization header alone."""
    openair = FakeOpenAir()
    sign_in(openair, FakeSecrets(granted())).fields()
    assert f"Basic {base64.b64encode(b'client:client secret').decode()}" == openair.headers["Authorization"]


def test_new_process_spends_nothing() -> None:
    """The access token is stored beside the refresh token, so a restart need not refresh."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    expected = sign_in(openair, secrets).fields()
    assert expected == sign_in(openair, secrets).fields()
    assert ["refresh-0"] == openair.asked


def test_expired_token_is_refreshed() -> None:
    """A minute before the access token expires, the stored refresh token is spent, not the first one."""
    openair, secrets, clock = FakeOpenAir(), FakeSecrets(granted()), FakeClock()
    it = sign_in(openair, secrets, clock)
    seen = []
    for seconds in (0, 3539, 1):
        clock.sleep(seconds)
        seen.append(it.fields()["access_token"])
    assert ["access-1", "access-1", "access-2"] == seen
    assert ["refresh-0", "refresh-1"] == openair.asked


def test_rejected_token_is_refreshed_once_only() -> None:
    """Two callers whose access token was rejected share the one that is fetched in its place."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    it = sign_in(openair, secrets)
    rejected = it.fields()
    assert [{"access_token": "access-2"}] * 2 == [it.renewed(rejected), it.renewed(rejected)]


def test_refresh_is_announced_before_it_is_sent() -> None:
    """While a refresh is under way the store says so: a worker that dies now leaves its doubt behind."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    seen: list[Grant] = []
    openair.meanwhile = lambda: seen.append(secrets.grant)
    sign_in(openair, secrets).fields()
    assert [granted(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True)] == seen


def test_second_worker_waits() -> None:
    """While one worker refreshes, another spends nothing and looks again shortly; then it uses the new token."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    second = FakeOpenAir()
    waits: list[float | None] = []

    def meanwhile() -> None:
        with pytest.raises(TryLater) as caught:
            sign_in(second, secrets).fields()
        waits.append(caught.value.retry_after)

    openair.meanwhile = meanwhile
    expected = sign_in(openair, secrets).fields()
    assert expected == sign_in(second, secrets).fields()
    assert [1.0] == waits
    assert [] == second.asked


def test_many_workers_spend_each_refresh_token_once() -> None:
    """However many workers refresh at once, each refresh token is sent once."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    barrier = threading.Barrier(8)
    seen: list[str] = []

    def work() -> None:
        it = sign_in(openair, secrets)
        barrier.wait()
        while True:
            try:
                seen.append(it.fields()["access_token"])
            except TryLater:
                continue
            return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["access-1"] * 8 == seen
    assert ["refresh-0"] == openair.asked


def test_loser_of_the_race_sends_nothing() -> None:
    """When another worker's announcement came first, this one sends nothing."""
    openair = FakeOpenAir()

    class Overtaken(FakeSecrets):
        def get(self, name: str) -> tuple[bytes, int] | None:
            found = super().get(name)
            self.put(granted(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True))
            return found

    with pytest.raises(TryLater):
        sign_in(openair, Overtaken(granted())).fields()
    assert [] == openair.asked


def test_lost_answer_with_the_token_void() -> None:
    """When the answer was lost after the refresh took place, the old token is tried once more; then a person must
    consent again, and is told why.
    """
    openair, secrets = FakeOpenAir(Unknown("lost")), FakeSecrets(granted())
    it = sign_in(openair, secrets)
    with pytest.raises(TryLater):
        it.fields()
    assert granted(in_doubt=True) == secrets.grant
    openair.serve("refresh-0")  # OpenAir had carried it out
    with pytest.raises(SignInRefused, match="lost") as caught:
        it.fields()
    assert "Consent again" in caught.value.next_action
    assert ["refresh-0", "refresh-0"] == openair.asked


def test_lost_answer_with_the_token_still_good() -> None:
    """When the request was lost on its way there, the old token still counts, and nobody is asked."""
    openair, secrets = FakeOpenAir(Unknown("lost")), FakeSecrets(granted())
    it = sign_in(openair, secrets)
    with pytest.raises(TryLater):
        it.fields()
    assert {"access_token": "access-1"} == it.fields()
    assert secrets.grant.in_doubt is False


def test_dead_worker_is_followed() -> None:
    """A refresh that another worker never ended is taken over when its time is up, and the doubt is kept."""
    note = granted(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True)
    openair, secrets, clock = FakeOpenAir(VOID), FakeSecrets(note), FakeClock()
    with pytest.raises(TryLater):
        sign_in(openair, secrets, clock).fields()
    clock.sleep(REFRESH_WITHIN.total_seconds())
    with pytest.raises(SignInRefused, match="lost"):
        sign_in(openair, secrets, clock).fields()
    assert granted(in_doubt=True) == secrets.grant


def test_late_answer_is_kept() -> None:
    """A worker that was taken for dead still stores its new tokens: the other one could only spend a void token."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    openair.meanwhile = lambda: secrets.put(granted(in_doubt=True))
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    assert (openair.valid, False) == (secrets.grant.refresh_token, secrets.grant.in_doubt)


def test_store_that_is_away_for_a_moment() -> None:
    """The new tokens are nowhere else, so a store that fails is tried again; a write that had succeeded is found."""

    class Shaky(FakeSecrets):
        def replace(self, name: str, value: bytes, version: int) -> int:
            done = super().replace(name, value, version)
            if Grant.from_bytes(value).access_token:
                raise OSError
            return done

    openair, secrets, clock = FakeOpenAir(), Shaky(granted()), FakeClock()
    assert {"access_token": "access-1"} == sign_in(openair, secrets, clock).fields()
    assert openair.valid == secrets.grant.refresh_token


def test_store_that_stays_away() -> None:
    """A store that fails for good is told as such, within seconds; the note and its doubt stay behind."""

    class Broken(FakeSecrets):
        def replace(self, name: str, value: bytes, version: int) -> int:
            if Grant.from_bytes(value).access_token:
                raise OSError
            return super().replace(name, value, version)

    secrets, clock = Broken(granted()), FakeClock()
    with pytest.raises(OSError):  # noqa: PT011 - it passes as it is
        sign_in(FakeOpenAir(), secrets, clock).fields()
    assert secrets.grant.in_doubt
    assert timedelta(seconds=5) < clock.now() - NOW < timedelta(seconds=30)


def test_new_consent_wins() -> None:
    """When a person consents again while a refresh is under way, the new consent's tokens are used and kept."""
    consent = granted(9, access_token="access-9", expires_at=NOW + timedelta(hours=1))
    openair, secrets = FakeOpenAir(), FakeSecrets(granted())
    openair.meanwhile = lambda: secrets.put(consent)
    assert {"access_token": "access-9"} == sign_in(openair, secrets).fields()
    assert consent == secrets.grant


def test_void_token_without_doubt() -> None:
    """A refresh token that OpenAir no longer accepts needs a new consent."""
    openair, secrets = FakeOpenAir(VOID), FakeSecrets(granted())
    with pytest.raises(SignInRefused, match="void") as caught:
        sign_in(openair, secrets).fields()
    assert "lost" not in caught.value.message
    assert "Consent again" in caught.value.next_action


def test_wrong_client_needs_no_consent() -> None:
    """A wrong client secret spends no refresh token: the next action is to mend the secret."""
    openair, secrets = FakeOpenAir(Answer(401, {}, b'{"error": "invalid_client"}')), FakeSecrets(granted())
    with pytest.raises(SignInRefused) as caught:
        sign_in(openair, secrets).fields()
    assert "client secret" in caught.value.next_action
    assert granted() == secrets.grant


@pytest.mark.parametrize(
    ("answer", "expected", "in_doubt"),
    [
        (TryLater("not sent"), TryLater, False),
        (WrongBaseUrl("not sent"), WrongBaseUrl, False),
        (Answer(429, {"retry-after": "5"}, b""), Throttled, False),
        (Answer(302, {}, b""), WrongBaseUrl, False),
        (Answer(503, {}, b""), TryLater, True),
        (Answer(200, {}, b"<html>"), TryLater, True),
    ],
)
def test_refresh_without_tokens(answer: Answer | KeyturnError, expected: type[KeyturnError], *, in_doubt: bool) -> None:
    """What brings no tokens leaves the refresh token in place, in doubt where it may have been spent."""
    openair, secrets = FakeOpenAir(answer), FakeSecrets(granted())
    with pytest.raises(expected) as caught:
        sign_in(openair, secrets).fields()
    assert expected is type(caught.value)
    assert granted(in_doubt=in_doubt) == secrets.grant


def test_refresh_token_that_stays() -> None:
    """Where OpenAir sends no new refresh token, the old one is kept (RFC 6749 section 6)."""
    openair, secrets = FakeOpenAir(Answer(200, {}, b'{"access_token": "abc"}')), FakeSecrets(granted())
    assert {"access_token": "abc"} == sign_in(openair, secrets).fields()
    assert granted().refresh_token == secrets.grant.refresh_token


def test_no_consent_yet() -> None:
    """Without a stored refresh token the sign-in is refused, and the next action is to consent."""
    with pytest.raises(SignInRefused) as caught:
        sign_in(FakeOpenAir(), FakeSecrets(None)).fields()
    assert "Consent" in caught.value.next_action


def test_grant_survives_storing() -> None:
    """A grant is read back as it was stored."""
    grant = granted(access_token="a", expires_at=NOW, refreshing_until=NOW, in_doubt=True)
    assert [grant, granted()] == [Grant.from_bytes(it.to_bytes()) for it in (grant, granted())]


def test_grant_hides_its_tokens() -> None:
    """Neither token shows in repr."""
    text = repr(granted(access_token="opensesame"))
    assert "refresh-0" not in text
    assert "opensesame" not in text


def test_password_sign_in() -> None:
    """By password, the elements of Login are company, user and password, and there are no others to try."""
    it = PasswordSignIn(SETTINGS, "opensesame")
    assert {"company": "acme", "user": "keyturn", "password": "opensesame"} == it.fields()
    assert it.renewed(it.fields()) is None
    assert "opensesame" not in repr(it)
