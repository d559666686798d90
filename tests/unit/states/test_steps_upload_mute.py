"""upload_to_netsuite: a record that cannot sign is ours only in doubt, and if its validity is the candidate's."""

from datetime import timedelta

import pytest
from support.pairs import NOW, a_pair
from unit.states.step_systems import StepSystems
from unit.states.upload_calls import AT

from states.errors import CannotSign
from states.ports import Record, Report
from states.steps import upload_to_netsuite

LOOK = ["netsuite.sign", "netsuite.report"]
"""The calls for a record that cannot sign: NetSuite reports its validity."""


def test_a_key_that_cannot_be_asked_is_not_overwritten(systems: StepSystems) -> None:
    """Rule 5: a record that cannot sign is not overwritten, because its owner is unknown."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(a_pair(), can_sign=False)
    with pytest.raises(CannotSign):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [] == systems.installed


def test_a_key_that_cannot_be_asked_is_replaced_where_a_person_allowed_it(systems: StepSystems) -> None:
    """A record that cannot sign is overwritten with permission."""
    rotation = systems.rotation(AT, may_overwrite=True)
    systems.netsuite.hold(a_pair(), can_sign=False)
    assert upload_to_netsuite(rotation, systems.ports, systems.attempt)


def test_after_doubt_an_install_that_cannot_sign_yet_is_repeated(systems: StepSystems) -> None:
    """In doubt a record with the candidate's validity is an unfinished install of ours, and is installed again."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    systems.netsuite.hold(systems.candidate, can_sign=False)
    assert upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [*LOOK, *LOOK, "openair.read", "netsuite.install"] == systems.calls


@pytest.mark.parametrize(
    ("begins", "ends"), [(0, 1), (1, 0), (None, None)], ids=["ends later", "begins later", "tells nothing"]
)
def test_a_mute_record_that_is_not_ours_is_left_alone(
    systems: StepSystems, begins: int | None, ends: int | None
) -> None:
    """In doubt a record with another validity than the candidate's may be foreign, and is not overwritten."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    systems.netsuite.hold(a_pair(), can_sign=False)
    ours = systems.candidate.certificate
    shown = Record(
        name="OpenAir real-time",
        file_name="certificate.pem",
        valid_from=None if begins is None else ours.not_before + timedelta(seconds=begins),
        valid_to=None if ends is None else ours.not_after + timedelta(seconds=ends),
    )
    systems.will_answer("netsuite.report", Report(record=shown, server_time=NOW, bundles={}))
    with pytest.raises(CannotSign):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
    assert [] == systems.installed


def test_a_mute_record_is_ours_by_the_second(systems: StepSystems) -> None:
    """Fractions of a second in NetSuite's report are ignored."""
    rotation = systems.rotation(AT, doubt_since=NOW)
    systems.netsuite.hold(systems.candidate, can_sign=False)
    ours, fraction = systems.candidate.certificate, timedelta(milliseconds=1)
    shown = Record(
        name="a record", file_name="a.pem", valid_from=ours.not_before + fraction, valid_to=ours.not_after + fraction
    )
    for _ in range(2):
        systems.will_answer("netsuite.report", Report(record=shown, server_time=NOW, bundles={}))
    assert upload_to_netsuite(rotation, systems.ports, systems.attempt)


def test_without_doubt_a_mute_record_is_not_ours(systems: StepSystems) -> None:
    """Without a doubt nothing was sent, so a record that cannot sign is not ours."""
    rotation = systems.rotation(AT)
    systems.netsuite.hold(systems.candidate, can_sign=False)
    with pytest.raises(CannotSign):
        upload_to_netsuite(rotation, systems.ports, systems.attempt)
