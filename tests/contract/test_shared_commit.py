"""SQLite's one writer: threads that wait for it share a commit, and each returns only after that."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

import persistence
from persistence import shared_commit
from persistence.database import Database
from persistence.shared_commit import undo
from states.errors import NotFound, TryLater, Unknown

LIMIT = 30
"""Seconds after which a thread is stuck."""


class Writers:
    """Threads that write the numbers which a test names, in the order in which it starts them."""

    def __init__(self, file: Path) -> None:
        file.touch(0o600)
        self.database = Database(f"sqlite:///{file}")
        self.commits = 0
        self.fail_with: Exception | None = None
        self._pool = ThreadPoolExecutor(100)
        self._commit = self.database._writes._commit
        self.database._writes._commit = self._counted
        with self.database.writing() as tx:
            tx.exec_driver_sql("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
        self.commits = 0

    def _counted(self, tx: Connection) -> None:
        self.commits += 1
        if self.fail_with:
            raise self.fail_with
        self._commit(tx)

    def write(self, number: int, then: Callable[[Connection], None] = lambda _: None) -> None:
        with self.database.writing() as tx:
            tx.exec_driver_sql("INSERT INTO numbers VALUES (?)", (number,))
            then(tx)

    def at_once(self, *moves: Callable[[], None]) -> list[BaseException | None]:
        """Run moves in this order, so that each next one waits for the writer when one ends; return their errors."""
        first_has_it, go = threading.Event(), threading.Event()

        def first() -> None:
            with self.database.writing():
                first_has_it.set()
                assert go.wait(LIMIT)

        futures: list[Future[None]] = [self._pool.submit(first)]
        assert first_has_it.wait(LIMIT)
        for number, move in enumerate(moves, 1):
            futures.append(self._pool.submit(move))
            self._until(lambda wanted=number: self.database._writes._waiting == wanted)
        go.set()
        return [future.exception(LIMIT) for future in futures[1:]]

    def _until(self, holds: Callable[[], bool]) -> None:
        look = threading.Event()
        while not holds():
            look.wait(0.001)

    @property
    def committed(self) -> list[int]:
        """What another connection sees."""
        other = Database(f"sqlite:///{self.database._url.database}")
        with other.reading() as tx:
            found = list(tx.exec_driver_sql("SELECT number FROM numbers ORDER BY number").scalars())
        other.close()
        return found

    def close(self) -> None:
        self._pool.shutdown()
        self.database.close()


@pytest.fixture
def writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writers]:
    """Writers whose transactions are handed on however slow this machine is."""
    monkeypatch.setattr(shared_commit, "_LONGEST", LIMIT)
    made = Writers(tmp_path / "numbers.db")
    yield made
    made.close()


def moves(writers: Writers, count: int) -> list[Callable[[], None]]:
    return [lambda number=number: writers.write(number) for number in range(count)]


def test_threads_that_wait_share_a_commit(writers: Writers) -> None:
    """The moves of all that waited are committed at once, and all of them are stored."""
    assert [None] * 8 == writers.at_once(*moves(writers, 8))
    assert (1, list(range(8))) == (writers.commits, writers.committed)


def test_a_thread_alone_commits_at_once(writers: Writers) -> None:
    """Where no other thread waits, each move has its own commit."""
    writers.write(1)
    writers.write(2)
    assert (2, [1, 2]) == (writers.commits, writers.committed)


def test_no_move_returns_before_the_commit(writers: Writers) -> None:
    """What a move wrote is visible to another process when it returns, and not before the shared commit."""
    seen: dict[int, list[int]] = {}

    def move(number: int) -> None:
        writers.write(number, lambda _: seen.update({-number: writers.committed}))
        seen[number] = writers.committed

    assert [None] * 3 == writers.at_once(*(lambda number=number: move(number) for number in (1, 2, 3)))
    assert {number: [] for number in (-1, -2, -3)} | {number: [1, 2, 3] for number in (1, 2, 3)} == seen


def test_a_move_that_fails_takes_back_only_what_it_wrote(writers: Writers) -> None:
    """An error of a move goes to its own thread; the moves before and after it are committed."""

    def refuse(_: Connection) -> None:
        raise NotFound

    one, failing, three = writers.at_once(
        lambda: writers.write(1), lambda: writers.write(2, refuse), lambda: writers.write(3)
    )
    assert (None, NotFound, None) == (one, type(failing), three)
    assert (1, [1, 3]) == (writers.commits, writers.committed)


def test_a_move_that_takes_back_what_it_wrote_leaves_the_others(writers: Writers) -> None:
    """`undo` ends at the move's own savepoint."""
    assert [None] * 3 == writers.at_once(
        lambda: writers.write(1), lambda: writers.write(2, undo), lambda: writers.write(3)
    )
    assert [1, 3] == writers.committed


def test_a_failed_commit_is_unknown_for_every_move(writers: Writers) -> None:
    """No thread returns as if it had written; the next move works on a new connection."""
    writers.fail_with = OperationalError("COMMIT", {}, Exception("disk I/O error"))
    assert [Unknown] * 3 == [type(error) for error in writers.at_once(*moves(writers, 3))]
    assert writers.database.has_written
    writers.fail_with = None
    assert [] == writers.committed
    writers.write(7)
    assert [7] == writers.committed


def test_an_error_in_a_shared_transaction_that_fails_is_not_reported(writers: Writers) -> None:
    """A move that raised may have read what was never stored: that it is unknown comes first."""
    writers.fail_with = OperationalError("COMMIT", {}, Exception("disk I/O error"))

    def refuse(_: Connection) -> None:
        raise NotFound

    found = writers.at_once(lambda: writers.write(1), lambda: writers.write(2, refuse))
    assert [Unknown, Unknown] == [type(error) for error in found]


def test_a_database_that_fails_undoes_every_move_of_the_transaction(writers: Writers) -> None:
    """Before the commit nothing is unknown: each move was undone, and is tried later."""

    def lose(tx: Connection) -> None:
        tx.exec_driver_sql("ROLLBACK")  # as SQLite does by itself where the disk is full

    found = writers.at_once(lambda: writers.write(1), lambda: writers.write(2, lose))
    assert [TryLater, TryLater] == [type(error) for error in found]
    assert [] == writers.committed
    writers.write(3)
    assert [3] == writers.committed


def test_so_many_moves_share_a_commit_at_most(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    """One commit that is lost leaves a bounded number of moves unknown."""
    monkeypatch.setattr(shared_commit, "_MOST_MOVES", 4)
    assert [None] * 11 == writers.at_once(*moves(writers, 11))
    assert 3 == writers.commits  # the one that kept the writer, and eleven, by fours
    assert list(range(11)) == writers.committed


def test_a_transaction_is_not_handed_on_for_long(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first move of a transaction waits for the last one, so its time is bounded, too."""
    monkeypatch.setattr(shared_commit, "_LONGEST", -1)
    assert [None] * 3 == writers.at_once(*moves(writers, 3))
    assert 4 == writers.commits


def test_a_glance_sees_only_what_is_committed(writers: Writers) -> None:
    """A worker that asks whether it holds a rotation is not answered by a move that may never be stored."""
    seen: list[int] = []

    def glance() -> None:
        with writers.database.glancing() as tx:
            seen.append(tx.exec_driver_sql("SELECT count(*) FROM numbers").scalar_one())

    def let_another_glance(_: Connection) -> None:
        other = threading.Thread(target=glance)
        other.start()
        other.join(LIMIT)

    assert [None, None] == writers.at_once(lambda: writers.write(1), lambda: writers.write(2, let_another_glance))
    assert [0] == seen


@pytest.mark.parametrize("first", ["glance", "write"])
def test_a_database_that_was_replaced_is_noticed_at_once_by_all(writers: Writers, first: str) -> None:
    """Every connection to the earlier file is closed before one to the next file is opened, whichever notices it."""
    database = writers.database
    file = Path(str(database._url.database))
    writers.write(1)
    with database.glancing():
        pass
    copy = file.with_name("copy")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for log in ("-wal", "-shm"):
        file.with_name(file.name + log).rename(file.with_name("old" + log))
    copy.replace(file)
    if first == "glance":
        with database.glancing():
            pass
    writers.write(2)
    with database.glancing() as tx:
        assert [1, 2] == list(tx.exec_driver_sql("SELECT number FROM numbers ORDER BY number").scalars())
    assert [1, 2] == writers.committed
    assert file.with_name(file.name + "-wal").exists()  # the log of the next file, which no earlier connection deleted


def test_the_database_closes_between_transactions(writers: Writers) -> None:
    """Closing waits until the moves that share a transaction are committed."""
    closing = threading.Thread(target=writers.database.close)
    assert [None, None] == writers.at_once(
        lambda: writers.write(1, lambda _: closing.start()), lambda: writers.write(2)
    )
    closing.join(LIMIT)
    assert not closing.is_alive()
    assert [1, 2] == writers.committed


def test_every_move_takes_back_its_own_writing_alone() -> None:
    """A `rollback` in a move would end the transaction of all that share it: `undo` is for that."""
    own = ("shared_commit.py", "database.py")
    modules = [each for each in Path(persistence.__path__[0]).glob("*.py") if each.name not in own]
    assert [] == [each.name for each in modules if ".rollback(" in each.read_text("utf-8")]


def test_what_a_move_writes_by_a_session_is_stored(writers: Writers) -> None:
    """A session of SQLModel's belongs to the move: its end takes nothing back, whether the move shares or not."""

    def by_session(tx: Connection) -> None:
        with Session(tx) as session:
            session.execute(text("INSERT INTO numbers VALUES (7)"))
            session.flush()

    assert [None, None] == writers.at_once(lambda: writers.write(1), lambda: writers.write(2, by_session))
    assert [1, 2, 7] == writers.committed
