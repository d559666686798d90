# ruff: noqa: S608 - what is put into the SQL is the test's own
"""A copy of a checkpoint shows that histories were removed, or that the database was set back."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from support.factories import a_connection, an_id, begin
from support.stores import open_store
from support.vaults import a_vault

from persistence import checkpoints
from persistence.checkpoint import Checkpoint, read_lines
from persistence.store import Claim, Store
from states.errors import InvalidInput, JournalBroken
from states.state import State
from states.timing import CHECKPOINT_EVERY

REMOVE_ACME = (
    "DELETE FROM journal WHERE rotation_id IN (SELECT id FROM rotations WHERE connection = 'acme')",
    "DELETE FROM rotations WHERE connection = 'acme'",
    "DELETE FROM connections WHERE name = 'acme'",
)
"""A connection and everything that happened to it is gone, and nothing in the database refers to it."""


def tamper(store: Store, *statements: str) -> None:
    """Change the database behind the store's back."""
    with store._database.writing() as tx:
        for statement in statements:
            tx.execute(text(statement))


@pytest.fixture
def two_histories(store: Store) -> Store:
    """A store with a finished rotation of each of two connections."""
    store.connections.add(a_connection(name="other"))
    begin(store, State.COMPLETED, number=1)
    begin(store, State.COMPLETED, number=2, connection="other")
    return store


def test_a_checkpoint_counts_everything(two_histories: Store) -> None:
    """A checkpoint says how much the journal has, and is numbered from 1; its codes are the vault's."""
    first, second = two_histories.checkpoints.make(), two_histories.checkpoints.make()
    assert [(1, 10, 2), (2, 10, 2)] == [(each.number, each.entries, each.rotations) for each in (first, second)]
    assert two_histories.vault.is_authentic(first.content, first.code)
    assert first.head != second.head
    assert 2 == two_histories.checkpoints.verify([first, second])


def test_a_checkpoint_without_rotations(store: Store) -> None:
    """There is a checkpoint of an empty journal too: a copy of it shows a database that was replaced."""
    made = store.checkpoints.make()
    assert (0, 0) == (made.entries, made.rotations)
    assert 1 == store.checkpoints.verify([made])


def test_the_journal_goes_on_after_a_checkpoint(two_histories: Store) -> None:
    """A copy is compared with what the journal was then: open rotations go on, others begin, and it still fits."""
    store = two_histories
    claim = begin(store, State.KEY_GENERATED, number=3)
    first = store.checkpoints.make()
    store.rotations.advance(claim, claim.rotation, event="postponed", detail={}, lease=60)
    begin(store, number=4, connection="other")
    second = store.checkpoints.make()
    assert [(12, 3), (14, 4)] == [(each.entries, each.rotations) for each in (first, second)]
    assert 2 == store.checkpoints.verify([first, second])


def test_a_writer_works_while_the_histories_are_read(two_histories: Store, other: Store) -> None:
    """A checkpoint holds no lock while it reads the journals: another process appends to one meanwhile. The new entry
    is not covered; the next checkpoint covers it.
    """
    claim, appended = begin(other, number=3), list[Claim]()

    def read(*given: Any) -> None:
        if "JOIN journal" in given[2] and not appended:
            appended.append(other.rotations.advance(claim, claim.rotation, event="postponed", detail={}, lease=60))

    event.listen(two_histories._database._engine, "after_cursor_execute", read)
    first = two_histories.checkpoints.make()
    assert appended
    second = two_histories.checkpoints.make()
    assert [(1, 11, 3), (2, 12, 3)] == [(each.number, each.entries, each.rotations) for each in (first, second)]
    assert 2 == two_histories.checkpoints.verify([first, second])


def test_parts_of_two_processes_fit_together(
    two_histories: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many journals went on, a checkpoint is made in parts. Another process that makes one between two parts
    covers the rest, and goes on first; the last checkpoint of each covers everything.
    """
    begin(other, number=3)
    made: list[Checkpoint] = []
    after_first_part(two_histories, monkeypatch, lambda: made.append(other.checkpoints.make()))
    made.append(two_histories.checkpoints.make())
    assert [(11, 3)] * 2 == [(each.entries, each.rotations) for each in made]
    assert len(made) < made[0].number < made[1].number == two_histories.checkpoints.verify(made)
    tamper(two_histories, *REMOVE_ACME)
    with pytest.raises(JournalBroken, match="was removed"):
        two_histories.checkpoints.verify()


def test_two_workers_make_one_days_checkpoint(
    two_histories: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that comes second while the first one makes the day's checkpoint in parts leaves it to that one."""
    second: list[Checkpoint | None] = []
    after_first_part(two_histories, monkeypatch, lambda: second.append(other.checkpoints.make_after(CHECKPOINT_EVERY)))
    first = two_histories.checkpoints.make_after(CHECKPOINT_EVERY)
    assert [None] == second
    assert first
    assert (2, 10, 2) == (first.number, first.entries, first.rotations)


def test_an_interrupted_checkpoint_is_continued(two_histories: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that were made before an error are kept, and are intact; the next call goes on from there."""
    monkeypatch.setattr(checkpoints, "_PART", 1)
    tamper(two_histories, f"UPDATE rotations SET journal_seq = 6 WHERE id = '{an_id(2)}'")
    with pytest.raises(JournalBroken, match="cut off before entry 6"):
        two_histories.checkpoints.make()
    assert 1 == two_histories.checkpoints.verify()
    tamper(two_histories, f"UPDATE rotations SET journal_seq = 5 WHERE id = '{an_id(2)}'")
    assert (2, 10, 2) == ((made := two_histories.checkpoints.make()).number, made.entries, made.rotations)
    assert 2 == two_histories.checkpoints.verify([made])


def test_no_checkpoint_follows_one_that_was_changed(two_histories: Store) -> None:
    """What a checkpoint counts continues the newest one: where that was changed, none is made."""
    two_histories.checkpoints.make()
    tamper(two_histories, "UPDATE checkpoints SET entries = 9")
    with pytest.raises(JournalBroken, match=r"Checkpoint 1 of .* was changed"):
        two_histories.checkpoints.make()


def after_first_part(store: Store, monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Let ``do`` be done when ``store`` has made the first part of a checkpoint, of one journal."""
    append, done = store.checkpoints._append, list[None]()

    def appended(*given: Any) -> Checkpoint | None:
        made = append(*given)
        if not done:
            done.append(None)
            do()
        return made

    monkeypatch.setattr(checkpoints, "_PART", 1)
    monkeypatch.setattr(store.checkpoints, "_append", appended)


@pytest.fixture
def other(url: str) -> Iterator[Store]:
    """The store of another process."""
    opened = open_store(url)
    yield opened
    opened.close()


def test_removed_histories_show(two_histories: Store) -> None:
    """The chains do not show that all of a connection's rotations are gone. A checkpoint does, and names one."""
    two_histories.checkpoints.make()
    tamper(two_histories, *REMOVE_ACME)
    assert 5 == two_histories.journal.verify(), "what is left is intact"
    with pytest.raises(JournalBroken, match=f"journal of rotation {an_id(1)} was removed.*before entry 5"):
        two_histories.checkpoints.verify()


def test_removed_histories_show_by_a_copy_alone(two_histories: Store) -> None:
    """Where the record of them was removed too, the checkpoint does not fit; where that was, its copy shows it."""
    copy = two_histories.checkpoints.make()
    tamper(two_histories, *REMOVE_ACME, f"DELETE FROM checkpointheads WHERE rotation_id = '{an_id(1)}'")
    with pytest.raises(JournalBroken, match=r"Checkpoint 1 of .* does not fit the journal: entries .* were removed"):
        two_histories.checkpoints.verify()
    tamper(two_histories, "DELETE FROM checkpointheads", "DELETE FROM checkpoints")
    assert 0 == two_histories.checkpoints.verify(), "without a copy, nothing shows it"
    with pytest.raises(JournalBroken, match=r"histories were removed: it lacks checkpoint 1 .*; it has none\."):
        two_histories.checkpoints.verify([copy])
    two_histories.checkpoints.make()
    with pytest.raises(JournalBroken, match="set back to before checkpoint 1"):
        two_histories.checkpoints.verify([copy])


def test_a_database_set_back_shows(tmp_path: Path, store: Store, url: str) -> None:
    """An older copy of the database is intact in itself. It lacks the newest checkpoint, and makes another one."""
    if not url.startswith("sqlite"):
        pytest.skip("a file can be copied; the other tests set PostgreSQL back by statements")
    store.checkpoints.make()
    store.close()
    shutil.copy(tmp_path / "keyturn.db", tmp_path / "before.db")
    begin(store, State.COMPLETED)
    copy = store.checkpoints.make()
    store.close()
    old = open_store(f"sqlite:///{tmp_path}/before.db")
    with pytest.raises(JournalBroken, match=r"was set back.* lacks checkpoint 2 .*\(5 entries of 1 rotations\)"):
        old.checkpoints.verify([copy])
    old.checkpoints.make()
    with pytest.raises(JournalBroken, match="set back to before checkpoint 2"):
        old.checkpoints.verify([copy])
    old.close()


def test_a_forged_copy_shows(two_histories: Store) -> None:
    """A copy that someone else wrote, or changed, is not compared: the vault's keys did not make it."""
    copy = two_histories.checkpoints.make()
    forged = replace(copy, entries=3)
    for each in (forged, replace(forged, code=a_vault().authenticate(forged.content))):
        with pytest.raises(JournalBroken, match="is a forgery"):
            two_histories.checkpoints.verify([each])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE checkpoints SET entries = 9 WHERE number = 1", "Checkpoint 1 of .* was changed"),
        ("UPDATE checkpoints SET rotations = 9 WHERE number = 1", "Checkpoint 1 of .* was changed"),
        ("UPDATE checkpoints SET at = '2020-01-01 00:00:00.000000' WHERE number = 1", "Checkpoint 1 of .* was changed"),
        ("UPDATE checkpoints SET head = code WHERE number = 1", "Checkpoint 1 of .* does not fit"),
        ("UPDATE checkpoints SET code = '1-' || head WHERE number = 1", "Checkpoint 1 of .* was changed"),
        ("UPDATE checkpointheads SET seq = 4 WHERE seq = 5", "Checkpoint 1 of .* does not fit"),
        ("UPDATE checkpointheads SET checkpoint = 2", "Checkpoint 1 of .* does not fit"),
        ("DELETE FROM checkpoints WHERE number = 1", "Checkpoint 1 was removed"),
        ("DELETE FROM checkpoints", "Checkpoint 1 was removed"),
    ],
)
def test_a_changed_checkpoint_shows(two_histories: Store, change: str, message: str) -> None:
    """The stored checkpoints are checked like the journal."""
    two_histories.checkpoints.make()
    two_histories.checkpoints.make()
    tamper(two_histories, change)
    with pytest.raises(JournalBroken, match=message):
        two_histories.checkpoints.verify()


def test_one_checkpoint_a_day(store: Store) -> None:
    """Of several workers on one database one makes the day's checkpoint; by a clock that ran ahead there is none."""
    assert store.checkpoints.make_after(CHECKPOINT_EVERY)
    assert store.checkpoints.make_after(CHECKPOINT_EVERY) is None
    assert store.checkpoints.make_after(timedelta(0))
    made = store.checkpoints.make()
    ahead = replace(made, at=datetime(2124, 1, 1, tzinfo=UTC))
    code = store.vault.authenticate(ahead.content)
    tamper(
        store, f"UPDATE checkpoints SET at = '2124-01-01 00:00:00.000000', code = '{code}' WHERE number = {made.number}"
    )
    assert store.checkpoints.make_after(CHECKPOINT_EVERY)


def test_no_checkpoint_of_a_journal_that_was_cut_off(store: Store) -> None:
    """A checkpoint vouches for no journal whose end is gone."""
    begin(store, State.COMPLETED)
    tamper(store, "DELETE FROM journal WHERE seq = 5")
    with pytest.raises(JournalBroken, match=f"{an_id(1)} was removed, or cut off before entry 5"):
        store.checkpoints.make()
    assert 0 == store.checkpoints.verify()


def test_copies_are_found_in_any_text(two_histories: Store) -> None:
    """A checkpoint's line is found in a log, in JSON and alone, each once; one that was cut off is an error."""
    first, second = two_histories.checkpoints.make(), two_histories.checkpoints.make()
    lines = [f'{{"line": "{second.line}"}}', "unrelated", f"2026 INFO journal checkpoint line={first.line}", first.line]
    assert [first, second] == read_lines(lines)
    for line in (first.line[:-1], first.line.replace("T", "X"), f"{first.line}0"):
        with pytest.raises(InvalidInput, match="Line 2 holds a checkpoint that was cut off"):
            read_lines(["", line])
    with pytest.raises(InvalidInput, match="names the time 20269926"):
        read_lines([f"keyturn-checkpoint:1:20269926T000000.000000Z:1:1:{'0' * 64}:1-{'0' * 64}"])


def test_a_copy_says_what_it_is(two_histories: Store) -> None:
    """A checkpoint names itself by its number and time."""
    made: Checkpoint = two_histories.checkpoints.make()
    assert f"Checkpoint 1 of {made.at:%Y-%m-%d %H:%M:%S} UTC" == str(made)
