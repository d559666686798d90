"""The health check: the vendor's two sentences, when they show, and what is wrong."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.advice import commands, text
from support.factories import a_connection
from support.pairs import NOW, Pair, a_pair
from unit.states.rotations import ID, a_rotation, parked

from states.connection import OpenAirKind, OpenAirSettings, Options
from states.errors import KeyturnError, SignInRefused, TryLater
from states.health import Facts, Health, check
from states.next_action import NextAction, Verb
from states.ports import PLACEHOLDER_FILE, Record
from states.state import State

CERTIFICATE = a_pair(not_after=NOW + timedelta(days=100)).certificate
EXPIRED = a_pair(not_before=NOW - timedelta(days=100), not_after=NOW - timedelta(days=1)).certificate
ENDING = a_pair(not_after=NOW + timedelta(days=6)).certificate
FUTURE = a_pair(not_before=NOW + timedelta(hours=1), not_after=NOW + timedelta(days=100)).certificate
RECORD = Record(name="OpenAir real-time", file_name="acme.pem", valid_from=None, valid_to=None)
PLACEHOLDER = replace(RECORD, file_name=PLACEHOLDER_FILE)
NONE_VALID = "No valid certificate available for real-time import"
ROTATE = "rotate acme"


def facts(**changes: Any) -> Facts:
    """Return the facts of a healthy connection, with ``changes``."""
    well = Facts(connection=a_connection(), now=NOW, netsuite=RECORD, openair=CERTIFICATE, agree=True, rotation=None)
    return replace(well, **changes)


def codes(health: Health) -> list[str]:
    return [problem.code for problem in health.problems]


def test_a_key_file_that_was_left() -> None:
    """A private key's file that NetSuite may still hold is a problem of the connection's health."""
    (problem,) = check(facts(key_files=("Delete the key file.",))).problems
    assert ("KEY_FILE_LEFT", "NetSuite may still hold the file of a private key: Delete the key file.") == (
        problem.code,
        problem.message,
    )
    assert Verb.BY_HAND is problem.next_action.verb


@pytest.mark.parametrize(
    ("left", "problem"),
    [(31, []), (30, ["CREDENTIAL_EXPIRING"]), (-1, ["CREDENTIAL_EXPIRING"]), (None, [])],
    ids=["more than a month", "a month", "ended", "not known"],
)
def test_keyturns_own_sign_in_that_ends(left: int | None, problem: list[str]) -> None:
    """It is a problem in its last month and after its end, with the command that replaces it; never by guess."""
    end = None if left is None else NOW + timedelta(days=left)
    acme = a_connection()
    netsuite = replace(acme.netsuite, certificate_until=end.isoformat() if end else "")
    found = check(facts(connection=replace(acme, netsuite=netsuite)))
    assert (problem, end) == (codes(found), found.sign_in_until)
    assert ["setup acme --new-certificate"] * len(problem) == [
        line for each in found.problems for line in commands(each.next_action)
    ]


# --- the sentence -----------------------------------------------------------------------------------------------------


def test_all_is_well() -> None:
    """A healthy connection has the vendor's sentence with the expiry date, and no problem."""
    expected = Health(
        shows=True,
        sentence=f"Current real-time import certificate is valid until {CERTIFICATE.not_after:%Y-%m-%d}",
        valid_until=CERTIFICATE.not_after,
        problems=(),
    )
    assert expected == check(facts())


NOT_VALID = {
    "absent": {"openair": None, "agree": None},
    "expired": {"openair": EXPIRED},
    "not valid yet": {"openair": FUTURE},
    "disagreeing": {"agree": False},
    "no record": {"netsuite": None, "agree": None},
    "placeholder": {"netsuite": PLACEHOLDER},
    "placeholder, OpenAir unknown": {"netsuite": PLACEHOLDER, "openair": TryLater(), "agree": None},
}


@pytest.mark.parametrize("changes", NOT_VALID.values(), ids=NOT_VALID)
def test_none_is_valid(changes: dict[str, Any]) -> None:
    """Without a valid certificate the vendor's other sentence appears, with a problem that explains it."""
    health = check(facts(**changes))
    assert (NONE_VALID, None) == (health.sentence, health.valid_until)
    assert [] != codes(health)


@pytest.mark.parametrize(("single_sign_on", "real_time", "oauth2"), list(product([False, True], repeat=3)))
def test_the_line_shows_under_the_vendors_conditions(single_sign_on: bool, real_time: bool, oauth2: bool) -> None:  # noqa: FBT001
    """The vendor shows the line with OAuth 2.0, and single sign-on or real-time integration."""
    options = Options(single_sign_on=single_sign_on, real_time_integration=real_time, oauth2=oauth2)
    health = check(facts(connection=a_connection(options=options)))
    assert ((single_sign_on or real_time) and oauth2) is health.shows
    assert CERTIFICATE.not_after == health.valid_until


def test_where_openair_cannot_be_asked_nothing_is_claimed() -> None:
    """If OpenAir cannot be asked, the health is not known, and the last rotation's certificate is named as such."""
    health = check(facts(openair=TryLater(), agree=None, connection=a_connection(current=CERTIFICATE)))
    last = f"The certificate that was saved there last is valid until {CERTIFICATE.not_after:%Y-%m-%d}."
    assert f"Not known: OpenAir could not be asked. {last}" == health.sentence
    assert (None, None) == (health.shows, health.valid_until)
    assert ["TRY_LATER"] == codes(health)


def test_where_neither_can_be_asked_nothing_is_claimed() -> None:
    """If neither system can be asked, the health is not known."""
    health = check(facts(netsuite=TryLater(), openair=TryLater(), agree=None))
    assert "Not known: the systems could not be asked." == health.sentence
    assert (None, None) == (health.shows, health.valid_until)
    assert ["TRY_LATER", "TRY_LATER"] == codes(health)


def test_where_netsuite_cannot_be_asked_openairs_certificate_counts() -> None:
    """If NetSuite cannot be asked, OpenAir's certificate still counts as valid."""
    health = check(facts(netsuite=TryLater(), agree=None))
    assert CERTIFICATE.not_after == health.valid_until
    assert ["TRY_LATER"] == codes(health)


def test_the_last_moment_is_still_valid() -> None:
    """A certificate is valid up to and including its expiry."""
    assert CERTIFICATE.not_after == check(facts(now=CERTIFICATE.not_after)).valid_until
    assert check(facts(now=CERTIFICATE.not_after + timedelta(microseconds=1))).valid_until is None


# --- the problems -----------------------------------------------------------------------------------------------------


def test_a_side_that_refuses_sign_in() -> None:
    """A refused sign-in is reported for each system, with the error's code and next action."""
    health = check(facts(netsuite=SignInRefused(), openair=SignInRefused(), agree=None))
    assert ["SIGN_IN_REFUSED", "SIGN_IN_REFUSED"] == codes(health)
    netsuite, openair = health.problems
    assert "NetSuite could not be asked: Sign-in was refused." == netsuite.message
    assert "OpenAir could not be asked: Sign-in was refused." == openair.message
    expected = "Correct the connection's credentials. Then run `keyturn doctor acme`. Then repeat the command."
    assert [expected, expected] == [text(each.next_action) for each in (netsuite, openair)]


def test_a_missing_record() -> None:
    """A missing record is reported in the vendor's expected, with the repair steps."""
    (problem,) = check(facts(netsuite=None, agree=None)).problems
    assert "CERTIFICATE_NOT_FOUND" == problem.code
    assert 'Certificate "custcertificate_oa_realtime" not found.' == problem.message
    assert "Bundle 369630 > OpenAir Certificates" in text(problem.next_action)
    assert [ROTATE] == commands(problem.next_action)


def test_the_placeholder() -> None:
    """The placeholder is reported with its file name, and the next action is to rotate."""
    (problem,) = check(facts(netsuite=PLACEHOLDER)).problems
    assert "PLACEHOLDER" == problem.code
    assert "openair-certificate.pem" in problem.message
    assert NextAction(Verb.ROTATE, {"connection": "acme"}) == problem.next_action


def test_an_empty_openair() -> None:
    """If OpenAir holds no certificate, the next action is to rotate."""
    (problem,) = check(facts(openair=None, agree=None)).problems
    assert "OPENAIR_EMPTY" == problem.code
    assert [ROTATE] == commands(problem.next_action)


def test_a_foreign_certificate_on_both_sides() -> None:
    """A foreign certificate in both systems is reported, and the next action says how to adopt it."""
    connection = a_connection(current=a_pair().certificate)
    (problem,) = check(facts(connection=connection)).problems
    assert "FOREIGN_ROTATION" == problem.code
    assert [ROTATE] == commands(problem.next_action)
    assert "adopt" in text(problem.next_action)


def test_without_agreement_nothing_is_reported_as_foreign() -> None:
    """A foreign certificate in OpenAir is reported as foreign only if NetSuite signs with it."""
    connection = a_connection(current=a_pair().certificate)
    for netsuite, agree in ((TryLater(), None), (RECORD, False)):
        assert "FOREIGN_ROTATION" not in codes(check(facts(connection=connection, netsuite=netsuite, agree=agree)))


def test_a_foreign_certificate_under_an_open_rotation() -> None:
    """If a rotation is open, the next action for a foreign certificate is to explain that rotation."""
    connection = a_connection(current=a_pair().certificate)
    (problem,) = check(facts(connection=connection, rotation=a_rotation(a_pair()))).problems
    expected = f"Rotation {ID} is open. Run `keyturn rotation explain {ID}`."
    assert ("FOREIGN_ROTATION", expected) == (problem.code, text(problem.next_action))


@pytest.mark.parametrize("state", [State.UPLOADED_TO_NETSUITE, State.SAVED_TO_OPENAIR])
def test_the_candidate_is_not_foreign(state: State, pair: Pair) -> None:
    """The open rotation's own candidate is not reported as foreign."""
    connection = a_connection(current=CERTIFICATE)
    rotation = a_rotation(pair, state)
    assert "FOREIGN_ROTATION" not in codes(
        check(facts(connection=connection, openair=pair.certificate, rotation=rotation))
    )
    assert "FOREIGN_ROTATION" not in codes(check(facts(connection=connection, rotation=rotation)))


def test_drift() -> None:
    """If the systems hold different certificates, the problem says that imports are refused."""
    (problem,) = check(facts(agree=False)).problems
    assert "DRIFT" == problem.code
    assert problem.message.startswith("Imports are refused: ")
    assert [ROTATE] == commands(problem.next_action)


def test_drift_of_an_openair_that_keyturn_cannot_read() -> None:
    """If a person saves the certificate, the problem says that OpenAir may hold a newer one."""
    by_hand = a_connection(openair=OpenAirSettings(kind=OpenAirKind.EXPORT))
    (problem,) = check(facts(agree=False, connection=by_hand)).problems
    assert "DRIFT" == problem.code
    assert problem.message.startswith("Imports are refused, unless OpenAir holds another certificate by now")


@pytest.mark.parametrize(
    ("certificate", "code", "expected"),
    [(ENDING, "OVERDUE", "expires on 2026-11-29"), (EXPIRED, "EXPIRED", "expired on 2026-11-22")],
)
def test_overdue_and_expired(certificate: object, code: str, expected: str) -> None:
    """A certificate with less than seven days left is overdue, and after its expiry it is expired."""
    (problem,) = check(facts(openair=certificate)).problems
    assert code == problem.code
    assert expected in problem.message


def test_not_valid_yet() -> None:
    """A certificate that is not valid yet is reported until its first moment."""
    (problem,) = check(facts(openair=FUTURE)).problems
    assert "NOT_YET_VALID" == problem.code
    assert f"valid only from {FUTURE.not_before:%Y-%m-%d %H:%M} UTC on" in problem.message
    expected = "Correct this machine's clock; the doctor compares it with NetSuite's. Run `keyturn doctor acme`."
    assert expected == text(problem.next_action)
    assert () == check(facts(openair=FUTURE, now=FUTURE.not_before)).problems


def test_being_due_is_no_problem() -> None:
    """A certificate that is due is no problem, because a rotation replaces it."""
    due = a_pair(not_after=NOW + timedelta(days=10)).certificate
    assert () == check(facts(openair=due)).problems


def test_a_parked_rotation() -> None:
    """A parked rotation is reported with its reason, and the next action is to explain it."""
    (problem,) = check(facts(rotation=parked(a_rotation(a_pair()), SignInRefused()))).problems
    assert "PARKED" == problem.code
    assert f"Rotation {ID} is parked: Sign-in was refused." == problem.message
    assert NextAction(Verb.EXPLAIN, {"rotation": ID}) == problem.next_action


@pytest.mark.parametrize("is_parked", [False, True])
def test_the_skew_is_an_outage(is_parked: bool) -> None:  # noqa: FBT001
    """An outage is reported with its length, whether the rotation is parked or not."""
    rotation = a_rotation(a_pair(), State.UPLOADED_TO_NETSUITE, skew_from=NOW - timedelta(seconds=90))
    health = check(facts(agree=False, rotation=parked(rotation) if is_parked else rotation))
    problem = health.problems[0]
    assert "OUTAGE" == problem.code
    assert problem.message.startswith(f"Imports are refused since {NOW - timedelta(seconds=90):%H:%M} UTC (90 s): ")
    assert health.outage
    verb = "explain" if is_parked else "watch"
    assert [f"rotation {verb} {ID}"] == commands(problem.next_action)


@pytest.mark.parametrize("position", [State.REQUESTED, State.KEY_GENERATED, State.SAVED_TO_OPENAIR])
def test_elsewhere_there_is_no_skew(position: State) -> None:
    """Before the upload and after the save no outage is reported."""
    assert () == check(facts(rotation=a_rotation(a_pair(), position))).problems


def test_nothing_is_advised_that_would_be_refused() -> None:
    """While a rotation is open, no next action begins another one."""
    rotation = a_rotation(a_pair(), State.UPLOADED_TO_NETSUITE)
    health = check(facts(agree=False, netsuite=PLACEHOLDER, openair=EXPIRED, rotation=rotation))
    assert [] == [problem.code for problem in health.problems if problem.next_action.leads_to(Verb.ROTATE)]


ANYTHING = st.builds(
    facts,
    netsuite=st.sampled_from([RECORD, PLACEHOLDER, None, TryLater(), SignInRefused()]),
    openair=st.sampled_from([CERTIFICATE, EXPIRED, ENDING, FUTURE, None, TryLater()]),
    agree=st.sampled_from([True, False, None]),
    connection=st.sampled_from([a_connection(), a_connection(current=CERTIFICATE), a_connection(current=EXPIRED)]),
    rotation=st.sampled_from([None, a_rotation(a_pair()), parked(a_rotation(a_pair(), State.UPLOADED_TO_NETSUITE))]),
)


@given(ANYTHING)
def test_the_sentence_is_one_of_two_or_not_known_and_never_unexplained(found: Facts) -> None:
    """The result has one of the vendor's sentences, or is not known, and a problem if no certificate is known valid."""
    health = check(found)
    if health.shows is None:
        assert health.sentence.startswith("Not known: ")
        assert isinstance(found.openair, KeyturnError)
    else:
        assert health.sentence in (NONE_VALID, f"Current real-time import certificate is valid until {_day(health)}")
    assert (health.valid_until is None) is (health.shows is None or NONE_VALID == health.sentence)
    if health.valid_until is None:
        assert [] != codes(health)


@given(ANYTHING)
def test_every_problem_says_what_to_do(found: Facts) -> None:
    """Every problem has a code, a message and a next action, and none appears twice."""
    health = check(found)
    for problem in health.problems:
        assert problem.code.isupper()
        assert problem.message.endswith(".")
        assert text(problem.next_action).endswith(".")
    assert len(set(health.problems)) == len(health.problems)


def test_an_error_is_no_certificate() -> None:
    """An error instead of an answer never counts as a valid certificate."""
    error: KeyturnError = SignInRefused()
    assert check(facts(openair=error, agree=None)).valid_until is None


def _day(health: Health) -> str:
    return f"{health.valid_until:%Y-%m-%d}" if health.valid_until else ""
