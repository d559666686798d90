"""Accounts and sessions: stored, ended together, and not to be forged by who can write the database."""

from datetime import timedelta

import pytest
from contract.test_journal import tamper
from support.factories import NOW, a_session, an_account

from persistence.store import Store
from states.access import OF_ACCOUNT, OF_ADDRESS, Bucket, Role
from states.errors import AlreadyExists, JournalBroken, LastAdministrator, NotFound, Tampered

ADA = an_account()
BOB = an_account(name="bob", role=Role.VIEWER)
SESSION = a_session()
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def with_ada(store: Store) -> Store:
    """A store with an administrator who is signed in."""
    store.accounts.add(ADA)
    assert store.sessions.begin(SESSION, NOW)
    return store


def test_an_account_is_found_by_its_name(store: Store) -> None:
    """An account is found as it was added, each name is given once, and no other name finds one."""
    assert not store.accounts.exist()
    store.accounts.add(ADA)
    assert (ADA, None) == (store.accounts.find("ada"), store.accounts.find("Ada"))
    with pytest.raises(AlreadyExists):
        store.accounts.add(an_account(role=Role.VIEWER))
    assert [(ADA, True)] == store.accounts.all()
    assert store.accounts.exist()


def test_a_session_is_found_with_its_account(with_ada: Store) -> None:
    """A session is found by its cookie's hash, with the account's role of this moment, until it is ended."""
    assert (SESSION, ADA) == with_ada.sessions.find(SESSION.digest)
    with_ada.accounts.add(an_account(name="bob"))
    with_ada.accounts.set_role("ada", Role.VIEWER)
    found = with_ada.sessions.find(SESSION.digest)
    assert found
    assert (SESSION, Role.VIEWER) == (found[0], found[1].role)
    for _ in range(2):
        with_ada.sessions.end(SESSION.digest)
        assert with_ada.sessions.find(SESSION.digest) is None


def test_sessions_that_are_over_are_removed(with_ada: Store) -> None:
    """A new session removes those that are over, and no other."""
    for number, hours in ((1, 1), (2, 13)):
        digest, end = f"{number:064}", NOW + timedelta(hours=hours)
        assert with_ada.sessions.begin(a_session(digest=digest, expires_at=end), NOW)
    assert with_ada.sessions.begin(a_session(digest="0" * 64), NOW + timedelta(hours=1))
    assert [True, False, True] == [
        with_ada.sessions.find(each) is not None for each in (SESSION.digest, f"{1:064}", f"{2:064}")
    ]


def test_another_password_ends_the_sessions(with_ada: Store) -> None:
    """With another password the sessions are gone, and none begins that was allowed by the one before."""
    with_ada.accounts.set_password("ada", "$argon2id$other", LATER)
    assert an_account(password="$argon2id$other", password_at=LATER) == with_ada.accounts.find("ada")
    assert with_ada.sessions.find(SESSION.digest) is None
    assert not with_ada.sessions.begin(SESSION, NOW)
    assert with_ada.sessions.begin(a_session(password_at=LATER), LATER)


def test_a_removed_account_signs_no_one_in(with_ada: Store) -> None:
    """A removed account has no session, begins none, and cannot be removed again."""
    with_ada.accounts.remove("ada", keeps_administrator=False)
    assert (None, None) == (with_ada.accounts.find("ada"), with_ada.sessions.find(SESSION.digest))
    assert not with_ada.sessions.begin(SESSION, NOW)
    for act in (
        lambda: with_ada.accounts.remove("ada", keeps_administrator=True),
        lambda: with_ada.accounts.set_role("ada", Role.VIEWER),
        lambda: with_ada.accounts.set_password("ada", "x", NOW),
    ):
        with pytest.raises(NotFound):
            act()


def test_an_administrator_is_left(with_ada: Store) -> None:
    """The last administrator is neither removed nor given another role, also not where another one is forged; a viewer
    can be removed.
    """
    with_ada.accounts.add(BOB)
    with_ada.accounts.add(an_account(name="eve"))
    tamper(with_ada, "UPDATE accounts SET code = '1-00' WHERE name = 'eve'")
    for act in (
        lambda: with_ada.accounts.remove("ada", keeps_administrator=True),
        lambda: with_ada.accounts.set_role("ada", Role.OPERATOR),
    ):
        with pytest.raises(LastAdministrator):
            act()
    with_ada.accounts.set_role("ada", Role.ADMINISTRATOR)
    with_ada.accounts.remove("bob", keeps_administrator=True)
    assert ["ada", "eve"] == [account.name for account, _ in with_ada.accounts.all()]


@pytest.mark.parametrize(
    "change",
    [
        "name = 'eve'",
        "role = 'viewer'",
        "password = '$argon2id$known'",
        "created_at = '2026-11-24 00:00:00.000000'",
        "created_by = 'eve'",
        "password_at = '2026-11-24 00:00:00.000000'",
        "code = '1-00'",
    ],
)
def test_a_forged_account_signs_no_one_in(with_ada: Store, change: str) -> None:
    """An account whose row was changed is refused, with its sessions; it is listed as changed and can be removed."""
    tamper(with_ada, f"UPDATE accounts SET {change}")  # noqa: S608 - the test's own words
    name = "eve" if change.startswith("name") else "ada"
    with pytest.raises(Tampered, match="was changed outside Keyturn"):
        with_ada.accounts.find(name)
    with pytest.raises(Tampered):
        with_ada.accounts.set_password(name, "x", LATER)
    assert with_ada.sessions.find(SESSION.digest) is None
    assert not with_ada.sessions.begin(a_session(digest="0" * 64, account=name), NOW)
    assert [False] == [is_authentic for _, is_authentic in with_ada.accounts.all()]
    with pytest.raises(JournalBroken, match=r"Account \w+ was changed outside Keyturn"):
        with_ada.journal.verify()
    with_ada.accounts.remove(name, keeps_administrator=False)
    assert [] == with_ada.accounts.all()


@pytest.mark.parametrize(
    "change",
    [
        f"digest = '{'cd' * 32}'",
        "account = 'bob'",
        "password_at = '2026-11-24 00:00:00.000000'",
        "expires_at = '2030-01-01 00:00:00.000000'",
        "code = '1-00'",
    ],
)
def test_a_forged_session_signs_no_one_in(with_ada: Store, change: str) -> None:
    """A session whose row was changed is refused, and the check of the journal says so."""
    with_ada.accounts.add(BOB)
    tamper(with_ada, f"UPDATE sessions SET {change}")  # noqa: S608 - the test's own words
    assert with_ada.sessions.find("cd" * 32 if "digest" in change else SESSION.digest) is None
    with pytest.raises(JournalBroken, match=r"A session of account \w+ was changed outside Keyturn"):
        with_ada.journal.verify()


def test_a_session_that_is_put_back_after_another_password(with_ada: Store) -> None:
    """A true row of a session that another password had ended signs no one in."""
    with_ada.accounts.set_password("ada", "$argon2id$other", LATER)
    with_ada.accounts.set_password("ada", "$argon2id$none", NOW)
    assert with_ada.sessions.begin(SESSION, NOW)
    tamper(with_ada, "CREATE TABLE kept AS SELECT * FROM sessions")
    with_ada.accounts.set_password("ada", "$argon2id$none", LATER)
    tamper(with_ada, "INSERT INTO sessions SELECT * FROM kept")
    assert with_ada.sessions.find(SESSION.digest) is None


@pytest.mark.parametrize("bucket", [OF_ACCOUNT, OF_ADDRESS])
def test_attempts_are_bounded(store: Store, bucket: Bucket) -> None:
    """So many attempts are allowed at once, then one after each interval; another key has its own, and one that
    succeeds is not counted.
    """
    waits = [store.attempts.take(bucket, "ada", NOW) for _ in range(bucket.size + 1)]
    assert [timedelta()] * bucket.size + [bucket.interval] == waits
    assert timedelta() == store.attempts.take(bucket, "bob", NOW)
    store.attempts.give_back(bucket, "ada")
    assert [timedelta(), bucket.interval] == [store.attempts.take(bucket, "ada", NOW) for _ in range(2)]
    later = NOW + bucket.interval
    assert [timedelta(), bucket.interval] == [store.attempts.take(bucket, "ada", later) for _ in range(2)]


def test_buckets_that_are_full_again_are_removed(store: Store) -> None:
    """However many names are tried, only those of the last hours are kept."""
    for number in range(3):
        store.attempts.take(OF_ACCOUNT, f"name{number}", NOW)
    store.attempts.take(OF_ACCOUNT, "another", NOW + OF_ACCOUNT.interval)
    with store._database.reading() as tx:
        assert 1 == tx.exec_driver_sql("SELECT count(*) FROM attempts").scalar()
