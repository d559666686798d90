"""A request for another person's approval, what approves it, and what it changes in the advice."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.pairs import NOW, Pair
from unit.states.rotations import ID, a_rotation, parked

from states.approval import ApprovalRequest, Wanted, check_approval, check_request
from states.errors import KeyturnError
from states.next_action import NextAction, Value, Verb
from states.preconditions import advise
from states.rotation import Circumstances, Rotation
from states.state import State
from states.timing import APPROVED_WITHIN

INSTANT = timedelta.resolution
RESTORE = Wanted(verb=Verb.RESTORE)


def a_request(**more: Any) -> ApprovalRequest:
    """Ada's request to restore."""
    given = {"number": 6, "wanted": RESTORE, "version": 7, "actor": "ada", "reason": "closed", "at": NOW, **more}
    return ApprovalRequest(rotation=ID, **given)


def asked(pair: Pair, request: ApprovalRequest) -> Rotation:
    """A rotation, parked in the outage, whose restore was asked for."""
    rotation = parked(a_rotation(pair, State.UPLOADED_TO_NETSUITE, previous=pair.certificate))
    return replace(rotation, circumstances=Circumstances(previous_key_kept=True, approval=request))


@pytest.mark.parametrize(
    "wanted", [RESTORE, Wanted(verb=Verb.ADOPT, fingerprint="ab"), replace(RESTORE, overwrite=True)]
)
def test_what_is_wanted_is_kept(wanted: Wanted) -> None:
    """What two people agree on is read as it was written."""
    assert wanted == Wanted.from_data(wanted.to_data())


@pytest.mark.parametrize(
    ("now", "is_valid"),
    [
        (NOW, True),
        (NOW + APPROVED_WITHIN - INSTANT, True),
        (NOW + APPROVED_WITHIN, False),
        (NOW - APPROVED_WITHIN + INSTANT, True),
        (NOW - APPROVED_WITHIN, False),
    ],
)
def test_a_request_lasts_for_a_day(now: datetime, is_valid: bool) -> None:  # noqa: FBT001
    """It expires after 24 hours; one that a clock far ahead wrote is not valid for longer."""
    request = a_request()
    assert (timedelta(hours=24), NOW + APPROVED_WITHIN) == (APPROVED_WITHIN, request.expires_at)
    assert is_valid is request.is_valid(now)
    if is_valid:
        with pytest.raises(KeyturnError) as raised:
            check_request(request, now)
        assert ("APPROVAL_PENDING", request.sentence) == (raised.value.code, raised.value.message)
        assert [Verb.RESTORE, Verb.WITHDRAW] == [each.verb for each in raised.value.next_action.walk()]
    else:
        check_request(request, now)
    check_request(None, now)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"pending": None}, "APPROVAL_MISSING", f"Request 6 of rotation {ID} does not wait for approval"),
        ({"number": 5}, "APPROVAL_MISSING", f"Request 5 of rotation {ID} does not wait for approval"),
        ({"now": NOW + APPROVED_WITHIN}, "APPROVAL_EXPIRED", f"ada's request is of {NOW:%Y-%m-%d %H:%M} UTC"),
        ({"wanted": Wanted(verb=Verb.ABANDON)}, "APPROVAL_DIFFERS", "for this: restore, and not abandon."),
        ({"wanted": replace(RESTORE, overwrite=True)}, "APPROVAL_DIFFERS", "not restore replacing any certificate."),
        ({"wanted": replace(RESTORE, fingerprint="ab")}, "APPROVAL_DIFFERS", "not restore with ab in OpenAir."),
        ({"actor": "ada"}, "SAME_PERSON", "ada asked for it"),
        ({"actor": "Ada"}, "SAME_PERSON", "ada asked for it"),
    ],
)
def test_what_approves_nothing(given: dict[str, Any], code: str, message: str) -> None:
    """Each approval that is none has its own code, and says what is so; the next action can succeed."""
    request = a_request()
    values = {"pending": request, "number": 6, "wanted": RESTORE, "actor": "bob", "now": NOW}
    assert request is check_approval(**values, rotation=ID)  # type: ignore[arg-type]
    with pytest.raises(KeyturnError) as raised:
        check_approval(**{**values, **given}, rotation=ID)
    assert (code, True) == (raised.value.code, message in raised.value.message)
    assert {ID} == {each.options["rotation"] for each in raised.value.next_action.walk()}


@pytest.mark.parametrize(
    ("wanted", "more"),
    [
        (RESTORE, {}),
        (replace(RESTORE, overwrite=True), {"overwrite": True}),
        (replace(RESTORE, fingerprint="ab"), {"fingerprint": None}),
    ],
)
def test_the_action_of_who_approves(wanted: Wanted, more: dict[str, Value]) -> None:
    """The other person does the same, and names the request; what only a person reads, they read themselves."""
    action = a_request(wanted=wanted).action
    assert (Verb.RESTORE, {"rotation": ID, "approves": "6", **more}) == (action.verb, dict(action.options))
    assert "ada asks to restore it: “closed”. Another person has to approve that." == action.because


def test_what_replaces_anothers_certificate_is_a_choice() -> None:
    """The next action of who approves is the verb itself; where it may replace a foreign certificate, to look first."""
    assert Verb.RESTORE is a_request(wanted=RESTORE).advice().verb
    advice = a_request(wanted=replace(RESTORE, overwrite=True)).advice(NextAction(Verb.RESUME))
    expected = [Verb.DOCTOR, Verb.RESTORE, Verb.WITHDRAW, Verb.RESUME]
    assert (expected, False) == ([each.verb for each in advice.choices], advice.replaces_others)
    assert advice.because.startswith("ada asks to restore it: “closed”.")


def test_what_the_journal_keeps() -> None:
    """The entry that closes a rotation names the request, who made it, and why."""
    assert {"approves": 6, "asked_by": "ada", "asked_because": "closed"} == a_request().evidence


def test_the_advice_while_a_request_waits(pair: Pair) -> None:
    """To approve it comes first; it can be withdrawn, or made void by resuming. What was asked for is advised once."""
    rotation = asked(pair, a_request())
    advice = advise(rotation, NOW)
    assert (Verb.RESTORE, "6") == (advice.verb, advice.options["approves"])
    assert [Verb.WITHDRAW, Verb.RESUME] == [list(each.walk())[-1].verb for each in advice.alternatives]
    assert {ID} == {each.options.get("rotation", ID) for each in advice.walk()}


@pytest.mark.parametrize(
    ("request_", "now"),
    [
        (a_request(), NOW + APPROVED_WITHIN),
        (a_request(wanted=Wanted(verb=Verb.ADOPT)), NOW),
    ],
)
def test_the_advice_without_a_request_that_can_be_approved(
    request_: ApprovalRequest, now: datetime, pair: Pair
) -> None:
    """One that expired, or whose verb is not possible by now, changes nothing in the advice."""
    rotation = asked(pair, request_)
    without = replace(rotation, circumstances=replace(rotation.circumstances, approval=None))
    assert advise(without, now) == advise(rotation, now) != NextAction(Verb.WAIT)
