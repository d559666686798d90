"""Several workers share one refresh token: it is never sent twice at the same time, and its result is never lost."""

import threading
from datetime import timedelta

import pytest
from support.advice import text
from support.clock import FakeClock
from support.factories import NOW
from unit.adapters.openair_tokens import REFRESH_WITHIN, VOID, FakeOpenAir, FakeSecrets, a_grant, sign_in

from orchestrator.adapters.openair_auth import Grant
from states.errors import SignInRefused, TryLater, Unknown


def test_refresh_is_announced_before_it_is_sent() -> None:
    """During a refresh the store holds a note in doubt, which remains if the worker dies."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    observed: list[Grant] = []
    openair.meanwhile = lambda: observed.append(secrets.grant)
    sign_in(openair, secrets).fields()
    assert [a_grant(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True)] == observed


def test_second_worker_waits() -> None:
    """During a refresh another worker sends nothing, retries after a second, and then uses the new token."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
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
    assert [] == second.refresh_tokens_sent


def test_many_workers_spend_each_refresh_token_once() -> None:
    """If eight workers refresh at the same time, one sends the refresh token."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    barrier = threading.Barrier(8)
    observed: list[str] = []

    def work() -> None:
        it = sign_in(openair, secrets)
        barrier.wait()
        while True:
            try:
                observed.append(it.fields()["access_token"])
            except TryLater:
                continue
            return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["access-1"] * 8 == observed
    assert ["refresh-0"] == openair.refresh_tokens_sent


def test_loser_of_the_race_sends_nothing() -> None:
    """A worker whose note loses the compare-and-set sends nothing."""
    openair = FakeOpenAir()

    class SecretsWithFasterWorker(FakeSecrets):
        def get(self, name: str) -> tuple[bytes, int] | None:
            found = super().get(name)
            self.put(a_grant(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True))
            return found

    with pytest.raises(TryLater):
        sign_in(openair, SecretsWithFasterWorker(a_grant())).fields()
    assert [] == openair.refresh_tokens_sent


def test_lost_answer_with_the_token_void() -> None:
    """After a lost answer the old token is tried again. If it is void, a person must consent, and learns why."""
    openair, secrets = FakeOpenAir(Unknown("lost")), FakeSecrets(a_grant())
    it = sign_in(openair, secrets)
    with pytest.raises(TryLater):
        it.fields()
    assert a_grant(in_doubt=True) == secrets.grant
    openair.serve("refresh-0")  # OpenAir carried out the refresh whose answer was lost
    with pytest.raises(SignInRefused, match="lost") as caught:
        it.fields()
    assert "consent in OpenAir again" in text(caught.value.next_action)
    assert ["refresh-0", "refresh-0"] == openair.refresh_tokens_sent


def test_lost_answer_with_the_token_still_good() -> None:
    """If the request was lost before it reached OpenAir, the old token works and no consent is needed."""
    openair, secrets = FakeOpenAir(Unknown("lost")), FakeSecrets(a_grant())
    it = sign_in(openair, secrets)
    with pytest.raises(TryLater):
        it.fields()
    assert {"access_token": "access-1"} == it.fields()
    assert secrets.grant.in_doubt is False


def test_dead_worker_is_replaced() -> None:
    """After the end of a dead worker's note, another worker refreshes and keeps the doubt."""
    note = a_grant(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True)
    openair, secrets, clock = FakeOpenAir(VOID), FakeSecrets(note), FakeClock()
    with pytest.raises(TryLater):
        sign_in(openair, secrets, clock).fields()
    clock.sleep(REFRESH_WITHIN.total_seconds())
    with pytest.raises(SignInRefused, match="lost"):
        sign_in(openair, secrets, clock).fields()
    assert a_grant(in_doubt=True) == secrets.grant


LONGEST = timedelta(minutes=6, seconds=30)
"""A call of two minutes, half a minute to store the tokens, and four minutes by which the clock may be ahead."""


def test_note_of_a_worker_with_a_fast_clock_is_respected() -> None:
    """A note that ends as late as another worker's settings and clock allow is respected."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant(refreshing_until=NOW + LONGEST, in_doubt=True))
    with pytest.raises(TryLater) as caught:
        sign_in(openair, secrets).fields()
    assert (NOW + LONGEST, []) == (caught.value.over_at, openair.refresh_tokens_sent)


@pytest.mark.parametrize("ahead", [LONGEST + timedelta(microseconds=1), timedelta(days=3)])
def test_note_of_a_wrong_clock_is_ignored(ahead: timedelta) -> None:
    """A note that ends later than any right clock allows is replaced, and the token is sent."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant(refreshing_until=NOW + ahead, in_doubt=True))
    observed: list[Grant] = []
    openair.meanwhile = lambda: observed.append(secrets.grant)
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    assert [a_grant(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True)] == observed
    assert (None, False) == (secrets.grant.refreshing_until, secrets.grant.in_doubt)


def test_note_of_a_wrong_clock_keeps_its_doubt() -> None:
    """If the worker that wrote the note had voided the token, a person must consent again, and learns why."""
    note = a_grant(refreshing_until=NOW + timedelta(days=3), in_doubt=True)
    openair, secrets = FakeOpenAir(VOID), FakeSecrets(note)
    with pytest.raises(SignInRefused, match="lost"):
        sign_in(openair, secrets).fields()
    assert a_grant(in_doubt=True) == secrets.grant


def test_late_answer_is_kept() -> None:
    """A worker that others took for dead still stores its new tokens, because the stored one is void."""
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    openair.meanwhile = lambda: secrets.put(a_grant(in_doubt=True))
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    assert (openair.valid, False) == (secrets.grant.refresh_token, secrets.grant.in_doubt)


def test_store_that_fails_briefly() -> None:
    """If the store fails, the worker retries; a write that succeeded in spite of the error is found."""

    class SecretsThatFailAfterWriting(FakeSecrets):
        def replace(self, name: str, value: bytes, version: int) -> int:
            done = super().replace(name, value, version)
            if Grant.from_bytes(value).access_token:
                raise OSError
            return done

    openair, secrets, clock = FakeOpenAir(), SecretsThatFailAfterWriting(a_grant()), FakeClock()
    assert {"access_token": "access-1"} == sign_in(openair, secrets, clock).fields()
    assert openair.valid == secrets.grant.refresh_token


def test_store_that_keeps_failing() -> None:
    """If the store keeps failing, its error is raised within 30 seconds, and the note stays with its doubt."""

    class SecretsThatFail(FakeSecrets):
        def replace(self, name: str, value: bytes, version: int) -> int:
            if Grant.from_bytes(value).access_token:
                raise OSError
            return super().replace(name, value, version)

    secrets, clock = SecretsThatFail(a_grant()), FakeClock()
    with pytest.raises(OSError):  # noqa: PT011 - raised unchanged, without a message
        sign_in(FakeOpenAir(), secrets, clock).fields()
    assert secrets.grant.in_doubt
    assert timedelta(seconds=5) < clock.now() - NOW < timedelta(seconds=30)


def test_new_consent_wins() -> None:
    """If a person consents again during a refresh, the new consent's tokens are used and kept."""
    consent = a_grant(9, access_token="access-9", expires_at=NOW + timedelta(hours=1))
    openair, secrets = FakeOpenAir(), FakeSecrets(a_grant())
    openair.meanwhile = lambda: secrets.put(consent)
    assert {"access_token": "access-9"} == sign_in(openair, secrets).fields()
    assert consent == secrets.grant
