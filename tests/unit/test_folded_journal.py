"""Repeated journal entries fold: what the tries of a long outage wrote is shown once, with their number."""

from dataclasses import replace
from datetime import timedelta

from support.factories import NOW, a_rotation
from support.vaults import VAULT

from orchestrator.views.journal import folded
from persistence.journal import ORIGIN, POSTPONED, REQUEST, UNKNOWN, Entry, Head, append
from states.table import FAIL


def journal(*events: tuple[str, str]) -> list[Entry]:
    """Entries of these events with these codes, a minute apart."""
    entries: list[Entry] = []
    head = Head(0, ORIGIN)
    for number, (event, code) in enumerate(events):
        rotation = replace(a_rotation(), updated_at=NOW + timedelta(minutes=number))
        source = None if event == REQUEST else rotation.state
        entries.append(append(VAULT, head, rotation, event=event, actor="worker", source=source, detail={"code": code}))
        head = entries[-1].head
    return entries


def shown(entries: list[Entry]) -> list[tuple[int, str, int, timedelta]]:
    return [(each.entry.seq, each.entry.event, each.times, each.since - NOW) for each in folded(entries)]


def test_the_same_postponement_folds() -> None:
    """Of fifteen postponements for one reason the last is shown, with their number and since when."""
    entries = journal((REQUEST, ""), *[(POSTPONED, "TRY_LATER")] * 15, (FAIL, "GAVE_UP"))
    expected = [
        (1, REQUEST, 1, timedelta()),
        (16, POSTPONED, 15, timedelta(minutes=1)),
        (17, FAIL, 1, timedelta(minutes=16)),
    ]
    assert expected == shown(entries)


def test_a_group_folds() -> None:
    """A try that writes two entries each time folds to these two."""
    entries = journal((REQUEST, ""), *[(UNKNOWN, "UNKNOWN_OUTCOME"), (POSTPONED, "UNKNOWN_OUTCOME")] * 4)
    expected = [
        (1, REQUEST, 1, timedelta()),
        (8, UNKNOWN, 4, timedelta(minutes=1)),
        (9, POSTPONED, 4, timedelta(minutes=2)),
    ]
    assert expected == shown(entries)


def test_another_reason_does_not_fold() -> None:
    """Postponements for different reasons, and moves, are each shown."""
    entries = journal((REQUEST, ""), (POSTPONED, "TRY_LATER"), (POSTPONED, "THROTTLED"), (FAIL, "A"), (FAIL, "A"))
    assert [(entry.seq, 1) for entry in entries] == [(each.entry.seq, each.times) for each in folded(entries)]
