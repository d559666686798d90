"""Connections: policy, name, and the conditions of automatic rotation."""

from itertools import product

import pytest
from support.factories import a_connection

from states.connection import (
    Algorithm,
    Connection,
    NetSuiteSettings,
    OpenAirKind,
    OpenAirSettings,
    Options,
    Policy,
    missing_conditions,
)
from states.errors import InvalidInput

# --- policy and name --------------------------------------------------------------------------------------------------


def test_the_usual_policy() -> None:
    """The default policy is RSA-3072 for 365 days, and keeps the current key for a restore."""
    policy = Policy()
    assert (Algorithm.RSA_3072, 365, True) == (policy.algorithm, policy.days, policy.keep_key)


@pytest.mark.parametrize("days", [15, 365, 3650])
def test_a_life_that_outlasts_the_window(days: int) -> None:
    """A certificate may be valid from 15 days, so that it is not due on its first day, to ten years."""
    assert days == Policy(days=days).days


@pytest.mark.parametrize("days", [-1, 0, 1, 14, 3651])
def test_a_life_that_is_too_short_or_too_long(days: int) -> None:
    """The error names the limits and the given value."""
    with pytest.raises(InvalidInput, match=f"valid for 15 to 3650 days, not {days}"):
        Policy(days=days)


@pytest.mark.parametrize("name", ["acme", "a", "acme-sandbox.eu_1", "0", "a" * 63])
def test_a_legal_name(name: str) -> None:
    """A name is safe in file names, URLs and command lines."""
    assert name == a_connection(name=name).name


@pytest.mark.parametrize("name", ["", "Acme", "-acme", "acme-", "a b", "../etc", "acme/x", "a" * 64, "acme\n", "ä"])
def test_an_illegal_name(name: str) -> None:
    """A name that could leave a folder or look like an option is refused."""
    with pytest.raises(InvalidInput, match="not a connection name"):
        a_connection(name=name)


# --- boxes and bundles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("single_sign_on", "real_time", "oauth2"), list(product([False, True], repeat=3)))
def test_the_line_shows_by_the_vendors_boxes(single_sign_on: bool, real_time: bool, oauth2: bool) -> None:  # noqa: FBT001
    """NetSuite needs OAuth 2.0, and single sign-on or real-time integration: three of eight combinations."""
    options = Options(single_sign_on=single_sign_on, real_time_integration=real_time, oauth2=oauth2)
    shown = {(False, True, True), (True, False, True), (True, True, True)}
    assert ((single_sign_on, real_time, oauth2) in shown) is options.shows_certificate


@pytest.mark.parametrize(
    ("add_on", "connector", "expected"),
    [
        ("3.0", "4.0", True),
        ("3.00", "4.00", True),
        ("4.02", "5.02", True),
        ("10.0", "11.1", True),
        ("3", "4", True),
        ("3.0.1", "4.0", True),
        ("2.9", "4.0", False),
        ("2.99.9", "4.0", False),
        ("3.0", "3.9", False),
        ("3.0", None, False),
        (None, "4.0", False),
        (None, None, False),
    ],
)
def test_the_upgraded_feature_rotates_unasked(add_on: str | None, connector: str | None, expected: bool) -> None:  # noqa: FBT001
    """Bundle 369630 from 3.0 on, with 369637 from 4.0 on; versions are compared as numbers."""
    versions = {"369630": add_on, "369637": connector}
    bundles = {bundle: version for bundle, version in versions.items() if version}
    assert expected is a_connection(bundles=bundles).is_automatic


def test_each_condition_that_fails_is_named() -> None:
    """Boxes and bundles that automatic rotation lacks are named one by one; none is named where it is on."""
    none = Options(single_sign_on=False, real_time_integration=False, oauth2=False)
    assert (
        "Neither single sign-on nor real-time integration is ticked.",
        "OAuth 2.0 is not ticked.",
        "Bundle 369630 is recorded as 2.9; 3.0 or later is needed.",
        "Bundle 369637 is not recorded; 4.0 or later is needed.",
    ) == missing_conditions(none, {"369630": "2.9"})
    assert () == missing_conditions(Options(), {"369630": "10.0", "369637": "4.0"})


def test_without_the_boxes_nothing_is_automatic() -> None:
    """Without OAuth 2.0 in the options, no bundle version makes rotations automatic."""
    bundles = {"369630": "4.02", "369637": "5.02"}
    assert not a_connection(bundles=bundles, options=Options(oauth2=False)).is_automatic


@pytest.mark.parametrize("version", ["", "v3", "3.", ".3", "3..0", "3.0b", "3,0", " 3.0"])
def test_a_version_is_numbers_and_dots(version: str) -> None:
    """A bundle version that cannot be compared is refused with the bundle's id."""
    with pytest.raises(InvalidInput, match="369630"):
        a_connection(bundles={"369630": version})


@pytest.mark.parametrize("starts_by_hand", [False, True])
def test_no_schedule_starts_what_needs_a_person(starts_by_hand: bool) -> None:  # noqa: FBT001
    """Where a person saves the certificate in OpenAir, rotation is automatic only if the policy says so."""
    by_hand = OpenAirSettings(kind=OpenAirKind.EXPORT)
    assert starts_by_hand is a_connection(openair=by_hand, policy=Policy(starts_by_hand=starts_by_hand)).is_automatic
    assert a_connection(policy=Policy(starts_by_hand=starts_by_hand)).is_automatic


# --- defaults ---------------------------------------------------------------------------------------------------------


def test_a_new_connection() -> None:
    """A new connection has real-time integration with OAuth 2.0, no known bundle, no certificate and no due date."""
    netsuite = NetSuiteSettings(account="1", client_id="id", certificate_id="kid")
    openair = OpenAirSettings(kind=OpenAirKind.EXPORT)
    new = Connection(name="acme", netsuite=netsuite, openair=openair)
    assert (Options(single_sign_on=False, real_time_integration=True, oauth2=True), Policy(), {}) == (
        new.options,
        new.policy,
        new.bundles,
    )
    assert (0, None, None) == (new.version, new.current, new.due_at)
