"""Errors: each has its own code, a message and a next action."""

import inspect
import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from support.advice import text

from states import errors
from states.errors import (
    AwaitingPerson,
    CertificateRecordMissing,
    KeyturnError,
    Refused,
    Rejected,
    Stale,
    Throttled,
    TryLater,
    Unknown,
)
from states.next_action import by_hand

EVERY = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KeyturnError)]
EACH = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
SORTS = (TryLater, Unknown, AwaitingPerson, Refused, Stale, Rejected)


def test_every_code_is_used_once() -> None:
    """Every class of error has a unique code."""
    shared = [code for code, times in Counter(kind.code for kind in EVERY).items() if times > 1]
    assert [] == shared


@EACH
def test_a_code_is_of_its_own_class(kind: type[KeyturnError]) -> None:
    """Every class of error defines its own code."""
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", vars(kind)["code"])


@EACH
def test_an_error_is_a_sentence(kind: type[KeyturnError]) -> None:
    """The default message is the first line of the class's docstring."""
    expected = (kind.__doc__ or "").strip().partition("\n")[0]
    assert expected == kind().message == str(kind())
    assert expected.endswith(".")


@EACH
def test_an_error_says_what_to_do_next(kind: type[KeyturnError]) -> None:
    """A default message is whole sentences without a command."""
    assert text(kind().next_action).endswith(".")
    reasons = [each.because for each in kind().next_action.walk()]
    assert [] == [reason for reason in reasons if "`" in reason or "keyturn" in reason]


@EACH
def test_a_message_of_ones_own_replaces_the_sentence(kind: type[KeyturnError]) -> None:
    """An error takes its own message and next action, and its class stays unchanged."""
    usual = kind.next_action
    mine = by_hand("Do so.")
    error = kind("It is so.", next_action=mine)
    assert ("It is so.", mine, "It is so.") == (error.message, error.next_action, str(error))
    assert usual == kind().next_action


@EACH
def test_each_error_is_of_one_sort(kind: type[KeyturnError]) -> None:
    """Every class except the base class belongs to exactly one sort, which decides what happens next."""
    assert (0 if kind is KeyturnError else 1) == sum(issubclass(kind, sort) for sort in SORTS)


@pytest.mark.parametrize("kind", [AwaitingPerson, *(kind for kind in EVERY if issubclass(kind, Refused))])
def test_a_persons_part_is_named(kind: type[KeyturnError]) -> None:
    """If a person must act, the next action says more than to read the log."""
    assert KeyturnError.next_action != kind().next_action


def test_the_vendors_sentence_is_kept() -> None:
    """The message is the vendor's exact text, which administrators search for."""
    assert 'Certificate "custcertificate_oa_realtime" not found.' == CertificateRecordMissing().message


def test_how_long_to_wait_is_kept() -> None:
    """`retry_after` is in seconds, or None."""
    assert (30.0, None) == (Throttled(retry_after=30.0).retry_after, TryLater().retry_after)


def test_the_first_line_is_the_message() -> None:
    """Only the first line of a docstring is the message."""

    class Odd(Refused):
        """It is odd.

        The reason is unknown.
        """

    assert "It is odd." == Odd().message


def test_when_trouble_will_be_over() -> None:
    """A TryLater can have the seconds to wait and the time when its reason ends."""
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    error = TryLater(retry_after=3.0, over_at=moment)
    assert (3.0, moment) == (error.retry_after, error.over_at)
    assert (None, None) == (TryLater().retry_after, TryLater().over_at)
