"""The one writer that SQLite has, and the commits that this process's threads share.

A commit waits for the disk, which takes longer than the statements before it. So a thread that has done its move while
another one waits for the writer does not commit: it hands the open transaction on. The last one commits for all of
them, and each returns only after that commit (docs/decisions/0032-shared-commits.md).

- A move that follows others in a transaction is in a savepoint of its own. What it raises takes back nothing else.
- Each move returns, or raises what it raised, after the commit, also where it wrote nothing: what it read may come from
  a move before it that was not on the disk yet.
- Where the transaction fails, it fails for all of them: undone for certain before the commit, unknown during it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_MOST_MOVES: Final = 64
"""So many moves share a commit at most: it bounds what one lost commit leaves unknown."""
_LONGEST: Final = 0.005
"""Seconds for which a transaction is handed on at most: about a sync. Its first move waits for its last."""


class CommitFailed(Exception):
    """The transaction that a move was part of failed."""

    def __init__(self, reason: BaseException, *, is_unknown: bool) -> None:
        super().__init__(str(reason))
        self.reason = reason
        """What the move or the commit that failed raised."""
        self.is_unknown = is_unknown
        """Whether it may have been committed; otherwise it was undone for certain."""


class _Transaction:
    """One transaction, from BEGIN to its end."""

    def __init__(self, tx: Connection) -> None:
        self.tx: Final = tx
        self.began: Final = time.monotonic()
        self.moves = 0
        self.is_over = False
        self.failure: CommitFailed | None = None


_IS_SHARED: Final = "keyturn.is_shared"
"""In a connection's `info`: whether the move that has it follows others, and so is in a savepoint."""


def undo(tx: Connection) -> None:
    """Take back what the current move has written so far; it needs no commit then. Other threads' moves remain."""
    if tx.info.get(_IS_SHARED):
        tx.exec_driver_sql("ROLLBACK TO move")
    else:
        tx.rollback()


class SharedCommit:
    """The writer's queue; safe to share between threads."""

    def __init__(
        self, begin: Callable[[], Connection], commit: Callable[[Connection], None], drop: Callable[[], None]
    ) -> None:
        """``begin`` opens a transaction that may write, ``commit`` commits it, ``drop`` closes its connection after an
        error. All are called by the one thread that has the writer.
        """
        self._begin = begin
        self._commit = commit
        self._drop = drop
        lock = Lock()
        self._free = Condition(lock)
        """Wakes a thread that waits for the writer."""
        self._ended = Condition(lock)
        """Wakes the threads that wait for the end of a transaction, or that have to end it."""
        self._idle = Condition(lock)
        """Wakes a thread that waits until no transaction is open."""
        self._lock = lock
        self._is_taken = False
        self._waiting = 0
        self._reserved = 0
        """How many threads wait until no transaction is open. No new one begins meanwhile."""
        self._open: _Transaction | None = None

    @contextmanager
    def move(self) -> Iterator[Connection]:
        """Run the block as one move: it has the writer alone, and is committed when this returns.

        Raises CommitFailed where the transaction failed through another move, or in the commit.
        """
        transaction = self._enter()
        try:
            with _savepoint(transaction):
                yield transaction.tx
        except DBAPIError as error:
            # The database failed, not the move: SQLite may have rolled back everything, and the connection is not
            # trusted with what came before either.
            self._end(transaction, CommitFailed(error, is_unknown=False))
            raise
        except BaseException as error:
            self._leave(transaction, waits=isinstance(error, Exception))
            raise
        self._leave(transaction)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Run the block while no transaction is open."""
        with self._lock:
            self._reserved += 1
            try:
                self._idle.wait_for(lambda: not self._is_taken and self._open is None)
                self._is_taken = True
            finally:
                self._reserved -= 1
        try:
            yield
        finally:
            with self._lock:
                self._release()

    def _enter(self) -> _Transaction:
        """Wait for the writer; return the transaction that was handed on, or a new one."""
        with self._lock:
            self._waiting += 1
            is_next = False
            try:
                self._free.wait_for(lambda: not self._is_taken and (self._open is not None or not self._reserved))
                self._is_taken = is_next = True
            finally:
                self._waiting -= 1
                if not is_next:  # interrupted: another thread goes on, or one that has handed on has to commit
                    self._free.notify()
                    self._ended.notify_all()
        try:
            if self._open is None:
                self._open = _Transaction(self._begin())
            self._open.moves += 1
        except BaseException:
            with self._lock:
                self._release()
            raise
        return self._open

    def _leave(self, transaction: _Transaction, *, waits: bool = True) -> None:
        """Hand the transaction on, or commit it; return after its end. Raises CommitFailed."""
        if not transaction.tx.in_transaction():
            if transaction.moves == 1:  # it took back what it wrote, and had the transaction for itself
                self._end(transaction)
                return
            self._end(transaction, CommitFailed(RuntimeError("A move ended the transaction."), is_unknown=False))
        elif not self._handed_on(transaction, waits=waits):
            self._commit_for_all(transaction)
        if waits and (failed := transaction.failure):
            # A new one for each thread: a traceback is written into the exception.
            raise CommitFailed(failed.reason, is_unknown=failed.is_unknown) from failed.reason

    def _handed_on(self, transaction: _Transaction, *, waits: bool) -> bool:
        """Let the next thread go on with the transaction, and wait for its end. Return False where this thread has to
        commit: no other one waits, or the transaction has had its share.
        """
        with self._lock:
            is_full = transaction.moves >= _MOST_MOVES or time.monotonic() - transaction.began > _LONGEST
            if is_full or self._reserved or not self._waiting:
                return False
            self._release()
            if waits:
                self._ended.wait_for(lambda: transaction.is_over or not (self._is_taken or self._waiting))
            if not waits or transaction.is_over:
                return True
            self._is_taken = True  # those that waited were interrupted
            return False

    def _commit_for_all(self, transaction: _Transaction) -> None:
        try:
            self._commit(transaction.tx)
        except DBAPIError as error:
            self._end(transaction, CommitFailed(error, is_unknown=True))
        except BaseException as error:
            self._end(transaction, CommitFailed(error, is_unknown=True))
            raise
        else:
            self._end(transaction)

    def _end(self, transaction: _Transaction, failure: CommitFailed | None = None) -> None:
        """Let all go whose moves the transaction has; give the writer to the next thread."""
        try:
            if failure:
                self._drop()
        finally:
            with self._lock:
                transaction.failure, transaction.is_over, self._open = failure, True, None
                self._release()

    def _release(self) -> None:
        """Give the writer to the next thread. The lock is held."""
        self._is_taken = False
        self._free.notify()
        if self._open is None:
            self._idle.notify()
            self._ended.notify_all()


@contextmanager
def _savepoint(transaction: _Transaction) -> Iterator[None]:
    """The savepoint of a move that follows others. The first one of a transaction needs none.

    SQLAlchemy must not know of it: a Session that joins one of its savepoints makes another one, and at its end takes
    back what it has written.
    """
    tx = transaction.tx
    is_shared = transaction.moves > 1
    if is_shared:
        tx.exec_driver_sql("SAVEPOINT move")
    tx.info[_IS_SHARED] = is_shared
    try:
        yield
        if is_shared:
            tx.exec_driver_sql("RELEASE move")
    except BaseException:
        undo(tx)
        if is_shared:
            tx.exec_driver_sql("RELEASE move")
        raise
