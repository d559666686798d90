"""The tables: made by migrations, the same as the models say, checked before they are used."""

import logging
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from support.advice import text as shown
from support.factories import a_certificate, a_connection, an_id, begin
from support.stores import open_store

from persistence import alert_models, mapping, models, schema
from persistence.database import Database
from persistence.journal import POSTPONED
from persistence.store import Store
from states.connection import NetSuiteSettings, OnRefusal, OpenAirKind, OpenAirSettings
from states.errors import IllegalMove, InvalidSettings
from states.next_action import NextAction, Verb
from states.state import State

SIGN_IN: dict[str, Any] = {"client_id": "client", "certificate_id": "kid"}

POSTGRESQL = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public'",
    "constraints": "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}
SQLITE = {
    "columns": 'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk'
    " FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    "options": "SELECT t.name, t.wr, t.strict FROM pragma_table_list t WHERE t.schema = 'main'",
    "indexes": "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index'",
}


def described(tx: Connection) -> dict[str, set[Any]]:
    """Everything the database knows of its tables, in its own words; the migrations' own table aside."""
    queries = SQLITE if tx.dialect.name == "sqlite" else POSTGRESQL
    found: dict[str, set[Any]] = defaultdict(set)
    for kind, query in queries.items():
        rows = (tuple(map(str, row)) for row in tx.execute(text(query)))
        found[kind] = {row for row in rows if not row[0].startswith(("alembic", "sqlite"))}
    if tx.dialect.name == "sqlite":  # which keeps its constraints as they were written
        for table, sql in tx.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")):
            lines = (line.strip(" \t,") for line in sql.splitlines())
            found["constraints"] |= {
                (table, line) for line in lines if line.startswith("CONSTRAINT") and "alembic" not in table
            }
    return found


ADDED = (
    ("rotations", "code TEXT"),
    *(("connections", f"{name} TEXT") for name in ("code", "current_code", "confirmed_code")),
    ("journal", "commit_number BIGINT DEFAULT 0"),
)
"""Columns without which this Keyturn could not write."""
NEW_TABLES = [alert_models.alerts, alert_models.outbox]


def store_at(url: str, revision: str) -> Store:
    """A store whose database was made by an earlier Keyturn, up to this migration.

    It has the columns and tables without which this Keyturn could not write to it, until it is `migrated`.
    """
    store = open_store(url)
    store._database.make_file()
    with store._database.writing() as tx:
        command.upgrade(schema.config(tx), revision)
        for table, column in ADDED:
            tx.execute(text(f"ALTER TABLE {table} ADD COLUMN {column}"))
        models.for_postgresql().create_all(tx, tables=NEW_TABLES)
    return store


def migrate(store: Store) -> None:
    """Bring the database of `store_at` up to date, without what an earlier Keyturn did not write."""
    with store._database.writing() as tx:
        for table, column in ADDED:
            tx.execute(text(f"ALTER TABLE {table} DROP COLUMN {column.split()[0]}"))
        models.METADATA.drop_all(tx, tables=NEW_TABLES)
    store.migrate()


def test_models_and_migrations_make_the_same_tables(url: str) -> None:
    """Built by the migrations and built from the models, the database has the same columns, constraints, indexes."""
    database = Database(url)
    schema.migrate(database)
    with database.writing() as tx:
        migrated = described(tx)
        tables = models.for_postgresql()
        tables.drop_all(tx)
        tables.create_all(tx)
        modelled = described(tx)
    database.close()
    assert {kind: modelled[kind] for kind in modelled} == migrated
    assert 21 == len({row[0] for row in migrated["columns"]})
    assert any("WHERE" in row[2] for row in migrated["indexes"])
    assert any("confirmation_fingerprint = candidate_fingerprint" in row[-1] for row in migrated["constraints"])


def test_migrating_is_safe_to_repeat(store: Store) -> None:
    """A second migration finds nothing to do and changes nothing."""
    store.migrate()
    store.check()
    assert ["acme"] == [connection.name for connection in store.connections.all()]


def test_a_journal_from_before_an_event_was_renamed_is_migrated_as_it_is(url: str) -> None:
    """A database that knows only ``put_off`` keeps its entries, whose chain is whole, and takes ``postponed``."""
    store = store_at(url, "0004")
    store.connections.add(a_connection())
    claim = begin(store, State.REQUESTED)
    claim = store.rotations.advance(claim, claim.rotation, event="put_off", detail={}, lease=60)
    with pytest.raises(IllegalMove):
        store.rotations.advance(claim, claim.rotation, event=POSTPONED, detail={}, lease=60)
    migrate(store)
    assert 2 == store.journal.verify()
    migrated = store.rotations.get(claim.rotation.id)
    store.rotations.advance(replace(claim, rotation=migrated), migrated, event=POSTPONED, detail={})
    assert [POSTPONED, POSTPONED] == [entry.event for entry in store.journal.of(claim.rotation.id)[1:]]
    assert 3 == store.journal.verify()
    store.close()


def test_two_connections_for_one_account_are_not_migrated(url: str) -> None:
    """A database from before the rule that breaks it is left as it is, and the connections are named."""
    store = store_at(url, "0001")
    for name, account in (("acme", "1234567_SB1"), ("beta", "1234567-sb1"), ("other", "7")):
        store.connections.add(a_connection(name=name, netsuite=NetSuiteSettings(account=account, **SIGN_IN)))
    with pytest.raises(InvalidSettings, match=r"acme and beta are both for NetSuite account 1234567_SB1") as caught:
        store.migrate()
    assert "keyturn connection edit" in shown(caught.value.next_action)
    assert ["acme", "beta", "other"] == [connection.name for connection in store.connections.all()]
    beta = store.connections.get("beta")
    store.connections.save(replace(beta, netsuite=NetSuiteSettings(account="8", **SIGN_IN)))
    migrate(store)
    store.check()
    store.close()


def test_two_connections_for_one_place_in_openair_are_not_migrated(url: str) -> None:
    """A database from before the rule that breaks it is left as it is, and the connections are named; those for which
    a person saves the certificate do not share a place.
    """
    store = store_at(url, "0002")
    places = {"acme": "https://acme.app.openair.com", "beta": "https://ACME.app.openair.com:443/", "other": "https://o"}
    for name, place in places.items():
        store.connections.add(a_connection(name=name, openair=OpenAirSettings(url=place, client_id="client")))
    for name in ("by-hand", "by-hand-too"):
        store.connections.add(a_connection(name=name, openair=OpenAirSettings(kind=OpenAirKind.EXPORT)))
    shared = r"acme and beta are both for the OpenAir company at https://acme\.app\.openair\.com"
    with pytest.raises(InvalidSettings, match=shared) as caught:
        store.migrate()
    assert "keyturn connection edit" in shown(caught.value.next_action)
    assert {*places, "by-hand", "by-hand-too"} == {connection.name for connection in store.connections.all()}
    beta = store.connections.get("beta")
    store.connections.save(replace(beta, openair=replace(beta.openair, url="https://beta.app.openair.com")))
    migrate(store)
    store.check()
    store.close()


def test_the_sentence_of_a_parked_rotation_becomes_a_reason(url: str) -> None:
    """In a database from before, the sentence stays, with the rotation's id, and the rotation is resumed."""
    store = store_at(url, "0003")
    store.connections.add(a_connection())
    begin(store, State.FAILED)
    sentence = (
        "Enter the ID _oa_realtime, then run `keyturn rotation resume ID` or `keyturn rotation resume ID --overwrite`."
    )
    with store._database.writing() as tx:
        tx.execute(text("UPDATE rotations SET failure_next_action = :sentence"), {"sentence": sentence})
    migrate(store)
    store.check()
    found = store.rotations.get(an_id(1))
    because = sentence.replace("resume ID", f"resume {an_id(1)}")
    assert found.failure
    assert (NextAction(Verb.RESUME, because=because), "") == (found.failure.next_action, found.circumstances.broken)
    store.close()


def test_what_was_parked_before_waits_for_a_person(url: str) -> None:
    """In a database from before, no worker restores what is parked; later rotations follow the policy."""
    store = store_at(url, "0007")
    store.connections.add(a_connection())
    begin(store, State.FAILED)
    with store._database.writing() as tx:
        tx.execute(
            text("UPDATE rotations SET policy = :old, awaits_person = FALSE"), {"old": '{"algorithm": "rsa-3072"}'}
        )
        tx.execute(text("UPDATE connections SET policy = :old"), {"old": '{"algorithm": "rsa-3072"}'})
    migrate(store)
    store.check()
    found = store.rotations.get(an_id(1))
    assert (True, OnRefusal.PARK, "") == (found.awaits_person, found.policy.on_refusal, found.circumstances.broken)
    assert OnRefusal.RESTORE is store.connections.get("acme").policy.on_refusal
    assert store.claims.claim("w", lease=60, now=found.available_at + timedelta(days=1)) is None
    store.close()


def test_many_may_migrate_at_once(url: str) -> None:
    """Several machines that start together make one database, and none of them fails."""
    errors: list[Exception] = []
    together = threading.Barrier(3)

    def migrate() -> None:
        store = open_store(url)
        together.wait()
        try:
            store.migrate()
            store.check()
        except Exception as error:  # noqa: BLE001 - the test shows any
            errors.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == errors


def test_one_process_may_make_several_databases_at_once(tmp_path: Path) -> None:
    """Alembic's context is global to the process; Keyturn's threads take turns."""
    urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(8)]
    with ThreadPoolExecutor(len(urls)) as pool:
        list(pool.map(_make, urls))


def _make(url: str) -> None:
    store = open_store(url)
    store.migrate()
    store.check()
    store.close()


def test_a_failed_migration_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migrations are one transaction, on SQLite too: broken half-way, they leave no table."""
    database = Database(url)
    upgrade = command.upgrade

    def half_way(*arguments: Any) -> None:
        upgrade(*arguments)
        raise RuntimeError("power cut")

    monkeypatch.setattr(command, "upgrade", half_way)
    with pytest.raises(RuntimeError, match="power cut"):
        schema.migrate(database)
    with database.reading() as tx:
        assert {} == {kind: left for kind, left in described(tx).items() if left}
    database.close()


def test_migrating_leaves_the_logging_alone(url: str) -> None:
    """Alembic's usual set-up disables every logger there is; ours does not."""
    logger = logging.getLogger("keyturn.engine")
    store = open_store(url)
    store.migrate()
    store.close()
    assert not logger.disabled
    assert logging.getLogger("alembic").propagate


def test_there_is_no_way_back() -> None:
    """Migrations go forward only: none offers a downgrade, which would drop what only the newer tables hold."""
    scripts = list(ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions())
    assert scripts
    assert not any(hasattr(script.module, "downgrade") for script in scripts)


def test_the_migrations_are_numbered_in_order() -> None:
    """A migration's file begins with its number, by which a check knows what is newer: just as Alembic orders them."""
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    assert [script.revision for script in scripts.walk_revisions()][::-1] == schema.revisions()


def test_rows_show_no_secret() -> None:
    """A row's repr has no sealed key, no sealed secret, no wrapped data key."""
    certificate = a_certificate()
    shown = [
        repr(models.Certificates(**mapping.of_certificate(certificate, b"hidden"))),
        repr(models.Secrets(connection="acme", name="token", sealed=b"hidden", version=1)),
        repr(models.DataKeys(id=1, kek_id="kek", wrapped=b"hidden")),
    ]
    assert [] == [text for text in shown if "hidden" in text]
