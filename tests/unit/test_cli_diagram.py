"""The diagram as text: every move, or the path of one rotation with times and the state that it failed from."""

from datetime import timedelta

import pytest
from support.factories import NOW, a_rotation, next_move
from support.vaults import VAULT

from orchestrator.cli.diagram import draw_moves, draw_path
from orchestrator.cli.output import Output
from persistence.journal import ORIGIN, REQUEST, Entry, Head, append
from states import machine
from states.errors import Refused
from states.rotation import Rotation
from states.state import State
from states.table import EDGES, FAIL, FORWARD, NEXT, RESTORING

MINUTE = timedelta(minutes=1)


def parked_after(steps: int) -> tuple[Rotation, list[Entry]]:
    """A rotation that made so many steps, one each minute, and was then parked; and its journal."""
    rotation = a_rotation()
    moves = [(REQUEST, rotation, None)]
    for number in range(1, steps + 1):
        after = next_move(rotation, now=NOW + number * MINUTE)
        moves.append((NEXT[rotation.state].trigger, after, rotation.state))
        rotation = after
    parked = machine.fail(rotation, Refused(), NOW + (steps + 1) * MINUTE)
    moves.append((FAIL, parked, rotation.state))
    entries: list[Entry] = []
    head = Head(0, ORIGIN)
    for event, after, source in moves:
        entries.append(append(VAULT, head, after, event=event, actor="ada", source=source, detail={}))
        head = entries[-1].head
    return parked, entries


def test_every_move_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a rotation every state and every trigger is drawn, except the one that changes nothing to see."""
    draw_moves(Output())
    drawn = capsys.readouterr().out
    assert [] == [state for state in State if state not in drawn]
    assert [] == [edge.trigger for edge in EDGES if edge.trigger not in drawn and edge.trigger != RESTORING]
    assert len(FORWARD) == drawn.count(FAIL)


def test_the_path_of_a_parked_rotation(capsys: pytest.CaptureFixture[str]) -> None:
    """A rotation parked after the upload: the outage first, then when it entered each state, and where it failed."""
    parked, journal = parked_after(2)
    draw_path(Output(), parked, journal, NOW + 12 * MINUTE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Imports are refused since ")
    assert f"{parked.id} of acme" == lines[1]
    states = [line.split()[:2] for line in lines[2:] if line[0] in "✓✗●○"]
    expected = [
        ["✓", "Requested"],
        ["✓", "KeyGenerated"],
        ["✗", "UploadedToNetSuite"],
        ["○", "SavedToOpenAir"],
        ["○", "Completed"],
    ]
    assert expected == states
    assert "╰─ fail ──▶ ✗ Failed  2026-11-23 12:03:00.123  [REFUSED]" in lines
