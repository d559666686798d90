"""A rotation's states, drawn: times and durations from the journal, the skew by the clock."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from rich.console import Console
from support.factories import NOW, a_rotation, next_move

from orchestrator.cli import timeline
from orchestrator.cli.live import drawn
from persistence.journal import PUT_OFF, REQUEST, UNKNOWN, Entry, Head, append
from states import machine
from states.errors import CannotSign
from states.rotation import Rotation
from states.state import State
from states.table import FAIL, NEXT, RESUME

SECOND = timedelta(seconds=1)


def on_paper(rotation: Rotation, journal: list[Entry], now: datetime, told: str = "") -> list[str]:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(drawn(rotation, journal, now, told))
    return [line.rstrip() for line in capture.get().splitlines()]


def written(moves: Iterable[tuple[str, Rotation, Rotation | None]]) -> list[Entry]:
    """The journal of these moves: event, the rotation after it, and before it."""
    head, entries = Head(0, "0" * 64), []
    for event, after, before in moves:
        entry = append(
            head, after, event=event, actor="ada", source=before.state if before else None, detail={"cause": "manual"}
        )
        head = entry.head
        entries.append(entry)
    return entries


def path(*seconds: float) -> tuple[Rotation, list[Entry]]:
    """A rotation that made one move after each of these spans, and its journal."""
    rotation, at = a_rotation(), NOW
    moves: list[tuple[str, Rotation, Rotation | None]] = [(REQUEST, rotation, None)]
    for span in seconds:
        at += span * SECOND
        after = next_move(rotation, now=at)
        moves.append((NEXT[rotation.state].trigger, after, rotation))
        rotation = after
    return rotation, written(moves)


def test_way_of_a_rotation_under_way() -> None:
    """What is done is ticked with the time it took; where it stands ticks on, with the skew; the rest is to come."""
    rotation, journal = path(0.25, 0.5)
    assert [
        f"acme  {rotation.id}",
        "✓  Requested           12:00:00.123  0.25 s",
        "✓  KeyGenerated        12:00:00.373  0.50 s",
        "●  UploadedToNetSuite  12:00:00.873  2.00 s  skew 2.00 s",
        "○  SavedToOpenAir",
        "○  Completed",
    ] == on_paper(rotation, journal, NOW + 2.75 * SECOND)


def test_way_of_a_completed_rotation() -> None:
    """A completed rotation has every state ticked, and its skew stands still."""
    rotation, journal = path(1, 1, 3, 1)
    lines = on_paper(rotation, journal, NOW + 3600 * SECOND)
    assert ["✓"] * 5 == [line[0] for line in lines[1:]]
    assert "✓  UploadedToNetSuite  12:00:02.123  3.00 s  skew 3.00 s" == lines[3]


def test_way_of_a_parked_rotation() -> None:
    """A parked rotation is crossed out where it failed, with the code."""
    before, _ = path(1)
    parked = machine.fail(before, CannotSign(), NOW + 2 * SECOND)
    journal = written([(REQUEST, a_rotation(), None), ("generate_key", before, a_rotation()), (FAIL, parked, before)])
    line = on_paper(parked, journal, NOW + 3 * SECOND)[2]
    assert ("✗  KeyGenerated", True) == (line[:15], line.endswith("CANNOT_SIGN"))


def test_what_is_waited_for() -> None:
    """Below the states stands what is waited for and for how long, or the try that failed just now."""
    rotation, journal = path(1)
    waiting = replace(rotation, waiting_for="NetSuite is down.", available_at=NOW + 90 * SECOND)
    assert "NetSuite is down. Again in 80 s." == on_paper(waiting, journal, NOW + 10 * SECOND)[-1]
    assert "try 2 failed" == on_paper(waiting, journal, NOW + 10 * SECOND, "try 2 failed")[-1]


def test_what_a_person_is_waited_for() -> None:
    """What a person has to do is named by a command that fits into a line, since the drawing breaks longer ones."""
    rotation, journal = path(1, 1)
    told = "A person has to save the certificate."
    waiting = replace(
        rotation,
        waiting_for=told,
        awaits_person=True,
        available_at=NOW + 3600 * SECOND,
    )
    detail: dict[str, object] = {"code": "AWAITING_PERSON", "message": told}
    note = append(journal[-1].head, waiting, event=PUT_OFF, actor="w1", source=waiting.state, detail=detail)
    lines = on_paper(waiting, [*journal, note], NOW)
    assert [f"{told} Again in 60 min. What to do:", f"`keyturn rotation explain {rotation.id}`"] == lines[-2:]


def test_resuming_does_not_restart_the_clock() -> None:
    """A state's time counts from when the rotation first got there, through parking and resuming."""
    before, _ = path(1)
    parked = machine.fail(before, CannotSign(), NOW + 5 * SECOND)
    resumed = machine.resume(parked, NOW + 60 * SECOND)
    journal = written(
        [
            (REQUEST, a_rotation(), None),
            ("generate_key", before, a_rotation()),
            (FAIL, parked, before),
            (RESUME, resumed, parked),
        ]
    )
    leg = timeline.legs(journal)[1]
    assert (State.KEY_GENERATED, timedelta(seconds=99)) == (leg.state, leg.spent(NOW + 100 * SECOND))


def test_last_reason_for_putting_off() -> None:
    """Of several reasons the last one counts; without any there is none."""
    rotation, journal = path(1)
    first, second = (
        append(
            journal[-1].head,
            rotation,
            event=PUT_OFF,
            actor="w1",
            source=rotation.state,
            detail={"code": code, "message": f"{code}."},
        )
        for code in ("TRY_LATER", "THROTTLED")
    )
    assert (("", ""), ("THROTTLED", "THROTTLED.")) == (
        timeline.put_off(journal),
        timeline.put_off([*journal, first, second]),
    )


def told(event: str, detail: dict[str, object]) -> str:
    """One entry in words."""
    rotation, journal = path(1)
    source = None if event == REQUEST else rotation.state
    entry = append(journal[-1].head, rotation, event=event, actor="w1", source=source, detail=detail)
    return timeline.told(entry, journal[-1])


UNTIL = "2026-11-23T12:03:00.123456+00:00"


def test_lost_answer_in_plain_words() -> None:
    """What was sent, until when it may take effect, and why nobody knows."""
    detail = {"write": "install", "until": UNTIL, "code": "UNKNOWN_OUTCOME", "message": "The connection was reset."}
    expected = "answer to the install lost, it may take effect until 2026-11-23 12:03:00 UTC"
    assert f"{expected} [UNKNOWN_OUTCOME]: The connection was reset." == told(UNKNOWN, detail)


def test_settled_doubt_in_plain_words() -> None:
    """A move out of doubt tells what the looks showed."""
    looks = ["OpenAir holds another certificate.", "OpenAir holds the candidate."]
    _, journal = path(1, 2)
    settled = replace(journal[-1], detail={"looks": looks})
    assert f"after 2.00 s: {' '.join(looks)}" == timeline.told(settled, journal[-2])
    assert " ".join(looks) == timeline.remark(settled)
    assert "" == timeline.remark(journal[-1])


def test_held_off_request_in_plain_words() -> None:
    """A rotation that waits for what is in flight tells so from its first entry on."""
    message = "A write of rotation 01JD may take effect until 2026-11-23 12:03:00 UTC."
    detail: dict[str, object] = {"cause": "manual", "until": UNTIL, "code": "HELD_OFF", "message": message}
    assert f"manual, asked by w1, not begun before 2026-11-23 12:03:00 UTC [HELD_OFF]: {message}" == told(
        REQUEST, detail
    )
    assert "manual, asked by w1" == told(REQUEST, {"cause": "manual"})
