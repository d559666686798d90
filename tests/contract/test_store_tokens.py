"""Tokens: stored as hashes, found by them, and not to be forged by who can write the database."""

from datetime import timedelta

import pytest
from contract.test_journal import tamper
from sqlalchemy.exc import IntegrityError
from support.factories import NOW, a_token

from persistence.store import Store
from states.access import Role
from states.errors import AlreadyExists, JournalBroken, NotFound, Tampered

TOKEN = a_token()
OTHER = a_token(name="other", digest="ef" * 32)


def test_a_token_is_found_by_its_hash(store: Store) -> None:
    """A token is found as it was added, and no other hash finds one."""
    store.tokens.add(TOKEN)
    assert (TOKEN, None) == (store.tokens.find(TOKEN.digest), store.tokens.find("cd" * 32))
    assert [(TOKEN, True)] == store.tokens.all()


def test_a_name_is_given_once(store: Store) -> None:
    """A second token of the same name, or with the same secret, is refused, and the first one is as it was."""
    store.tokens.add(TOKEN)
    for other in (a_token(digest="cd" * 32, role=Role.ADMINISTRATOR), a_token(name="other")):
        with pytest.raises(AlreadyExists, match=f"^There is a token {other.name} already[.]$") as caught:
            store.tokens.add(other)
        assert "Choose another name, or revoke that token first." == caught.value.next_action.because
        assert isinstance(caught.value.__cause__, IntegrityError)
    assert [(TOKEN, True)] == store.tokens.all()


def test_tokens_are_listed_by_name(store: Store) -> None:
    """A list has every token, by name; and each was never used."""
    added = [a_token(name=name, digest=name * 64) for name in "bca"]
    for each in added:
        store.tokens.add(each)
    assert [("a", None), ("b", None), ("c", None)] == [(each.name, each.used_at) for each, _ in store.tokens.all()]


def test_a_removed_token_is_not_found(store: Store) -> None:
    """A removed token is not found, and cannot be removed again."""
    store.tokens.add(TOKEN)
    store.tokens.remove(TOKEN.name)
    store.tokens.add(OTHER)
    assert store.tokens.find(TOKEN.digest) is None
    with pytest.raises(NotFound, match=r"^There is no token nightly\.$") as caught:
        store.tokens.remove(TOKEN.name)
    assert "See the list of tokens." == caught.value.next_action.because


def test_removing_a_token_leaves_the_others(store: Store) -> None:
    """Another token is found as before."""
    store.tokens.add(OTHER)
    store.tokens.add(TOKEN)
    store.tokens.remove(TOKEN.name)
    assert [(OTHER, True)] == store.tokens.all()


def test_uses_are_noted_to_within_a_minute(store: Store) -> None:
    """The last use is stored at most once a minute; the token is accepted as before."""
    store.tokens.add(TOKEN)
    store.tokens.add(OTHER)
    seen = []
    for seconds in (0, 59, 60):
        token = store.tokens.find(TOKEN.digest)
        assert token
        store.tokens.note_use(token, NOW + timedelta(seconds=seconds))
        seen.append(store.tokens.all()[0][0].used_at)
    assert [NOW, NOW, NOW + timedelta(seconds=60)] == seen
    # Another process read the token before its use was noted.
    store.tokens.note_use(TOKEN, NOW + timedelta(seconds=119))
    assert [NOW + timedelta(seconds=60), None] == [each.used_at for each, _ in store.tokens.all()]


@pytest.mark.parametrize(
    "change",
    [
        "name = 'another'",
        f"digest = '{'cd' * 32}'",
        "role = 'administrator'",
        "created_by = 'eve'",
        "created_at = '2026-11-24 00:00:00.000000'",
        "expires_at = '2027-06-01 00:00:00.000000'",
        "code = '1-00'",
    ],
)
def test_a_forged_token_is_not_accepted(store: Store, change: str) -> None:
    """A token whose row was changed is refused, listed as changed, and the check of the journal says so."""
    store.tokens.add(TOKEN)
    tamper(store, f"UPDATE tokens SET {change}")  # noqa: S608 - the test's own words
    with pytest.raises(Tampered, match="was changed outside Keyturn") as caught:
        store.tokens.find("cd" * 32 if "digest" in change else TOKEN.digest)
    assert "Revoke the token, and find out who can write the database." == caught.value.next_action.because
    assert [False] == [is_authentic for _, is_authentic in store.tokens.all()]
    with pytest.raises(JournalBroken, match=r"Token \w+ was changed outside Keyturn"):
        store.journal.verify()


def test_a_token_that_cannot_be_read_is_not_accepted(store: Store) -> None:
    """A row that Keyturn never writes is refused, and left out of the list."""
    store.tokens.add(TOKEN)
    tamper(store, "UPDATE tokens SET expires_at = '2036-11-24 00:00:00.000000'")
    with pytest.raises(Tampered):
        store.tokens.find(TOKEN.digest)
    assert [] == store.tokens.all()


def test_the_last_use_is_not_covered(store: Store) -> None:
    """Who changes when a token was used last changes nothing about who is accepted."""
    store.tokens.add(TOKEN)
    tamper(store, "UPDATE tokens SET used_at = '2030-01-01 00:00:00.000000'")
    found = store.tokens.find(TOKEN.digest)
    assert found
    assert (TOKEN.role, TOKEN.expires_at) == (found.role, found.expires_at)
    store.journal.verify()
