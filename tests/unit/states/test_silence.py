"""What a silence covers, how long it lasts, and what it must not hide."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.factories import NOW, a_rotation, a_silence

from states.alert import SEVERITY, Alert, Kind, Phase, Severity, of_rotation
from states.errors import InvalidInput
from states.silence import LONGEST, covering

CRITICAL = [kind for kind in Kind if SEVERITY[kind] is Severity.CRITICAL and kind is not Kind.TEST]


@pytest.mark.parametrize(
    ("connection", "kind", "covered"),
    [
        ("acme", None, [("acme", Kind.DUE), ("acme", Kind.PARKED)]),
        ("acme", Kind.DUE, [("acme", Kind.DUE)]),
        (None, Kind.DUE, [("acme", Kind.DUE), ("other", Kind.DUE)]),
        (None, Kind.NO_WORKER, [(None, Kind.NO_WORKER)]),
        ("acme", Kind.OUTAGE, [("acme", Kind.OUTAGE)]),
    ],
)
def test_a_silence_covers_what_it_names(
    connection: str | None, kind: Kind | None, covered: list[tuple[str | None, Kind]]
) -> None:
    """It covers its kind for its connection, and of critical alerts only what it names by both."""
    silence = a_silence(connection=connection, kind=kind)
    reported = [
        *((name, each) for name in ("acme", "other") for each in (Kind.DUE, Kind.PARKED, Kind.OUTAGE, Kind.TAMPERED)),
        (None, Kind.NO_WORKER),
        (None, Kind.TAMPERED),
    ]
    assert covered == [(name, each) for name, each in reported if silence.covers(each, name)]


@pytest.mark.parametrize("kind", CRITICAL)
def test_no_wide_silence_hides_the_worst(kind: Kind) -> None:
    """A critical kind is silenced for one connection at a time, and by its name."""
    with pytest.raises(InvalidInput, match="one connection at a time"):
        a_silence(connection=None, kind=kind)
    assert not a_silence(connection="acme").covers(kind, "acme")


@pytest.mark.parametrize(
    ("over", "problem"),
    [
        ({"connection": None}, "names a connection, a kind"),
        ({"kind": Kind.TEST}, "always sent"),
        ({"kind": Kind.NO_WORKER}, "about no connection"),
        ({"until": NOW}, "in the future"),
        ({"until": NOW + LONGEST + timedelta(microseconds=1)}, "90 days at most"),
        ({"reason": " "}, "has a reason"),
        ({"reason": "x" * 501}, "has a reason"),
    ],
)
def test_what_is_no_silence_is_refused(over: dict[str, object], problem: str) -> None:
    """Each names something, has a reason, and ends within 90 days."""
    with pytest.raises(InvalidInput, match=problem):
        a_silence(**over)


def test_a_silence_is_active_until_it_ends() -> None:
    """It ends at its moment, or earlier when a person ends it."""
    silence = a_silence(until=NOW + LONGEST)
    assert silence.is_active(silence.until - timedelta(microseconds=1))
    assert not silence.is_active(silence.until)
    assert not replace(silence, ended_at=NOW, ended_by="bob").is_active(NOW)


def test_of_several_the_longest_is_shown() -> None:
    """What two silences cover is silenced until both are over."""
    short, long = a_silence(id="a"), a_silence(id="b", until=NOW + timedelta(days=9))
    assert long == covering([long, short], Kind.DUE, "acme") == covering([short, long], Kind.DUE, "acme")
    assert covering([short, long], Kind.DUE, "other") is None


def test_what_lasts_is_reported_when_its_silence_is_over() -> None:
    """No reminder comes meanwhile; at the end one comes at once, also of a kind that has no reminders."""
    rotation = replace(a_rotation(), awaits_person=True, waiting_for="Save it.")
    found = of_rotation(rotation, NOW)
    assert found
    alert = Alert(id="x", subject="s", finding=found, began_at=NOW, reported=1, reported_at=NOW, was_silenced=True)
    later = NOW + timedelta(days=40)
    for each in (found, replace(found, kind=Kind.EXPIRING)):
        lasting = replace(alert, finding=each)
        assert lasting.phase(each, later, is_silenced=True) is None
        assert Phase.LASTS is lasting.phase(each, NOW)
        assert replace(lasting, was_silenced=False).phase(each, NOW) is None
        assert Phase.ENDED is lasting.phase(None, NOW, is_silenced=True)
        assert Phase.CHANGED is lasting.phase(replace(each, code="OTHER"), NOW, is_silenced=True)
