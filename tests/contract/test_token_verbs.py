"""The verbs on tokens: what is made and stored, which secrets are accepted, and what is said of it."""

import hashlib
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from contract.test_journal import tamper
from support.clock import FakeClock
from support.factories import NOW

from orchestrator.events import Event, TokenAdded, TokenRevoked
from orchestrator.operations.tokens import DAYS, Tokens
from persistence.store import Store
from states.access import Role
from states.errors import InvalidInput, TryLater

MONTH = 30


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> list[Event]:
    """What listeners receive."""
    return []


@pytest.fixture
def tokens(store: Store, clock: FakeClock, events: list[Event]) -> Tokens:
    return Tokens(store, clock, events.append)


def test_a_token_is_made_and_its_hash_is_stored(store: Store, tokens: Tokens, events: list[Event]) -> None:
    """A token has what was asked for, and a secret of 256 random bits; only the secret's hash is stored."""
    made, other = (tokens.add(name, Role.VIEWER, days=MONTH, actor="ada") for name in ("nightly", "other"))
    token = made.token
    expires = NOW + timedelta(days=MONTH)
    assert ("nightly", Role.VIEWER, NOW, "ada", expires) == (
        *(token.name, token.role, token.created_at, token.created_by, token.expires_at),
    )
    assert hashlib.sha256(made.secret.encode()).hexdigest() == token.digest
    assert made.secret.startswith("keyturn_")
    assert 43 == len(made.secret.removeprefix("keyturn_"))
    assert made.secret != other.secret
    assert [(token, True), (other.token, True)] == store.tokens.all()
    assert [TokenAdded("nightly", Role.VIEWER, expires, "ada"), TokenAdded("other", Role.VIEWER, expires, "ada")] == (
        events
    )
    assert made.secret not in repr(made)
    assert 90 == DAYS


@pytest.mark.parametrize(
    ("days", "is_legal"), [(-1, False), (0, False), (1, True), (366, True), (367, False), (10**12, False)]
)
def test_a_life_is_one_to_366_days(store: Store, tokens: Tokens, *, days: int, is_legal: bool) -> None:
    """A life of another length is refused, and nothing is stored."""
    if is_legal:
        tokens.add("nightly", Role.VIEWER, days=days, actor="ada")
    else:
        with pytest.raises(InvalidInput, match=r"^A token expires after 1 to 366 days\.$"):
            tokens.add("nightly", Role.VIEWER, days=days, actor="ada")
    assert is_legal == bool(store.tokens.all())


def test_a_secret_is_accepted_until_its_token_ends(tokens: Tokens, clock: FakeClock, events: list[Event]) -> None:
    """A secret is accepted until its token expires or is revoked; its use is noted; no other text is accepted."""
    made = tokens.add("nightly", Role.OPERATOR, days=1, actor="ada")
    for none in ("", "keyturn_", made.secret[:-1], made.secret + "x", "keyturn_" + "x" * 300, "\ud800"):
        assert tokens.accepted(none) is None
    clock.advance(60)
    assert made.token == tokens.accepted(made.secret)
    (listed,) = tokens.all()
    assert (clock.now(), True, True) == (listed.token.used_at, listed.is_valid, listed.is_authentic)
    clock.moment = made.token.expires_at
    assert tokens.accepted(made.secret) is None
    assert [(False, True)] == [(each.is_valid, each.is_authentic) for each in tokens.all()]
    tokens.revoke("nightly", actor="bob")
    assert ([], TokenRevoked("nightly", "bob")) == (tokens.all(), events[-1])
    clock.moment = NOW
    assert tokens.accepted(made.secret) is None


def test_a_text_that_is_too_long_is_not_looked_up(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of more than 200 characters reaches no database."""
    asked: list[str] = []
    monkeypatch.setattr(tokens._store.tokens, "find", asked.append)
    assert [None, None] == [tokens.accepted("x" * 201), tokens.accepted("x" * 10_000)]
    assert [] == asked
    tokens.accepted("x" * 200)
    assert [hashlib.sha256(b"x" * 200).hexdigest()] == asked


def test_a_forged_token_is_refused_and_logged(store: Store, tokens: Tokens, caplog: pytest.LogCaptureFixture) -> None:
    """The log says at error level which token was changed; the list shows that it is not valid."""
    made = tokens.add("nightly", Role.VIEWER, days=1, actor="ada")
    tamper(store, "UPDATE tokens SET role = 'administrator'")
    assert tokens.accepted(made.secret) is None
    (record,) = (each for each in caplog.records if each.name == "keyturn.tokens")
    assert ("token refused", logging.ERROR) == (record.message, record.levelno)
    assert ("TAMPERED", "Token nightly was changed outside Keyturn; it is not accepted.") == (
        *(record.__dict__["code"], record.__dict__["reason"]),
    )
    assert [(False, False)] == [(each.is_valid, each.is_authentic) for each in tokens.all()]


def test_a_use_that_cannot_be_noted_refuses_no_one(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that cannot be written is no reason to refuse a reader; the log says so."""
    made = tokens.add("nightly", Role.VIEWER, days=1, actor="ada")
    monkeypatch.setattr(tokens._store.tokens, "note_use", _raise(TryLater("The database is read-only.")))
    assert made.token == tokens.accepted(made.secret)
    (record,) = (each for each in caplog.records if each.name == "keyturn.tokens")
    assert ("use of a token not noted", logging.WARNING) == (record.message, record.levelno)
    assert ("TRY_LATER", "The database is read-only.") == (record.__dict__["code"], record.__dict__["reason"])


def _raise(error: Exception) -> Callable[..., None]:
    def work(*_: object) -> None:
        raise error

    return work
