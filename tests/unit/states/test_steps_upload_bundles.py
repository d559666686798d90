"""upload_to_netsuite compares NetSuite's bundles before it uploads for the schedule."""

from dataclasses import replace

import pytest
from support.advice import text
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT, INSTALLED

from states.errors import BundleTooOld
from states.rotation import Cause
from states.steps import upload_to_netsuite

SCHEDULED = (Cause.SCHEDULED, Cause.SCHEDULED_INITIAL)


@pytest.mark.parametrize("cause", SCHEDULED)
@pytest.mark.parametrize(
    ("bundles", "message"),
    [
        ({"369630": "2.9", "369637": "5.02"}, "NetSuite reports bundle 369630 as 2.9; 3.0 or later is needed."),
        ({"369630": "3.0", "369637": "3.9"}, "NetSuite reports bundle 369637 as 3.9; 4.0 or later is needed."),
        ({"369637": "4.0"}, "NetSuite reports that bundle 369630 is not installed; 3.0 or later is needed."),
    ],
)
def test_a_scheduled_rotation_is_parked_before_anything_is_sent(
    systems: StepSystems, bundles: dict[str, str | None], message: str, cause: Cause
) -> None:
    """A bundle that is too old, or missing, is named; nothing is installed, and the rotation can be resumed."""
    systems.netsuite.bundles = bundles
    rotation = replace(systems.rotation(AT), cause=cause)
    with pytest.raises(BundleTooOld) as caught:
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert (message, [], []) == (caught.value.message, systems.installed, systems.attempt.unknown)
    assert "`keyturn rotation resume ID`" in text(caught.value.next_action.resuming())


@pytest.mark.parametrize("bundles", [{"369630": "3.0", "369637": "4"}, {"369630": None, "369637": "beta"}])
def test_a_scheduled_rotation_goes_on(systems: StepSystems, bundles: dict[str, str | None]) -> None:
    """A version that is new enough, or that NetSuite does not tell, stops nothing."""
    systems.netsuite.bundles = bundles
    upload_to_netsuite(replace(systems.rotation(AT), cause=Cause.SCHEDULED), systems.ports, systems.attempt)
    assert [systems.candidate.fingerprint] == systems.installed


@pytest.mark.parametrize(
    "decided",
    [{"cause": Cause.MANUAL}, {"cause": Cause.INITIAL}, *({"cause": cause, "attempt": 2} for cause in SCHEDULED)],
)
def test_a_person_decides(systems: StepSystems, decided: dict[str, object]) -> None:
    """A person may rotate with any bundle: one who began the rotation, or resumed it. NetSuite is not even asked."""
    systems.netsuite.bundles = {}
    rotation = replace(systems.rotation(AT), **decided)  # type: ignore[arg-type]
    upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert INSTALLED == systems.calls
