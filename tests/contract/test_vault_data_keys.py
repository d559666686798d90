"""The data keys of the vault: one that seals nothing any more is retired, and seals nothing again."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from support.factories import NOW, a_candidate, begin, next_move
from support.stores import KEK

from persistence.kek import KeyEncryptionKey, aes_gcm
from persistence.store import Store
from persistence.vault import Vault, WrappedKey
from states.errors import DataKeyRetired, SealBroken
from states.state import State

OTHER = KeyEncryptionKey(b"o" * 32)
SECRET = b"-----BEGIN PRIVATE KEY-----"


def sealed_token(vault: Vault) -> bytes:
    """A secret of the store's connection."""
    return vault.seal(SECRET, owner="acme", column="token")


def test_a_data_key_is_retired_once_it_seals_nothing(vault: Vault, store: Store) -> None:
    """While the older key sealed a secret or a private key it stays; then only its authentication key is left."""
    before = sealed_token(vault)
    store.secrets.put("acme", "token", before, version=None)
    code = vault.authenticate(b"content")
    newest = vault.renew()
    assert [("acme", "token", before)] == [
        (each.owner, each.name, each.sealed) for each in store.secrets.older_secrets(newest, 9)
    ]
    assert not vault.retire(newest, NOW)
    store.secrets.reseal_secret(store.secrets.older_secrets(newest, 9)[0], sealed_token(vault))
    assert vault.retire(newest, NOW)
    assert [NOW, None] == [key.retired_at for key in store.secrets.data_keys()]
    fresh = Vault(store.secrets, lambda: KEK)
    assert fresh.is_authentic(b"content", code)
    with pytest.raises(SealBroken, match="data key 1 is missing from the database, or was retired"):
        fresh.open(before, owner="acme", column="token")


def test_a_private_key_keeps_its_data_key(vault: Vault, store: Store) -> None:
    """The private key of a rotation's candidate is found by its rotation, and is sealed again."""
    claim = begin(store, State.REQUESTED)
    candidate = replace(a_candidate(), sealed_key=vault.seal(SECRET, owner=claim.rotation.id, column="key"))
    store.rotations.advance(claim, next_move(claim.rotation, candidate=candidate), event="generate_key", detail={})
    newest = vault.renew()
    assert not vault.retire(newest, NOW)
    (found,) = store.secrets.older_private_keys(newest, 9)
    assert (claim.rotation.id, candidate.sealed_key) == (found.owner, found.sealed)
    store.secrets.reseal_private_key(found, vault.seal(SECRET, owner=found.owner, column="key"))
    assert [] == store.secrets.older_private_keys(newest, 9)
    assert vault.retire(newest, NOW)


def test_nothing_is_stored_that_a_retired_key_sealed(vault: Vault, store: Store) -> None:
    """A worker that sealed a secret or a private key before the change of the data key cannot store it after it."""
    claim = begin(store, State.REQUESTED)
    candidate = replace(a_candidate(), sealed_key=vault.seal(SECRET, owner=claim.rotation.id, column="key"))
    late = sealed_token(vault)
    assert vault.retire(vault.renew(), NOW)
    with pytest.raises(DataKeyRetired):
        store.secrets.put("acme", "token", late, version=None)
    with pytest.raises(DataKeyRetired):
        store.rotations.advance(claim, next_move(claim.rotation, candidate=candidate), event="generate_key", detail={})
    assert None is store.secrets.get("acme", "token")
    assert State.REQUESTED == store.rotations.get(claim.rotation.id).state


def test_an_interrupted_change_makes_no_third_key(vault: Vault) -> None:
    """The newest of two keys in use is the one that an interrupted change made."""
    vault.unlock()
    assert [2, 2] == [vault.renew(), vault.renew()]
    assert vault.retire(2, NOW)
    assert 3 == vault.renew()


def test_retired_keys_are_wrapped_again_too(vault: Vault, store: Store) -> None:
    """After both keys were changed, codes of the first data key are still authentic."""
    code = vault.authenticate(b"content")
    vault.retire(vault.renew(), NOW)
    assert 2 == vault.rewrap(OTHER)
    assert Vault(store.secrets, lambda: OTHER).is_authentic(b"content", code)


def test_a_retired_key_does_not_seal_again(vault: Vault, store: Store) -> None:
    """Without its mark, what is left of a retired data key does not open: it is never taken for a data key."""
    vault.unlock()
    vault.retire(vault.renew(), NOW)
    with store._database.writing() as tx:
        tx.execute(text("UPDATE datakeys SET retired_at = NULL"))
    with pytest.raises(SealBroken):
        Vault(store.secrets, lambda: KEK).check()


def test_a_key_that_was_wrapped_with_gcm_opens(store: Store) -> None:
    """A data key as an earlier checkout wrapped it opens, and the next change of the key-encryption key rewrites it."""
    wrapped = bytes(12) + aes_gcm(b"k" * 32).encrypt(bytes(12), b"d" * 32, b"keyturn data key 1")
    store.secrets.add_data_key(WrappedKey(1, KEK.id, wrapped))
    sealed = sealed_token(Vault(store.secrets, lambda: KEK))
    Vault(store.secrets, lambda: KEK).rewrap(OTHER)
    assert SECRET == Vault(store.secrets, lambda: OTHER).open(sealed, owner="acme", column="token")
    assert [40] == [len(key.wrapped) for key in store.secrets.data_keys()]


def test_a_slow_change_leaves_a_newer_key_alone(vault: Vault, store: Store) -> None:
    """A change of the data key that another one has overtaken neither seals again what the newer key sealed nor retires
    that key.
    """
    vault.unlock()
    assert vault.retire(vault.renew(), NOW)
    assert 3 == vault.renew()
    store.secrets.put("acme", "token", sealed_token(vault), version=None)
    assert [] == store.secrets.older_secrets(2, 9)
    assert vault.retire(2, NOW)
    assert [NOW, None, None] == [key.retired_at for key in store.secrets.data_keys()]
    found = store.secrets.get("acme", "token")
    assert found
    assert SECRET == Vault(store.secrets, lambda: KEK).open(found[0], owner="acme", column="token")
