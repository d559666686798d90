"""Several workers with one refresh token, some of them lost: it is never spent twice at once, and never forgotten."""

import threading
from datetime import timedelta

import pytest
from support.advice import text
from support.clock import FakeClock
from support.factories import NOW
from unit.adapters.openair_tokens import REFRESH_WITHIN, VOID, FakeOpenAir, FakeSecrets, granted, sign_in

from orchestrator.adapters.openair_auth import Grant
from states.errors import SignInRefused, TryLater, Unknown


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
    assert "Consent again" in text(caught.value.next_action)
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


LONGEST = timedelta(minutes=6, seconds=30)
"""A call of two minutes, the spare half, and four minutes by which the other's clock may be ahead."""


def test_note_of_a_slower_worker_is_waited_for() -> None:
    """Another worker may have set it so far ahead, by its own settings and its own clock: it may be at it."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted(refreshing_until=NOW + LONGEST, in_doubt=True))
    with pytest.raises(TryLater) as caught:
        sign_in(openair, secrets).fields()
    assert (NOW + LONGEST, []) == (caught.value.over_at, openair.asked)


@pytest.mark.parametrize("ahead", [LONGEST + timedelta(microseconds=1), timedelta(days=3)])
def test_note_of_a_wrong_clock_counts_as_run_out(ahead: timedelta) -> None:
    """Nobody sets one so far ahead by a right clock: the token is tried, and announced anew by a right one."""
    openair, secrets = FakeOpenAir(), FakeSecrets(granted(refreshing_until=NOW + ahead, in_doubt=True))
    seen: list[Grant] = []
    openair.meanwhile = lambda: seen.append(secrets.grant)
    assert {"access_token": "access-1"} == sign_in(openair, secrets).fields()
    assert [granted(refreshing_until=NOW + REFRESH_WITHIN, in_doubt=True)] == seen
    assert (None, False) == (secrets.grant.refreshing_until, secrets.grant.in_doubt)


def test_note_of_a_wrong_clock_leaves_its_doubt() -> None:
    """Where the worker that set it had spent the token, a person must consent again, and is told why."""
    note = granted(refreshing_until=NOW + timedelta(days=3), in_doubt=True)
    openair, secrets = FakeOpenAir(VOID), FakeSecrets(note)
    with pytest.raises(SignInRefused, match="lost"):
        sign_in(openair, secrets).fields()
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
