"""`keyturn init` on a database whose rows and secrets an earlier Keyturn did not authenticate, and changes of a URL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from support.environment import NAME, connect, keyturn
from support.migrated import set_back
from support.request_history import judged_simulator

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName, Secrets
from persistence import models
from states.connection import Connection
from states.errors import SealBroken, Stale, Tampered

OTHER = "other"
OLD_HOST, NEW_HOST = "https://acme.app.openair.com", "https://acme.app.netsuitesuiteprojectspro.com"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyturn]:
    """A Keyturn with two connections."""
    with judged_simulator(accounts=2) as simulator, keyturn(tmp_path, monkeypatch) as running:
        for name, pair in zip((NAME, OTHER), simulator.pairs.values(), strict=True):
            connect(running, pair.credentials, name)
        yield running


def outdated(app: Keyturn) -> None:
    """Make the database what a Keyturn was that bound secrets to the connection alone, and authenticated no row."""
    for name in (NAME, OTHER):
        own = Secrets(app.store, app.vault, app.connections.show(name))
        for secret, (blob, version) in app.store.secrets.all_of(name).items():
            sealed = app.vault.seal(own.open(secret, blob), owner=name, column=secret)
            app.store.secrets.put(name, secret, sealed, version=version)
    set_back(app.store, "0011")


def initialised(app: Keyturn) -> list[str]:
    """What `init` reports of connections."""
    reports: list[str] = []
    app.installation.initialise(reports.append)
    return [each for each in reports if "connections" in each or "secrets" in each]


def test_an_earlier_database_is_taken_once(app: Keyturn) -> None:
    """All connections are named; their secrets open for their hosts from then on. A second run takes nothing."""
    outdated(app)
    (taken,) = initialised(app)
    assert f"as it is: {NAME}, {OTHER}." in taken
    for name in (NAME, OTHER):
        own = Secrets(app.store, app.vault, app.store.connections.authentic(name))
        assert own.need(SecretName.NETSUITE_KEY)
        assert own.need(SecretName.OPENAIR_REFRESH_TOKEN)
    with app.store._database.writing() as tx:
        tx.execute(update(models.connections).values(code=None))
    assert [] == initialised(app)
    with pytest.raises(Tampered):
        app.store.connections.authentic(NAME)


@pytest.mark.parametrize("how", ["from another connection", "removed"])
def test_a_connection_without_its_secrets_is_refused(app: Keyturn, how: str) -> None:
    """Who set the database back has no secrets as they were sealed then: `init` names the connection, and no command
    uses it until all of it is given again. The others are taken.
    """
    outdated(app)
    table = models.secrets
    with app.store._database.writing() as tx:
        if how == "removed":
            tx.execute(delete(table).where(table.c.connection == NAME))
        else:
            tx.execute(update(table).where(table.c.connection == NAME).values(sealed=b"\x01" + b"x" * 40))
    taken, refused = initialised(app)
    assert f"as it is: {OTHER}." in taken
    assert f"are missing or do not open: {NAME}. Give all" in refused
    with pytest.raises(Tampered, match=f"{NAME} was changed outside Keyturn"):
        app.rotations.request(NAME, actor="ada")
    assert OTHER == app.rotations.request(OTHER, actor="ada").connection


def at(app: Keyturn, url: str) -> Connection:
    """The connection, with OpenAir there."""
    shown = app.connections.show(NAME)
    return replace(shown, openair=replace(shown.openair, url=url))


def test_a_secret_does_not_open_for_another_host(app: Keyturn) -> None:
    """A secret that was sealed for one host opens for another only where the operation sealed it again."""
    old = app.store.secrets.all_of(NAME)
    before = {name: Secrets(app.store, app.vault, app.connections.show(NAME)).open(name, old[name][0]) for name in old}
    moved = Secrets(app.store, app.vault, at(app, NEW_HOST))
    for_openair = {name for name in old if name.startswith("openair")}
    assert for_openair
    for name in for_openair:
        with pytest.raises(SealBroken):
            moved.open(name, old[name][0])
    app.connections.edit(at(app, NEW_HOST), {}, actor="ada")
    stored = app.store.secrets.all_of(NAME)
    assert before == {name: moved.open(name, stored[name][0]) for name in stored}


def test_an_interrupted_change_of_a_url_changes_nothing(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL and the secrets change together: one that is interrupted leaves both as they were."""
    before = app.store.secrets.all_of(NAME)
    seal, left = app.vault.seal, iter(range(2))

    def until_killed(value: bytes, *, owner: str, column: str) -> bytes:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return seal(value, owner=owner, column=column)

    with monkeypatch.context() as patch:
        patch.setattr(app.vault, "seal", until_killed)
        with pytest.raises(KeyboardInterrupt):
            app.connections.edit(at(app, NEW_HOST), {}, actor="ada")
    assert before == app.store.secrets.all_of(NAME)
    assert Secrets(app.store, app.vault, app.store.connections.authentic(NAME)).need(SecretName.OPENAIR_API_KEY)


def test_a_token_that_is_refreshed_meanwhile_is_not_lost(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that replaces a secret between the look and the change makes the change fail, with nothing stored."""
    shown, save = app.connections.show(NAME), app.store.connections.save
    worker = Secrets(app.store, app.vault, shown)

    def after_a_refresh(*args: object, **options: object) -> Connection:
        _, version = app.store.secrets.all_of(NAME)[SecretName.OPENAIR_REFRESH_TOKEN]
        worker.replace(SecretName.OPENAIR_REFRESH_TOKEN, b"refreshed", version)
        return save(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(app.store.connections, "save", after_a_refresh)
        with pytest.raises(Stale):
            app.connections.edit(at(app, NEW_HOST), {}, actor="ada")
    assert shown == app.store.connections.authentic(NAME)
    assert b"refreshed" == worker.need(SecretName.OPENAIR_REFRESH_TOKEN)


def test_a_changed_connection_is_given_again_whole(app: Keyturn) -> None:
    """Keyturn seals no secret again for hosts that it did not store; with all of it given, the connection is used."""
    with app.store._database.writing() as tx:
        tx.execute(update(models.connections).where(models.connections.c.name == NAME).values(automatic=False))
    shown = app.connections.show(NAME)
    with pytest.raises(Tampered):
        app.connections.edit(replace(shown, openair=replace(shown.openair, url=OLD_HOST)), {}, actor="ada")
    again = {SecretName.NETSUITE_KEY: "key", SecretName.OPENAIR_API_KEY: "api"}
    app.connections.edit(at(app, OLD_HOST), again, actor="ada", is_given_again=True)
    own = Secrets(app.store, app.vault, app.store.connections.authentic(NAME))
    assert b"key" == own.need(SecretName.NETSUITE_KEY)
    with pytest.raises(SealBroken):  # it was not given again, and is sealed for another host
        own.need(SecretName.OPENAIR_CLIENT_SECRET)
