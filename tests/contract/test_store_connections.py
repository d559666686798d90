"""Connections, their secrets, who is due, what a person confirmed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from support.advice import commands
from support.factories import NOW, a_connection, a_rotation, advance_to, begin, carry, requested

from persistence.journal import CONFIRMED_BY_PERSON, POSTPONED
from persistence.store import Store
from states.connection import Algorithm, NetSuiteSettings, OpenAirKind, OpenAirSettings, Options, Policy
from states.errors import AlreadyExists, NotFound, Stale
from states.rotation import Rotation
from states.state import State
from states.table import FAIL


def test_a_connection_comes_back_as_it_went_in(store: Store) -> None:
    """Settings, options, policy, bundles and the due moment survive the store."""
    connection = a_connection(
        name="full",
        netsuite=NetSuiteSettings(
            account="7",
            client_id="c",
            certificate_id="k",
            certificate_until="2028-11-26",
            certificate_fingerprint="f",
            assertion_algorithm="ES256",
        ),
        openair=OpenAirSettings(kind=OpenAirKind.EXPORT),
        options=Options(single_sign_on=True, real_time_integration=False, oauth2=False),
        policy=Policy(algorithm=Algorithm.EC_P256, days=90, keep_key=False),
        due_at=NOW,
    )
    assert connection == store.connections.add(connection) == store.connections.get("full")


def test_a_name_is_given_once(store: Store) -> None:
    """A second connection of the same name is refused, and the first one stays."""
    with pytest.raises(AlreadyExists, match="acme"):
        store.connections.add(a_connection(policy=Policy(days=90)))
    assert a_connection() == store.connections.get("acme")


@pytest.mark.parametrize("account", ["1234567_SB1", "1234567-sb1", "1234567_sb1"])
def test_an_account_has_one_connection(store: Store, account: str) -> None:
    """However its id is written, a NetSuite account gets no second connection, neither added nor by a change: both
    would replace the account's one certificate. The one that is there is named, and nothing is stored.
    """
    other = store.connections.add(a_connection(name="other"))
    netsuite = replace(other.netsuite, account=account)
    for refused in (
        lambda: store.connections.add(a_connection(name="third", netsuite=netsuite), {"token": b"sealed"}),
        lambda: store.connections.save(replace(other, netsuite=netsuite), {"token": b"sealed"}),
    ):
        with pytest.raises(AlreadyExists, match=r"account \S+ has the connection acme already") as caught:
            refused()
        assert "connection show acme" in commands(caught.value.next_action)
    assert [a_connection(), other] == [store.connections.get(each.name) for each in store.connections.all()]
    assert store.secrets.get("other", "token") is None


def test_an_account_that_was_given_up_is_free(store: Store) -> None:
    """A connection may write its own account otherwise; an account that it left is another's to have."""
    acme = store.connections.get("acme")
    acme = store.connections.save(replace(acme, netsuite=replace(acme.netsuite, account="1234567-sb1")))
    store.connections.save(replace(acme, netsuite=replace(acme.netsuite, account="7654321")))
    store.connections.add(a_connection(name="other", netsuite=a_connection().netsuite))


@pytest.mark.parametrize(
    "written",
    ["https://acme.app.openair.com", "https://ACME.app.openair.com/", "HTTPS://acme.app.openair.com:443"],
)
@pytest.mark.parametrize("kind", OpenAirKind)
def test_a_place_in_openair_has_one_connection(store: Store, written: str, kind: OpenAirKind) -> None:
    """However its URL is written and with any user, an OpenAir company's preference gets no second connection,
    neither added nor by a change: both would replace the one certificate in it. The one that is there is named, and
    nothing is stored.
    """
    other = store.connections.add(a_connection(name="other"))
    openair = OpenAirSettings(kind=kind, url=written, client_id="client")
    third = a_connection(name="third", openair=openair)
    for refused in (
        lambda: store.connections.add(third, {"token": b"sealed"}),
        lambda: store.connections.save(replace(other, openair=openair), {"token": b"sealed"}),
    ):
        with pytest.raises(AlreadyExists, match=r"company at \S+ has the connection acme already") as caught:
            refused()
        assert "connection show acme" in commands(caught.value.next_action)
    assert [a_connection(), other] == [store.connections.get(each.name) for each in store.connections.all()]
    assert store.secrets.get("other", "token") is None


@pytest.mark.parametrize(
    "openair",
    [
        OpenAirSettings(url="https://acme.app.openair.com:8443", client_id="client"),
        OpenAirSettings(url="https://acme.app.sandbox.openair.com", client_id="client"),
        OpenAirSettings(url="https://gateway.example/acme", client_id="client"),
        OpenAirSettings(url="https://acme.app.openair.com", client_id="client", preference="another"),
        OpenAirSettings(kind=OpenAirKind.EXPORT),
    ],
)
def test_other_places_in_openair_are_free(store: Store, openair: OpenAirSettings) -> None:
    """Another host, port, path or preference is another place; where a person saves the certificate, none is known."""
    store.connections.add(a_connection(name="by-hand", openair=OpenAirSettings(kind=OpenAirKind.EXPORT)))
    assert openair == store.connections.add(a_connection(name="other", openair=openair)).openair


def test_a_place_in_openair_that_was_given_up_is_free(store: Store) -> None:
    """A connection may write its own URL otherwise; a company that it left is another's to have."""
    acme = store.connections.get("acme")
    acme = store.connections.save(replace(acme, openair=replace(acme.openair, url="https://acme.app.openair.com/")))
    store.connections.save(replace(acme, openair=replace(acme.openair, url="https://bolt.app.openair.com")))
    store.connections.add(a_connection(name="other", openair=a_connection().openair))


def test_of_two_who_add_one_account_at_once_one_is_refused(store: Store) -> None:
    """The database decides in the transaction that writes: one connection is stored, the others are refused."""
    names = ["one", "two", "three", "four"]
    together = threading.Barrier(len(names))
    netsuite = replace(a_connection().netsuite, account="7654321")

    def add(name: str) -> str:
        together.wait()
        try:
            return store.connections.add(a_connection(name=name, netsuite=netsuite)).name
        except AlreadyExists as error:
            return error.message

    with ThreadPoolExecutor(len(names)) as pool:
        refusals = list(pool.map(add, names))
    (added,) = set(names) & {connection.name for connection in store.connections.all()}
    assert 3 == sum(f"has the connection {added} already" in each for each in refusals), refusals


def test_connections_are_listed_by_name(store: Store) -> None:
    """All connections, in the order of their names."""
    for name in ("zeta", "beta"):
        store.connections.add(a_connection(name=name))
    assert ["acme", "beta", "zeta"] == [connection.name for connection in store.connections.all()]


def test_an_unknown_connection_is_not_found(store: Store) -> None:
    """Reading, saving and keeping a secret of an unknown connection are NotFound."""
    for ask in (
        lambda: store.connections.get("missing"),
        lambda: store.connections.save(a_connection(name="missing")),
        lambda: store.secrets.put("missing", "token", b"sealed", version=None),
    ):
        with pytest.raises(NotFound):
            ask()


def test_a_mistyped_name_gets_the_one_that_may_be_meant(store: Store) -> None:
    """So it is for each look-up by name; nothing is guessed where none is like it."""
    asked = replace(requested(store, a_rotation()), connection="acmee")
    for ask in (
        lambda: store.connections.get("amce"),
        lambda: store.connections.check_known("acme1"),
        lambda: store.rotations.request(asked),
    ):
        with pytest.raises(NotFound, match=r"There is no connection \w+\. Did you mean acme\?$"):
            ask()
    with pytest.raises(NotFound, match=r"There is no connection zeta\.$"):
        store.connections.get("zeta")


def test_saving_changes_what_an_administrator_may_change(store: Store) -> None:
    """Saved are settings, options, policy and bundles; the certificate and its due moment are a rotation's to set."""
    begin(store, State.COMPLETED)
    before = store.connections.get("acme")
    wanted = replace(before, policy=Policy(days=90), bundles={}, options=Options(oauth2=False))
    saved = store.connections.save(replace(wanted, current=None, due_at=None))
    assert replace(wanted, version=before.version + 1) == saved == store.connections.get("acme")


def test_of_two_administrators_the_second_is_refused(store: Store) -> None:
    """Saving is a compare-and-set on the version; the refused one changes neither settings nor secrets."""
    before = store.connections.get("acme")
    store.connections.save(replace(before, policy=Policy(days=90)), {"token": b"first"})
    with pytest.raises(Stale, match="someone else"):
        store.connections.save(replace(before, policy=Policy(days=91)), {"token": b"second"})
    assert 90 == store.connections.get("acme").policy.days
    assert (b"first", 1) == store.secrets.get("acme", "token")


def test_a_connection_and_its_secrets_are_one_transaction(store: Store) -> None:
    """The secrets come with the connection, and where the connection is refused, they do not."""
    store.connections.add(a_connection(name="new"), {"token": b"sealed", "password": b"too"})
    assert (b"sealed", 1) == store.secrets.get("new", "token")
    with pytest.raises(AlreadyExists):
        store.connections.add(a_connection(), {"token": b"sealed"})
    assert store.secrets.get("acme", "token") is None


def test_a_secret_is_replaced_without_a_version(store: Store) -> None:
    """Without a version, a secret is set, and its version counts on."""
    versions = [store.secrets.put("acme", "token", blob, version=None) for blob in (b"one", b"two")]
    assert [1, 2] == versions
    assert (b"two", 2) == store.secrets.get("acme", "token")


def test_a_secret_is_replaced_by_one_only(store: Store) -> None:
    """With the version that was read, the first to replace it wins; the second is Stale and loses nothing."""
    version = store.secrets.put("acme", "token", b"one", version=None)
    assert version + 1 == store.secrets.put("acme", "token", b"two", version=version)
    with pytest.raises(Stale, match="token"):
        store.secrets.put("acme", "token", b"three", version=version)
    assert (b"two", version + 1) == store.secrets.get("acme", "token")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_version_that_is_no_number(store: Store) -> None:
    """SQLite keeps a text that someone wrote as a version: the secret is replaced, and counts again from 1."""
    store.secrets.put("acme", "token", b"one", version=None)
    with store._database.writing() as tx:
        tx.exec_driver_sql("UPDATE secrets SET version = 'nonsense'")
    _, version = store.secrets.get("acme", "token")
    assert 1 == store.secrets.put("acme", "token", b"two", version=version)


def test_who_is_due(store: Store) -> None:
    """Due are automatic connections whose moment has come and that have no open rotation, the longest due first."""
    moments = {
        "late": NOW - timedelta(days=1),
        "now": NOW,
        "soon": NOW + timedelta(microseconds=1),
        "never": None,
        "busy": NOW - timedelta(days=2),
        "parked": NOW - timedelta(days=3),
    }
    for name, due_at in moments.items():
        store.connections.add(a_connection(name=name, due_at=due_at))
    store.connections.add(a_connection(name="by-hand", bundles={}, due_at=NOW))
    begin(store, number=1, connection="busy")
    carry(store, begin(store, number=2, connection="parked"), State.FAILED)
    assert ["late", "now"] == store.deadlines.due(NOW, 10)
    assert ["late"] == store.deadlines.due(NOW, 1)


def test_due_follows_the_settings(store: Store) -> None:
    """A connection whose boxes are unticked is not due any more; ticked again, it is."""
    connection = store.connections.add(a_connection(name="late", due_at=NOW))
    connection = store.connections.save(replace(connection, options=Options(oauth2=False)))
    assert [] == store.deadlines.due(NOW, 10)
    store.connections.save(replace(connection, options=Options()))
    assert ["late"] == store.deadlines.due(NOW, 10)


def test_what_a_person_confirmed(store: Store) -> None:
    """The certificate that a person said OpenAir holds is remembered, with the note of it in the journal."""
    assert store.connections.confirmed_export("acme") is None
    claim = begin(store, State.UPLOADED_TO_NETSUITE)
    store.claims.release(claim)
    assert claim.rotation.proofs.candidate
    _confirm(store, claim.rotation)
    assert claim.rotation.proofs.candidate.certificate == store.connections.confirmed_export("acme")
    assert CONFIRMED_BY_PERSON == store.journal.of(claim.rotation.id)[-1].event


def test_what_a_holder_saw_is_confirmed(store: Store) -> None:
    """Who holds the rotation may tell what OpenAir holds, too; one whose claim was lost does not."""
    claim = begin(store, State.UPLOADED_TO_NETSUITE)
    assert claim.rotation.proofs.candidate
    seen = claim.rotation.proofs.candidate.fingerprint
    with pytest.raises(Stale):
        store.rotations.advance(replace(claim, fence=0), claim.rotation, event=POSTPONED, detail={}, confirmed=seen)
    assert store.connections.confirmed_export("acme") is None
    store.rotations.advance(claim, claim.rotation, event=POSTPONED, detail={}, confirmed=seen)
    assert claim.rotation.proofs.candidate.certificate == store.connections.confirmed_export("acme")


def test_what_came_too_late_is_not_confirmed(store: Store) -> None:
    """Where the rotation was changed meanwhile, what OpenAir holds is not noted either: it is one transaction."""
    claim = begin(store, State.UPLOADED_TO_NETSUITE)
    store.claims.release(claim)
    store.rotations.write(claim.rotation, advance_to(claim.rotation, State.FAILED), event=FAIL, actor="bob", detail={})
    with pytest.raises(Stale):
        _confirm(store, claim.rotation)
    assert store.connections.confirmed_export("acme") is None


def _confirm(store: Store, rotation: Rotation) -> None:
    """Say that OpenAir holds the rotation's candidate."""
    assert rotation.proofs.candidate
    seen = rotation.proofs.candidate.fingerprint
    store.rotations.write(rotation, rotation, event=CONFIRMED_BY_PERSON, actor="ada", detail={}, confirmed=seen)
