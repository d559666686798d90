"""When the end of one of Keyturn's own credentials is reported, and in which order they are listed."""

from datetime import timedelta

import pytest
from support.factories import NOW

from states.alert import Alert, Finding, Kind, Phase, Severity
from states.credential import Credential, CredentialKind, finding_of, sign_in_certificate, step_of
from states.next_action import NextAction, Verb
from states.timing import EXPIRING_DAYS

ACTION = NextAction(Verb.SETUP, {"connection": "acme", "new_certificate": True})


def ends_in(days: float) -> Credential:
    """A sign-in certificate that ends so many days after NOW."""
    return sign_in_certificate("acme", NOW + timedelta(days=days))


def token(*, life: float, left: float) -> Credential:
    """A token that lives for ``life`` days, with ``left`` of them after NOW."""
    return Credential(
        kind=CredentialKind.API_TOKEN,
        connection=None,
        name="ci",
        not_before=NOW + timedelta(days=left - life),
        not_after=NOW + timedelta(days=left),
        next_action=ACTION,
    )


def found(days: float) -> Finding:
    """What is reported of a certificate that ends then."""
    finding = finding_of(ends_in(days), EXPIRING_DAYS, NOW)
    assert finding
    return finding


@pytest.mark.parametrize(
    ("left", "step"), [(90.1, None), (90, None), (89.9, 90), (30.1, 90), (6, 7), (0.1, 1), (0, 0), (-3, 0)]
)
def test_the_steps(left: float, step: int | None) -> None:
    """Each step is reached once less is left; what has ended is a step of its own."""
    assert step == step_of(ends_in(left), EXPIRING_DAYS, NOW)


@pytest.mark.parametrize(
    ("life", "left", "step"), [(366, 89, 90), (90, 29, None), (90, 13, 14), (30, 8, None), (30, 6, 7), (1, 0.5, None)]
)
def test_a_short_life_has_only_its_last_third_for_steps(life: float, left: float, step: int | None) -> None:
    """A certificate that is renewed each 90 days, 30 days before its end, is not reported each time."""
    assert step == step_of(token(life=life, left=left), EXPIRING_DAYS, NOW)


def test_what_has_no_known_end_is_not_reported() -> None:
    """Neither what has none, nor what ends on a day that is not known: it is never guessed."""
    assert finding_of(sign_in_certificate("acme", None), EXPIRING_DAYS, NOW) is None
    assert "ends on a day that Keyturn does not know" == sign_in_certificate("acme", None).ends(NOW)


def test_the_words_of_an_alert() -> None:
    """It says what ends when, what that means, and what replaces it; the last week is an error."""
    finding = found(7.5)
    assert "The certificate with which Keyturn signs in to NetSuite ends on" in finding.message
    assert "no rotation of this connection gets on" in finding.message
    assert (Kind.CREDENTIAL_EXPIRING, "acme", ACTION, 14) == (
        finding.kind,
        finding.connection,
        finding.next_action,
        finding.days,
    )
    assert [Severity.WARNING, Severity.ERROR, Severity.ERROR] == [found(days).severity for days in (7.5, 6.5, -1)]
    assert "has ended" not in finding.message
    assert " ended on " in found(-1).message
    assert finding == Finding.from_data(finding.to_data())


@pytest.mark.parametrize(
    ("before", "after", "phase"),
    [(20, 15, None), (15, 13, Phase.CHANGED), (0.5, -0.5, Phase.CHANGED), (-0.5, -2, Phase.LASTS)],
    ids=["same step", "next step", "ended", "still ended"],
)
def test_when_it_is_reported_again(before: float, after: float, phase: Phase | None) -> None:
    """At each step, at the end, and each day after it."""
    alert = Alert(
        id="1",
        subject="credential",
        finding=found(before),
        began_at=NOW,
        reported=1,
        reported_at=NOW - timedelta(days=2),
    )
    assert phase is alert.phase(found(after), NOW)


def test_the_order_of_the_list() -> None:
    """The one that ends first, then those whose end is not known, then those that have no known end."""
    endless = Credential(kind=CredentialKind.API_KEY, connection="acme", next_action=ACTION)
    unknown = sign_in_certificate("acme", None)
    first, second = ends_in(-1), ends_in(9)
    assert [first, second, unknown, endless] == sorted([endless, second, unknown, first], key=lambda each: each.order)
