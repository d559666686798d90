"""Secrets that are stored once."""

import pytest
from support.factories import a_connection

from persistence.store import Store
from states.errors import NotFound, Stale


def test_only_one_worker_stores_a_missing_secret(store: Store) -> None:
    """With version 0 a secret is stored where there is none; the second worker gets Stale, and replaces nothing."""
    name = a_connection().name
    sealed = [store.vault.seal(each, owner=name, column="draft") for each in (b"first", b"second")]
    assert 1 == store.secrets.put(name, "draft", sealed[0], version=0)
    with pytest.raises(Stale):
        store.secrets.put(name, "draft", sealed[1], version=0)
    assert (sealed[0], 1) == store.secrets.get(name, "draft")
    assert 2 == store.secrets.put(name, "draft", sealed[1], version=1)


def test_a_secret_needs_a_connection(store: Store) -> None:
    """A secret of a connection that is not there is not stored."""
    sealed = store.vault.seal(b"first", owner="other", column="draft")
    with pytest.raises(NotFound):
        store.secrets.put("other", "draft", sealed, version=0)
