"""Who changes a row without the key: Keyturn does not act on it, whichever column it was."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from support.factories import NOW, a_certificate, a_connection, a_rotation, add, an_id, begin
from support.stores import open_store

from persistence import mapping, models
from persistence.store import Store
from states.certificate import Certificate
from states.errors import Tampered
from states.machine import abandon, fail, resume
from states.request import Request
from states.rotation import Absence, Rotation
from states.state import State
from states.table import ABANDON, FAIL, RESUME

LATE: Final = NOW + timedelta(minutes=10)
OF_THE_HOLDER: Final = {"worker", "fence", "lease_until"}
FREE: Final = {"available_at", "version", "follows"}
"""When a rotation is taken up, how often it was written, and what the journal's verification follows."""
ROTATION: Final = sorted({each.key for each in models.rotations.c} - OF_THE_HOLDER - FREE - {"id"})
EXPORT: Final = {"confirmed_fingerprint", "confirmed_by", "confirmed_at", "confirmed_code"}
CONNECTION: Final = sorted({each.key for each in models.connections.c} - EXPORT - {"name", "due_at"})
OTHER: Final[dict[str, Any]] = {
    "netsuite": {"restlet_url": "https://evil.example"},
    "openair": {"preference": "another"},
    "options": {"oauth2": False},
    "policy": {"algorithm": "rsa-2048"},
    "bundles": {"369630": "1.0"},
    "cause": "scheduled",
    "state": "Requested",
    "failed_from": "Requested",
    "ending": "abandoned",
    "challenge": "A" * 43,
}
ELSEWHERE: Final[dict[str, Any]] = {
    "netsuite": replace(a_connection().netsuite, account="7"),
    "openair": replace(a_connection().openair, url="https://other.app.openair.com"),
}


def rewrite(store: Store, table: Any, **values: Any) -> None:
    """Change every row of a table behind the store's back."""
    with store._database.writing() as tx:
        tx.execute(update(table).values(values))


def another(store: Store, column: Any, stranger: Certificate) -> Any:
    """A value of its kind that the column does not have."""
    with store._database.reading() as tx:
        value = tx.execute(column.table.select()).mappings().first()[column.key]
    if column.key.endswith("fingerprint"):
        return stranger.fingerprint
    if isinstance(value, int):
        return not value if isinstance(value, bool) else value + 1
    if isinstance(other := OTHER.get(column.key), dict):
        return {**value, **other}
    return other or (LATE if column.key.endswith(("_at", "_since", "_until", "_from")) else "other")


def a_stranger(store: Store) -> Certificate:
    """A certificate in the store that has nothing to do with the rotation."""
    other = a_certificate(days=90)
    with store._database.writing() as tx:
        tx.execute(models.certificates.insert(), mapping.of_certificate(other))
    return other


@pytest.mark.parametrize("column", ROTATION)
@pytest.mark.parametrize("state", [State.KEY_GENERATED, State.UPLOADED_TO_NETSUITE, State.FAILED])
def test_a_rotation_is_not_acted_on(store: Store, state: State, column: str) -> None:
    """Any column that decides something, changed in any state, shows when the rotation is claimed or resumed."""
    rotation = waiting(store, state)
    resumed = resume(rotation, LATE) if state is State.FAILED else rotation
    value = another(store, models.rotations.c[column], a_stranger(store))
    store.connections.add(a_connection(name="other", **ELSEWHERE))
    try:
        rewrite(store, models.rotations, **{column: value})
    except IntegrityError:
        return  # the constraints refuse it
    if state is State.FAILED:
        with pytest.raises(Tampered):
            store.rotations.write(store.rotations.get(an_id(1)), resumed, event=RESUME, actor="ada", detail={})
    else:
        claim = store.claims.claim("w2", lease=60, now=LATE)
        assert claim is None or claim.rotation.circumstances.broken


@pytest.mark.parametrize("column", CONNECTION)
def test_a_connection_is_not_acted_on(store: Store, column: str) -> None:
    """Any column that decides something shows before a rotation is requested and before anything is sent."""
    add(store, a_rotation())
    rewrite(store, models.connections, **{column: another(store, models.connections.c[column], a_stranger(store))})
    with pytest.raises(Tampered, match="acme was changed outside Keyturn"):
        store.connections.authentic("acme")


def test_no_rotation_begins_for_a_changed_connection(store: Store) -> None:
    """Its certificate is not the one that Keyturn put in place: the request is refused, and nothing is stored."""
    begin(store, State.COMPLETED)
    rewrite(store, models.certificates, pem=a_certificate().pem)
    with pytest.raises(Tampered):
        store.rotations.request(a_request(2))
    assert [an_id(1)] == [each.id for each in store.rotations.newest()]


@pytest.mark.parametrize("code", [None, "", "1-" + "0" * 64, "7-" + "0" * 64, "nonsense"])
def test_a_code_cannot_be_made(store: Store, code: str | None) -> None:
    """A code that is missing, made up, or of a key that does not exist is none."""
    waiting(store, State.KEY_GENERATED)
    rewrite(store, models.rotations, code=code)
    claim = store.claims.claim("w2", lease=60, now=LATE)
    assert claim
    assert f"Rotation {an_id(1)} was changed outside Keyturn." == claim.rotation.circumstances.broken


def test_an_old_row_cannot_be_put_back(store: Store) -> None:
    """A row from before, with the code that it had, is not acted on, and can be parked: its journal goes on."""
    claim = begin(store, State.KEY_GENERATED)
    with store._database.reading() as tx:
        old = dict(tx.execute(models.rotations.select()).mappings().one())
    store.rotations.advance(claim, fail(claim.rotation, Tampered(), NOW), event=FAIL, detail={})
    rewrite(store, models.rotations, **{**old, "worker": None, "lease_until": None})
    again = store.claims.claim("w2", lease=60, now=LATE)
    assert again
    assert f"Rotation {an_id(1)} was set back outside Keyturn: its journal goes on to entry 3." == (
        again.rotation.circumstances.broken
    )
    stored = store.rotations.advance(again, fail(again.rotation, Tampered(), LATE), event=FAIL, detail={})
    assert (State.FAILED, 4) == (stored.rotation.state, stored.journal.seq)


def test_parking_makes_it_no_better(store: Store) -> None:
    """A changed rotation that was parked has no code: it is neither resumed nor held, and can be abandoned."""
    waiting(store, State.KEY_GENERATED)
    rewrite(store, models.rotations, may_overwrite=True)
    claim = store.claims.claim("w2", lease=60, now=LATE)
    assert claim
    store.rotations.advance(claim, fail(claim.rotation, Tampered(), LATE), event=FAIL, detail={})
    parked = store.rotations.get(an_id(1))
    assert parked.circumstances.broken
    unmarked = replace(parked, circumstances=replace(parked.circumstances, broken=""))
    with pytest.raises(Tampered):
        store.rotations.write(unmarked, resume(unmarked, LATE), event=RESUME, actor="ada", detail={})
    with pytest.raises(Tampered):
        store.claims.hold("ada", parked, lease=60)
    assert parked.proofs.candidate
    absence = Absence(parked.proofs.candidate.fingerprint, LATE, ("NetSuite signed with another key.",) * 2)
    store.rotations.write(parked, abandon(parked, LATE, absence), event=ABANDON, actor="ada", detail={})
    assert not store.rotations.get(an_id(1)).is_open


def test_a_forged_word_of_a_person_counts_for_nothing(store: Store) -> None:
    """A confirmation of a person that was written into the database is none."""
    stranger = a_stranger(store)
    said = {"confirmed_fingerprint": stranger.fingerprint, "confirmed_by": "ada", "confirmed_at": NOW}
    rewrite(store, models.connections, **said)
    assert store.connections.confirmed_export("acme") is None


def test_a_connection_that_is_given_again(store: Store) -> None:
    """Saving refuses a changed connection, unless all of it is given again: then it is authentic, and its certificate
    is forgotten where that was changed, too.
    """
    begin(store, State.COMPLETED)
    netsuite = {**mapping.of_connection(a_connection())["netsuite"], "account": "9"}
    rewrite(store, models.connections, netsuite=netsuite, latest_rotation=None)
    seen = store.connections.get("acme")
    with pytest.raises(Tampered):
        store.connections.save(seen)
    store.connections.save(replace(a_connection(), version=seen.version), is_given_again=True)
    repaired = store.connections.authentic("acme")
    assert ("1234567_SB1", None) == (repaired.netsuite.account, repaired.current)


def test_a_renamed_connection_is_authentic(store: Store) -> None:
    """It and its rotations have new codes under the new name."""
    begin(store, State.COMPLETED)
    store.connections.rename(store.connections.get("acme"), "bolt", {}, {})
    assert "bolt" == store.connections.authentic("bolt").name
    assert not store.rotations.get(an_id(1)).circumstances.broken
    assert an_id(2) == store.rotations.request(a_request(2, "bolt")).id


def test_another_key_makes_no_code(store: Store, url: str) -> None:
    """What was authenticated with a data key that is gone is not acted on."""
    waiting(store, State.KEY_GENERATED)
    with store._database.writing() as tx:
        tx.execute(models.data_keys.delete())
    other = open_store(url)
    claim = other.claims.claim("w2", lease=60, now=LATE)
    assert claim
    assert claim.rotation.circumstances.broken
    other.close()


def a_request(number: int, connection: str = "acme") -> Request:
    """A person's request."""
    return Request(id=an_id(number), connection=connection, actor="ada", at=NOW)


def waiting(store: Store, state: State) -> Rotation:
    """A rotation in this state that no worker holds."""
    claim = begin(store, State.KEY_GENERATED if state is State.FAILED else state)
    if state is State.FAILED:
        after = fail(claim.rotation, Tampered(), NOW)
        return store.rotations.advance(claim, after, event=FAIL, detail={}).rotation
    store.claims.release(claim)
    return claim.rotation
