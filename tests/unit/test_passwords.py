"""Passwords: bounded, and no faster for a name that no account has."""

import threading

import pytest
from argon2 import PasswordHasher

from orchestrator import passwords
from orchestrator.passwords import Passwords
from states.errors import Busy, InvalidInput

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"


class CountingHasher(PasswordHasher):
    """Counts what it verifies."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override] # noqa: A002
        self.verified.append(str(password))
        return super().verify(hash, password)


def test_a_password_is_recognized() -> None:
    """A hash is of one password, and never the same twice."""
    tried = Passwords(CHEAP)
    first, second = tried.hash(PASSWORD), tried.hash(PASSWORD)
    assert first != second
    assert [True, True, False, False] == [
        tried.is_right(PASSWORD, first),
        tried.is_right(PASSWORD, second),
        tried.is_right(f"{PASSWORD} ", first),
        tried.is_right(PASSWORD, "no hash"),
    ]


@pytest.mark.parametrize("length", [0, 11, 201])
def test_lengths_that_are_none(length: int) -> None:
    """A password has 12 to 200 characters."""
    with pytest.raises(InvalidInput, match="12 to 200"):
        Passwords(CHEAP).hash("x" * length)


def test_no_account_takes_as_long() -> None:
    """Where there is no account, a hash with the same parameters is verified, and the answer is no."""
    hasher = CountingHasher()
    tried = Passwords(hasher)
    stored = tried.hash(PASSWORD)
    assert [True, False] == [tried.is_right(PASSWORD, each) for each in (stored, None)]
    assert [PASSWORD, PASSWORD] == hasher.verified
    decoy = tried._of_no_one()
    assert stored.rpartition("$")[0].rpartition("$")[0] == decoy.rpartition("$")[0].rpartition("$")[0]


def test_verifications_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two run at once; another waits for a while, and is refused; afterwards there is room again."""
    monkeypatch.setattr(passwords, "_LONGEST_WAIT", 0.05)
    entered, leave = threading.Semaphore(0), threading.Event()

    class Slow(CountingHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override] # noqa: A002
            entered.release()
            leave.wait(60)
            return super().verify(hash, password)

    tried = Passwords(Slow())
    stored = tried.hash(PASSWORD)
    running = [threading.Thread(target=tried.is_right, args=(PASSWORD, stored)) for _ in range(2)]
    for each in running:
        each.start()
        entered.acquire()
    with pytest.raises(Busy):
        tried.is_right(PASSWORD, stored)
    leave.set()
    for each in running:
        each.join()
    assert tried.is_right(PASSWORD, stored)
