"""The live view of a rotation: times and durations come from the journal, the current skew from the clock."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from rich.console import Console
from support.factories import NOW, a_rotation, next_move
from support.vaults import VAULT

from orchestrator.cli.live import drawn
from orchestrator.views import timeline
from orchestrator.views.journal import last_postponement, legs
from persistence.journal import POSTPONED, REQUEST, UNKNOWN, Entry, Head, append
from states import machine
from states.errors import CannotSign
from states.rotation import Rotation
from states.state import State
from states.table import FAIL, NEXT, RESUME

SECOND = timedelta(seconds=1)


def rendered_lines(rotation: Rotation, journal: list[Entry], now: datetime, failed_attempt: str = "") -> list[str]:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(drawn(rotation, journal, now, failed_attempt))
    return [line.rstrip() for line in capture.get().splitlines()]


def journal_of(moves: Iterable[tuple[str, Rotation, Rotation | None]]) -> list[Entry]:
    """Return the journal of these moves: event, rotation after it, rotation before it."""
    head, entries = Head(0, "0" * 64), []
    for event, after, before in moves:
        entry = append(
            VAULT,
            head,
            after,
            event=event,
            actor="ada",
            source=before.state if before else None,
            detail={"cause": "manual"},
        )
        head = entry.head
        entries.append(entry)
    return entries


def rotation_after(*seconds: float) -> tuple[Rotation, list[Entry]]:
    """Return a rotation that made one move after each of these seconds, and its journal."""
    rotation, at = a_rotation(), NOW
    moves: list[tuple[str, Rotation, Rotation | None]] = [(REQUEST, rotation, None)]
    for span in seconds:
        at += span * SECOND
        after = next_move(rotation, now=at)
        moves.append((NEXT[rotation.state].trigger, after, rotation))
        rotation = after
    return rotation, journal_of(moves)


def test_view_of_an_open_rotation() -> None:
    """A done state has a tick and its duration, the current state its duration so far and the skew."""
    rotation, journal = rotation_after(0.25, 0.5)
    assert [
        f"acme  {rotation.id}",
        "✓  Requested           12:00:00.123  0.25 s",
        "✓  KeyGenerated        12:00:00.373  0.50 s",
        "●  UploadedToNetSuite  12:00:00.873  2.00 s  skew 2.00 s",
        "○  SavedToOpenAir",
        "○  Completed",
    ] == rendered_lines(rotation, journal, NOW + 2.75 * SECOND)


def test_steps_are_named_in_words() -> None:
    """What goes on is said in the glossary's words, for each step of the table."""
    rotation, journal = rotation_after(0.25)
    shown = rendered_lines(rotation, journal, NOW + SECOND)[2]
    assert shown.endswith("upload to NetSuite …")
    assert {edge.trigger for edge in NEXT.values()} == set(timeline.STEPS)
    assert not any("_" in words for words in timeline.STEPS.values())


def test_view_of_a_completed_rotation() -> None:
    """A completed rotation has a tick at every state, and its skew no longer grows."""
    rotation, journal = rotation_after(1, 1, 3, 1)
    lines = rendered_lines(rotation, journal, NOW + 3600 * SECOND)
    assert ["✓"] * 5 == [line[0] for line in lines[1:]]
    assert "✓  UploadedToNetSuite  12:00:02.123  3.00 s  skew 3.00 s" == lines[3]


def test_view_of_a_parked_rotation() -> None:
    """A parked rotation has a cross and the error code at the state where it failed."""
    before, _ = rotation_after(1)
    parked = machine.fail(before, CannotSign(), NOW + 2 * SECOND)
    journal = journal_of(
        [(REQUEST, a_rotation(), None), ("generate_key", before, a_rotation()), (FAIL, parked, before)]
    )
    line = rendered_lines(parked, journal, NOW + 3 * SECOND)[2]
    assert ("✗  KeyGenerated", True) == (line[:15], line.endswith("CANNOT_SIGN"))


def test_view_shows_the_reason_for_waiting() -> None:
    """Below the states is the reason for the wait and its length, or the attempt that just failed."""
    rotation, journal = rotation_after(1)
    waiting = replace(rotation, waiting_for="NetSuite is down.", available_at=NOW + 90 * SECOND)
    assert "NetSuite is down. Again in 80 s." == rendered_lines(waiting, journal, NOW + 10 * SECOND)[-1]
    assert "try 2 failed" == rendered_lines(waiting, journal, NOW + 10 * SECOND, "try 2 failed")[-1]


def test_view_of_a_rotation_that_waits_for_a_person() -> None:
    """If the rotation waits for a person, the view shows a command that fits on a line."""
    rotation, journal = rotation_after(1, 1)
    reason = "A person has to save the certificate."
    waiting = replace(
        rotation,
        waiting_for=reason,
        awaits_person=True,
        available_at=NOW + 3600 * SECOND,
    )
    detail: dict[str, object] = {"code": "AWAITING_PERSON", "message": reason}
    note = append(VAULT, journal[-1].head, waiting, event=POSTPONED, actor="w1", source=waiting.state, detail=detail)
    lines = rendered_lines(waiting, [*journal, note], NOW)
    assert [f"{reason} Again in 60 min. What to do:", f"`keyturn rotation explain {rotation.id}`"] == lines[-2:]


def test_resuming_does_not_restart_the_clock() -> None:
    """A state's duration counts from its first entry, through parking and resuming."""
    before, _ = rotation_after(1)
    parked = machine.fail(before, CannotSign(), NOW + 5 * SECOND)
    resumed = machine.resume(parked, NOW + 60 * SECOND)
    journal = journal_of(
        [
            (REQUEST, a_rotation(), None),
            ("generate_key", before, a_rotation()),
            (FAIL, parked, before),
            (RESUME, resumed, parked),
        ]
    )
    leg = legs(journal)[1]
    assert (State.KEY_GENERATED, timedelta(seconds=99)) == (leg.state, leg.spent(NOW + 100 * SECOND))


def test_last_reason_for_a_postponement() -> None:
    """The last reason for a postponement counts; without one the result is empty."""
    rotation, journal = rotation_after(1)
    first, second = (
        append(
            VAULT,
            journal[-1].head,
            rotation,
            event=POSTPONED,
            actor="w1",
            source=rotation.state,
            detail={"code": code, "message": f"{code}."},
        )
        for code in ("TRY_LATER", "THROTTLED")
    )
    assert (("", ""), ("THROTTLED", "THROTTLED.")) == (
        last_postponement(journal),
        last_postponement([*journal, first, second]),
    )


def entry_text(event: str, detail: dict[str, object]) -> str:
    """Return one entry as text."""
    rotation, journal = rotation_after(1)
    source = None if event == REQUEST else rotation.state
    entry = append(VAULT, journal[-1].head, rotation, event=event, actor="w1", source=source, detail=detail)
    return timeline.describe(entry, journal[-1])


UNTIL = "2026-11-23T12:03:00.123456+00:00"


def test_text_of_a_lost_answer() -> None:
    """A lost answer shows which request was sent, until when it may take effect, and the error."""
    detail = {"write": "install", "until": UNTIL, "code": "UNKNOWN_OUTCOME", "message": "The connection was reset."}
    expected = "answer to the install lost, it may take effect until 2026-11-23 12:03:00 UTC"
    assert f"{expected} [UNKNOWN_OUTCOME]: The connection was reset." == entry_text(UNKNOWN, detail)


def test_text_of_a_settled_doubt() -> None:
    """A move out of doubt shows what was read in both systems."""
    looks = ["OpenAir holds another certificate.", "OpenAir holds the candidate."]
    _, journal = rotation_after(1, 2)
    settled = replace(journal[-1], detail={"looks": looks})
    assert f"after 2.00 s: {' '.join(looks)}" == timeline.describe(settled, journal[-2])
    assert " ".join(looks) == timeline.remark(settled)
    assert "" == timeline.remark(journal[-1])


def test_text_of_a_held_off_request() -> None:
    """The first entry of a rotation that waits for an earlier request says so."""
    message = "A write of rotation 01JD may take effect until 2026-11-23 12:03:00 UTC."
    detail: dict[str, object] = {"cause": "manual", "until": UNTIL, "code": "HELD_OFF", "message": message}
    assert f"manual, asked by w1, not begun before 2026-11-23 12:03:00 UTC [HELD_OFF]: {message}" == entry_text(
        REQUEST, detail
    )
    assert "manual, asked by w1" == entry_text(REQUEST, {"cause": "manual"})
