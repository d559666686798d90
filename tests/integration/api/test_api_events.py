"""The events of one rotation and of all, over real HTTP."""

from itertools import islice

from integration.api.api_calls import fed
from integration.fixture_types import Rotate
from support.api import Program
from support.environment import NAME

from orchestrator.bootstrap import Keyturn


def test_all_rotations_are_followed(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """A stream of all rotations begins with what is written from now on, or after the last event that a program has;
    it sends each entry once, with its connection, while it is written.
    """
    before = rotate()
    whole = list(fed(operator.get("/events?follow=false", Last_Event_ID="0")))
    assert [each.seq for each in app.rotations.journal(before.id)] == [entry["seq"] for _, entry in whole]
    assert [] == list(fed(operator.get("/events?follow=false")))
    assert whole[2:] == list(fed(operator.get("/events?follow=false", Last_Event_ID=whole[1][0])))
    with operator.stream("/events") as answer:
        stream = fed(answer)
        done = rotate()
        expected = app.rotations.journal(done.id)
        found = list(islice(stream, len(expected)))
    assert [(NAME, done.id, each.seq) for each in expected] == [
        (entry["connection"], entry["rotation"], entry["seq"]) for _, entry in found
    ]
    assert found[3:] == list(fed(operator.get("/events?follow=false", Last_Event_ID=found[2][0])))


def test_a_stream_begins_at_a_place_of_this_journal(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """A place that the journal never had is refused: what follows it is not known."""
    rotate()
    for wrong, status in (("x", 422), ("1.2", 422), (f"{10**17}", 412), (f"1.{app.rotations.show(NAME).id}.99", 412)):
        answer = operator.get("/events", Last_Event_ID=wrong)
        assert status == answer.status_code, answer.text
