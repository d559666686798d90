"""Sign-ins by OpenID Connect: taken once by the browser that began them, and not to be forged by who can write."""

from datetime import timedelta

import pytest
from contract.test_journal import tamper
from support.factories import NOW, an_openid_request, an_openid_session

from persistence import openid
from persistence.store import Store
from states.errors import JournalBroken

SESSION = an_openid_session()
REQUEST = an_openid_request()


@pytest.fixture
def signed_in(store: Store) -> Store:
    """A store with a person who is signed in, and another one who is at the provider."""
    store.openid_sessions.begin(SESSION, NOW)
    store.openid_requests.add(REQUEST, NOW)
    return store


def test_a_session_is_found(signed_in: Store) -> None:
    """A session is found by its cookie's hash as it was begun, until it is ended."""
    assert (SESSION, None) == (
        signed_in.openid_sessions.find(SESSION.digest),
        signed_in.openid_sessions.find("0" * 64),
    )
    for _ in range(2):
        signed_in.openid_sessions.end(SESSION.digest)
        assert signed_in.openid_sessions.find(SESSION.digest) is None


def test_the_sessions_of_a_person_end_together(signed_in: Store) -> None:
    """All sessions of one person are ended at once, and no one else's; one that was changed is not listed."""
    bob = an_openid_session(digest="1" * 64, actor="openid:bob@example.com")
    for each in (bob, an_openid_session(digest="2" * 64)):
        signed_in.openid_sessions.begin(each, NOW)
    assert [2, 0] == [signed_in.openid_sessions.end_all(SESSION.actor) for _ in range(2)]
    assert [bob] == signed_in.openid_sessions.all()
    tamper(signed_in, "UPDATE openidsessions SET role = 'administrator'")
    assert [] == signed_in.openid_sessions.all()


def test_what_is_over_is_removed(signed_in: Store) -> None:
    """A new session or request removes those that are over, and no other."""
    later = NOW + timedelta(minutes=10)
    signed_in.openid_requests.add(an_openid_request(state="1" * 64, expires_at=later + timedelta(minutes=10)), later)
    signed_in.openid_sessions.begin(an_openid_session(digest="1" * 64), later)
    assert signed_in.openid_requests.take(REQUEST.state, REQUEST.browser) is None
    assert SESSION == signed_in.openid_sessions.find(SESSION.digest)
    last = SESSION.expires_at
    signed_in.openid_sessions.begin(an_openid_session(digest="2" * 64, expires_at=last + timedelta(hours=12)), last)
    assert signed_in.openid_sessions.find(SESSION.digest) is None


def test_a_request_is_taken_once(signed_in: Store) -> None:
    """A request is taken by its state and its browser together, and once; another browser does not use it up."""
    for state, browser in ((REQUEST.state, "0" * 64), ("0" * 64, REQUEST.browser)):
        assert signed_in.openid_requests.take(state, browser) is None
    assert [REQUEST, None] == [signed_in.openid_requests.take(REQUEST.state, REQUEST.browser) for _ in range(2)]


def test_requests_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many requests the oldest ends."""
    monkeypatch.setattr(openid, "MOST_REQUESTS", 2)
    for number in range(4):
        store.openid_requests.add(
            an_openid_request(state=f"{number:064}", expires_at=NOW + timedelta(minutes=5 + number)), NOW
        )
    left = [store.openid_requests.take(f"{number:064}", REQUEST.browser) is not None for number in range(4)]
    assert [False, False, True, True] == left


@pytest.mark.parametrize(
    "change",
    [
        f"digest = '{'cd' * 32}'",
        "actor = 'openid:eve@example.com'",
        "role = 'administrator'",
        f"terms = '{'cd' * 32}'",
        "expires_at = '2030-01-01 00:00:00.000000'",
        "code = '1-00'",
    ],
)
def test_a_forged_session_signs_no_one_in(signed_in: Store, change: str) -> None:
    """A session whose row was changed is refused, and the check of the journal says so."""
    tamper(signed_in, f"UPDATE openidsessions SET {change}")  # noqa: S608 - the test's own words
    assert signed_in.openid_sessions.find("cd" * 32 if "digest" in change else SESSION.digest) is None
    with pytest.raises(JournalBroken, match=r"A session of openid:\w+@example.com was changed outside Keyturn"):
        signed_in.journal.verify()


@pytest.mark.parametrize(
    "change",
    [
        f"state = '{'cd' * 32}'",
        f"browser = '{'cd' * 32}'",
        "expires_at = '2030-01-01 00:00:00.000000'",
        "code = '1-00'",
    ],
)
def test_a_forged_request_begins_nothing(signed_in: Store, change: str) -> None:
    """A request whose row was changed is refused, and the check of the journal says so."""
    tamper(signed_in, f"UPDATE openidrequests SET {change}")  # noqa: S608 - the test's own words
    with pytest.raises(JournalBroken, match="A sign-in by OpenID Connect was changed outside Keyturn"):
        signed_in.journal.verify()
    state, browser = (
        "cd" * 32 if f"{name} = 'cd" in change else getattr(REQUEST, name) for name in ("state", "browser")
    )
    assert signed_in.openid_requests.take(state, browser) is None
