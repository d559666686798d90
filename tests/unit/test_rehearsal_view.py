"""What a verb would do, in words and as JSON."""

from datetime import timedelta

import pytest

from orchestrator.operations.rehearsal import ExpectedSkew, Rehearsal
from orchestrator.views.rehearsal import rehearsal_json, skew_text
from states.next_action import Verb

USUAL, LONGEST = timedelta(milliseconds=120), timedelta(seconds=75)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (ExpectedSkew(USUAL, USUAL, 1), "0.12 s, by the last rotation"),
        (ExpectedSkew(USUAL, LONGEST, 5), "0.12 s usually and 75 s at most, by the last 5 rotations"),
    ],
)
def test_how_long_imports_may_be_refused(expected: ExpectedSkew, text: str) -> None:
    """The usual and the longest time are named, and how many rotations they come from."""
    assert text == skew_text(expected)


def test_json() -> None:
    """The expected skew is in seconds; it is null where it is not known."""
    shown = Rehearsal(verb=Verb.ROTATE, connection="acme", rotation=None, seen=(), sends=(), ends="Both.")
    assert rehearsal_json(shown)["expected_skew"] is None
    known = Rehearsal(
        verb=Verb.ROTATE,
        connection="acme",
        rotation=None,
        seen=(),
        sends=(),
        ends="Both.",
        skew=ExpectedSkew(USUAL, LONGEST, 5),
    )
    expected = {"median_seconds": 0.12, "longest_seconds": 75.0, "rotations": 5}
    assert expected == rehearsal_json(known)["expected_skew"]
