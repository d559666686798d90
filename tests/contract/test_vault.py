"""The vault: what it seals opens only where it belongs, and only with the right key-encryption key."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text
from support.stores import KEK

from persistence.kek import KeyEncryptionKey
from persistence.store import Store
from persistence.vault import Vault, WrappedKey
from states.errors import SealBroken, Stale, VaultLocked
from states.next_action import Verb

OTHER = KeyEncryptionKey(b"o" * 32)
SECRET = b"-----BEGIN PRIVATE KEY-----"


def test_what_is_sealed_opens(vault: Vault, store: Store) -> None:
    """The same secret comes back, in this process and in the next, and the sealed form tells nothing of it."""
    sealed = vault.seal(SECRET, owner="01J", column="key")
    assert SECRET == vault.open(sealed, owner="01J", column="key")
    assert SECRET == Vault(store.secrets, lambda: KEK).open(sealed, owner="01J", column="key")
    assert SECRET not in sealed
    assert sealed != vault.seal(SECRET, owner="01J", column="key"), "each sealing has its own nonce"


@pytest.mark.parametrize(("owner", "column"), [("01K", "key"), ("01J", "token"), ('01J", "key', ""), ("", "01Jkey")])
def test_a_secret_opens_only_where_it_belongs(vault: Vault, owner: str, column: str) -> None:
    """Copied to another record or another column, a sealed secret does not open."""
    sealed = vault.seal(SECRET, owner="01J", column="key")
    with pytest.raises(SealBroken, match="belongs to another record"):
        vault.open(sealed, owner=owner, column=column)


def test_every_bit_is_sealed(vault: Vault) -> None:
    """One flipped bit anywhere, in the header too, and a secret does not open."""
    sealed = vault.seal(b"x", owner="01J", column="key")
    for place in range(len(sealed)):
        flipped = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            vault.open(flipped, owner="01J", column="key")


@pytest.mark.parametrize("length", [0, 1, 16, 17, 32])
def test_what_was_cut_off_does_not_open(vault: Vault, length: int) -> None:
    """An erased or truncated secret is a clear error, not a crash."""
    sealed = vault.seal(b"x", owner="01J", column="key")
    with pytest.raises(SealBroken, match="key of 01J"):
        vault.open(sealed[:length], owner="01J", column="key")


def test_the_wrong_key_is_recognized(vault: Vault, store: Store) -> None:
    """With another key-encryption key nothing is sealed, opened or checked; the error names both by id."""
    sealed = vault.seal(SECRET, owner="01J", column="key")
    wrong = Vault(store.secrets, lambda: OTHER)
    for do in (
        wrong.check,
        lambda: wrong.open(sealed, owner="01J", column="key"),
        lambda: wrong.seal(SECRET, owner="01J", column="key"),
        lambda: wrong.rewrap(KEK),
    ):
        with pytest.raises(VaultLocked, match=f"{KEK.id}.*{OTHER.id}"):
            do()
    assert SECRET == vault.open(sealed, owner="01J", column="key")


def test_checking_changes_nothing(vault: Vault, store: Store) -> None:
    """A check needs the key-encryption key even where nothing is sealed yet, and makes no data key."""
    vault.check()
    assert [] == store.secrets.data_keys()
    vault.seal(SECRET, owner="01J", column="key")
    vault.check()

    def missing() -> KeyEncryptionKey:
        raise VaultLocked("There is none.")

    with pytest.raises(VaultLocked, match="There is none"):
        Vault(store.secrets, missing).check()


def test_the_key_encryption_key_is_read_when_it_is_needed(store: Store) -> None:
    """Making a vault reads no key: what needs no secret works without one."""

    def missing() -> KeyEncryptionKey:
        raise AssertionError

    Vault(store.secrets, missing)


def test_the_first_use_makes_one_data_key(store: Store) -> None:
    """However many processes seal at once for the first time, one data key is made, and opens what they all sealed."""
    together = threading.Barrier(4)
    sealed: list[bytes] = []

    def seal() -> None:
        vault = Vault(store.secrets, lambda: KEK)
        together.wait()
        sealed.append(vault.seal(SECRET, owner="01J", column="key"))

    _at_once([seal] * 4)
    assert 1 == len(store.secrets.data_keys())
    assert [SECRET] * 4 == [Vault(store.secrets, lambda: KEK).open(blob, owner="01J", column="key") for blob in sealed]


def test_rewrapping_changes_the_key_and_no_record(vault: Vault, store: Store) -> None:
    """After a rewrap the new key-encryption key opens what was sealed before, byte for byte; the old one nothing."""
    sealed = vault.seal(SECRET, owner="acme", column="token")
    store.secrets.put("acme", "token", sealed, version=None)
    assert 1 == vault.rewrap(OTHER)
    assert (sealed, 1) == store.secrets.get("acme", "token")
    assert SECRET == Vault(store.secrets, lambda: OTHER).open(sealed, owner="acme", column="token")
    with pytest.raises(VaultLocked):
        Vault(store.secrets, lambda: KEK).open(sealed, owner="acme", column="token")


def test_a_vault_that_was_checked_goes_on(vault: Vault, store: Store) -> None:
    """A worker that checked its vault at the start goes on sealing and opening when its key-encryption key is gone."""
    sealed = vault.seal(SECRET, owner="01J", column="key")
    keys = iter([KEK])
    running = Vault(store.secrets, lambda: next(keys))
    running.check()
    vault.rewrap(OTHER)
    assert SECRET == running.open(sealed, owner="01J", column="key")
    again = running.seal(SECRET, owner="01J", column="key")
    assert SECRET == Vault(store.secrets, lambda: OTHER).open(again, owner="01J", column="key")


def test_rewrapping_is_all_or_nothing(vault: Vault, store: Store) -> None:
    """Where one data key cannot be unwrapped, none is changed."""
    vault.seal(SECRET, owner="01J", column="key")
    store.secrets.add_data_key(WrappedKey(2, KEK.id, b"corrupt".ljust(60)))
    before = store.secrets.data_keys()
    with pytest.raises(SealBroken, match="corrupt"):
        vault.rewrap(OTHER)
    assert before == store.secrets.data_keys()


def test_an_empty_vault_has_nothing_to_rewrap(vault: Vault) -> None:
    """Rewrapping before anything was sealed does nothing."""
    assert 0 == vault.rewrap(OTHER)


def test_sealing_goes_on_during_a_rewrap(vault: Vault, store: Store) -> None:
    """What other threads seal and open while the key is changed back and forth stays readable."""
    sealed = [vault.seal(SECRET, owner="01J", column="key")]
    ended = threading.Event()

    def seal() -> None:
        while not ended.is_set():
            sealed.append(vault.seal(SECRET, owner="01J", column="key"))
            assert SECRET == vault.open(sealed[-1], owner="01J", column="key")

    def rewrap() -> None:
        for _ in range(5):
            Vault(store.secrets, lambda: KEK).rewrap(OTHER)
            Vault(store.secrets, lambda: OTHER).rewrap(KEK)
        ended.set()

    _at_once([seal, seal, rewrap])
    fresh = Vault(store.secrets, lambda: KEK)
    assert {SECRET} == {fresh.open(blob, owner="01J", column="key") for blob in sealed}


def test_a_corrupt_data_key_is_reported(vault: Vault, store: Store) -> None:
    """A wrapped data key that was damaged, or is gone, is SealBroken, not a wrong key."""
    sealed = vault.seal(SECRET, owner="01J", column="key")
    with store._database.writing() as tx:
        tx.execute(text("UPDATE datakeys SET wrapped = :wrapped"), {"wrapped": b"x" * 60})
    with pytest.raises(SealBroken, match="data key of the vault is corrupt"):
        Vault(store.secrets, lambda: KEK).check()
    with store._database.writing() as tx:
        tx.execute(text("DELETE FROM datakeys"))
    with pytest.raises(SealBroken, match="data key 1 is missing"):
        Vault(store.secrets, lambda: KEK).open(sealed, owner="01J", column="key")


def test_a_data_key_is_bound_to_its_id(vault: Vault, store: Store) -> None:
    """A data key that was given another's id does not unwrap."""
    vault.seal(SECRET, owner="01J", column="key")
    [key] = store.secrets.data_keys()
    store.secrets.add_data_key(WrappedKey(2, key.kek_id, key.wrapped))
    with pytest.raises(SealBroken):
        vault.check()


def _at_once(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_rewrap_that_was_overtaken_changes_nothing(vault: Vault, store: Store) -> None:
    """A data key that was added since the keys were read would stay wrapped by the old key: nothing is replaced."""
    vault.seal(SECRET, owner="01J", column="key")
    read = store.secrets.data_keys()
    store.secrets.add_data_key(WrappedKey(2, KEK.id, b"another".ljust(60)))
    before = store.secrets.data_keys()
    with pytest.raises(Stale, match="they were not wrapped"):
        store.secrets.rewrap(read, [WrappedKey(key.id, OTHER.id, key.wrapped) for key in read])
    assert before == store.secrets.data_keys()


def test_a_data_key_of_the_former_key_encryption_key_is_not_added(vault: Vault, store: Store) -> None:
    """A data key that was wrapped before a rewrap and comes after it is refused: the new key-encryption key, which is
    all that is kept, would not open it.
    """
    vault.seal(SECRET, owner="01J", column="key")
    vault.rewrap(OTHER)
    with pytest.raises(Stale, match="no data key was added") as caught:
        store.secrets.add_data_key(WrappedKey(2, KEK.id, b"another".ljust(60)))
    assert Verb.REPEAT is caught.value.next_action.verb
    assert [(1, OTHER.id)] == [(key.id, key.kek_id) for key in store.secrets.data_keys()]


def test_codes_are_of_one_content_and_one_vault(vault: Vault, store: Store) -> None:
    """A code holds for the content it was made for, in each process with the same key, and for nothing else."""
    code = vault.authenticate(b"rotation R1")
    assert vault.is_authentic(b"rotation R1", code)
    assert Vault(store.secrets, lambda: KEK).is_authentic(b"rotation R1", code)
    assert not vault.is_authentic(b"rotation R2", code)


@pytest.mark.parametrize(
    "code",
    ["", "-", "1", "1-", "2-00", "1-" + 64 * "0", "-1-00", "\N{SUPERSCRIPT TWO}-00", "1-\xe9", 5000 * "1" + "-00"],
)
def test_what_is_no_code_authenticates_nothing(vault: Vault, code: str) -> None:
    """A code that was removed, forged, or made with a data key that the database does not have is not accepted."""
    vault.unlock()
    assert not vault.is_authentic(b"rotation R1", code)


def test_the_wrong_key_authenticates_nothing(vault: Vault, store: Store) -> None:
    """Without the vault's key-encryption key no code is made or accepted."""
    code = vault.authenticate(b"rotation R1")
    wrong = Vault(store.secrets, lambda: OTHER)
    for do in (lambda: wrong.authenticate(b"rotation R1"), lambda: wrong.is_authentic(b"rotation R1", code)):
        with pytest.raises(VaultLocked, match=f"{KEK.id}.*{OTHER.id}"):
            do()
