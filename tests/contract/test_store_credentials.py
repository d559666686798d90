"""What the store knows of Keyturn's own credentials without the vault's key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, update
from support.factories import NOW, a_connection, a_token

from persistence import access_models, models
from persistence.store import Store


def change(store: Store, table: Table, **values: object) -> None:
    """Change every row of a table behind the store's back."""
    with store._database.writing() as tx:
        tx.execute(update(table).values(**values))


def test_the_ends_of_sign_in_certificates(store: Store) -> None:
    """The first comes first; a connection whose end is not known is left out, and one that was removed."""
    days = {"late": "2030-01-02", "soon": "2026-12-01T23:00:00-02:00", "removed": "2027-01-01", "unknown": ""}
    for name, until in days.items():
        added = a_connection(name=name)
        store.connections.add(replace(added, netsuite=replace(added.netsuite, certificate_until=until)))
    store.connections.remove(store.connections.get("removed"), NOW)
    assert [
        (datetime(2026, 12, 2, 1, tzinfo=UTC), "soon"),
        (datetime(2030, 1, 2, tzinfo=UTC), "late"),
    ] == store.deadlines.sign_in_ends()


def test_the_end_is_authenticated(store: Store) -> None:
    """Who writes the database cannot have the end forgotten, or postponed, without that showing."""
    acme = store.connections.get("acme")
    saved = store.connections.save(replace(acme, netsuite=replace(acme.netsuite, certificate_until="2026-12-01")))
    assert {} == store.connections.changed()
    later = {**saved.netsuite.values(), "certificate_until": "2030-01-01T00:00:00+00:00"}
    never = {name: value for name, value in later.items() if name != "certificate_until"}
    for forged in (later, never):
        change(store, models.connections, netsuite=forged)
        assert ["acme"] == list(store.connections.changed())


def test_the_names_of_secrets(store: Store) -> None:
    """Of one connection, or of all."""
    store.connections.add(a_connection(name="other"), {"b": b"sealed"})
    store.secrets.put("acme", "a", b"sealed", version=None)
    assert ({"acme": {"a"}}, {"acme": {"a"}, "other": {"b"}}) == (
        store.secrets.names("acme"),
        store.secrets.names(None),
    )


def test_tokens_are_shown_unchecked(store: Store) -> None:
    """A token that was changed outside Keyturn is in the list: to show it needs no key."""
    store.tokens.add(a_token())
    later = NOW + timedelta(days=300)
    change(store, access_models.tokens, expires_at=later)
    assert [replace(a_token(), expires_at=later)] == store.tokens.shown()
