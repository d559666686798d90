"""Tokens: stored as hashes, found by them, and not to be forged by who can write the database."""

from datetime import timedelta

import pytest
from contract.test_journal import tamper
from support.factories import NOW, a_token

from persistence.store import Store
from states.access import Role
from states.errors import AlreadyExists, JournalBroken, NotFound, Tampered

TOKEN = a_token()


def test_a_token_is_found_by_its_hash(store: Store) -> None:
    """A token is found as it was added, and no other hash finds one."""
    store.tokens.add(TOKEN)
    assert (TOKEN, None) == (store.tokens.find(TOKEN.digest), store.tokens.find("cd" * 32))
    assert [(TOKEN, True)] == store.tokens.all()


def test_a_name_is_given_once(store: Store) -> None:
    """A second token of the same name, or with the same secret, is refused, and the first one is as it was."""
    store.tokens.add(TOKEN)
    for other in (a_token(digest="cd" * 32, role=Role.ADMINISTRATOR), a_token(name="other")):
        with pytest.raises(AlreadyExists):
            store.tokens.add(other)
    assert [(TOKEN, True)] == store.tokens.all()


def test_a_removed_token_is_not_found(store: Store) -> None:
    """A removed token is not found, and cannot be removed again."""
    store.tokens.add(TOKEN)
    store.tokens.remove(TOKEN.name)
    assert store.tokens.find(TOKEN.digest) is None
    with pytest.raises(NotFound):
        store.tokens.remove(TOKEN.name)


def test_uses_are_noted_to_within_a_minute(store: Store) -> None:
    """The last use is stored at most once a minute; the token is accepted as before."""
    store.tokens.add(TOKEN)
    seen = []
    for seconds in (0, 59, 61):
        token = store.tokens.find(TOKEN.digest)
        assert token
        store.tokens.note_use(token, NOW + timedelta(seconds=seconds))
        seen.append(store.tokens.all()[0][0].used_at)
    assert [NOW, NOW, NOW + timedelta(seconds=61)] == seen


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
    with pytest.raises(Tampered, match="was changed outside Keyturn"):
        store.tokens.find("cd" * 32 if "digest" in change else TOKEN.digest)
    assert [False] == [is_authentic for _, is_authentic in store.tokens.all()]
    with pytest.raises(JournalBroken, match=r"Token \w+ was changed outside Keyturn"):
        store.journal.verify()


def test_the_last_use_is_not_covered(store: Store) -> None:
    """Who changes when a token was used last changes nothing about who is accepted."""
    store.tokens.add(TOKEN)
    tamper(store, "UPDATE tokens SET used_at = '2030-01-01 00:00:00.000000'")
    found = store.tokens.find(TOKEN.digest)
    assert found
    assert (TOKEN.role, TOKEN.expires_at) == (found.role, found.expires_at)
    store.journal.verify()
