"""The outage: one value, from a rotation and its connection, that every face shows."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.factories import a_connection
from support.pairs import NOW, a_pair
from unit.states.rotations import ID, a_rotation, parked

from states.errors import Drift, Refused, TryLater
from states.outage import Outage, outage_of, outage_on
from states.rotation import Ending, Rotation
from states.state import State
from states.summary import RotationSummary

SINCE = NOW - timedelta(minutes=12)
EXPIRED = a_pair(not_before=NOW - timedelta(days=100), not_after=SINCE).certificate


def uploaded(**changes: Any) -> Rotation:
    return a_rotation(a_pair(), State.UPLOADED_TO_NETSUITE, **{"skew_from": SINCE, **changes})


def unfinished_restore() -> Rotation:
    return replace(parked(a_rotation(a_pair(), State.KEY_GENERATED)), restoring_since=SINCE)


OUTAGES = {
    "uploaded": (uploaded(), True),
    "parked after the upload": (parked(uploaded(), Refused()), True),
    "the save's answer lost": (uploaded(doubt_since=NOW), False),
    "a person saves it": (uploaded(by_hand=True), False),
    "the upload's answer lost": (a_rotation(a_pair(), State.KEY_GENERATED, doubt_since=SINCE), False),
    "an unfinished restore": (unfinished_restore(), False),
}


@pytest.mark.parametrize(("rotation", "is_certain"), OUTAGES.values(), ids=OUTAGES)
def test_imports_are_refused(rotation: Rotation, *, is_certain: bool) -> None:
    """An open rotation between both sides is an outage, certain unless an answer is lost or a person may have saved."""
    outage = outage_of(rotation)
    assert outage
    assert ("acme", ID, SINCE, is_certain) == (outage.connection, outage.rotation, outage.since, outage.is_certain)


@pytest.mark.parametrize("rotation", [rotation for rotation, _ in OUTAGES.values()], ids=OUTAGES)
def test_a_list_shows_the_same_outage(rotation: Rotation) -> None:
    """A rotation's summary has the same outage as the rotation."""
    assert outage_of(rotation) == outage_of(RotationSummary.of(rotation))


def test_the_last_check_found_the_sides_apart() -> None:
    """Parked in SavedToOpenAir because OpenAir holds another certificate: imports are refused since that look."""
    outage = outage_of(parked(a_rotation(a_pair(), State.SAVED_TO_OPENAIR), Drift()))
    assert outage
    assert (NOW, True) == (outage.since, outage.is_certain)


NONE = {
    "requested": a_rotation(a_pair()),
    "before the upload": a_rotation(a_pair(), State.KEY_GENERATED),
    "saved": a_rotation(a_pair(), State.SAVED_TO_OPENAIR),
    "saved, the last check postponed for good": parked(a_rotation(a_pair(), State.SAVED_TO_OPENAIR), TryLater()),
    "parked before the upload": parked(a_rotation(a_pair(), State.KEY_GENERATED)),
    "completed": a_rotation(a_pair(), State.COMPLETED),
    "restored": replace(parked(uploaded()), closed_at=NOW, ending=Ending.RESTORED),
}


@pytest.mark.parametrize("rotation", NONE.values(), ids=NONE)
def test_imports_are_accepted(rotation: Rotation) -> None:
    """Before the upload, after the save and after the end a rotation is no outage."""
    assert outage_of(rotation) is None


def test_an_expired_certificate_is_an_outage() -> None:
    """A connection's expired certificate is an outage since its expiry; that of an open rotation comes first."""
    connection = a_connection(current=EXPIRED)
    outage = outage_on(connection, None, NOW)
    assert outage
    assert (None, SINCE, True) == (outage.rotation, outage.since, outage.is_certain)
    assert outage_of(uploaded()) == outage_on(connection, uploaded(), NOW)
    assert outage_on(a_connection(), None, NOW) is None


def an_outage(**changes: Any) -> Outage:
    return replace(Outage(connection="acme", rotation=ID, since=SINCE, is_certain=True, reason="Why."), **changes)


def test_the_sentence() -> None:
    """The sentence says since when, in UTC, and for how long; another day is named; a doubt is no certainty."""
    day_before = NOW - timedelta(days=1)
    assert f"Imports are refused since {SINCE:%H:%M} UTC (12 min)" == an_outage().sentence(NOW)
    assert f"Imports may be refused since {SINCE:%H:%M} UTC (12 min)" == an_outage(is_certain=False).sentence(NOW)
    expected = f"Imports are refused since {day_before:%Y-%m-%d %H:%M} UTC (24 h)"
    assert expected == an_outage(since=day_before).sentence(NOW)
