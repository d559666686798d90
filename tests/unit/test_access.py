"""Roles and tokens: which role includes which, and which tokens there can be."""

from datetime import timedelta

import pytest
from support.factories import NOW, a_token

from states.access import LONGEST_LIFE, Role
from states.errors import InvalidInput


def test_each_role_includes_those_before_it() -> None:
    """An administrator may do all, an operator what a viewer may, a viewer only what viewers may."""
    assert {
        Role.VIEWER: [True, False, False],
        Role.OPERATOR: [True, True, False],
        Role.ADMINISTRATOR: [True, True, True],
    } == {each: [each.includes(other) for other in Role] for each in Role}


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 65, "ada:", "ä", "a\n"])
def test_names_that_are_none(name: str) -> None:
    """A token's name is plain, so that it can be read in the journal for what it is."""
    with pytest.raises(InvalidInput, match="name"):
        a_token(name=name)


@pytest.mark.parametrize("life", [timedelta(), timedelta(days=-1), LONGEST_LIFE + timedelta(seconds=1)])
def test_lives_that_are_none(life: timedelta) -> None:
    """A token expires, and within a year."""
    with pytest.raises(InvalidInput, match="expires"):
        a_token(expires_at=NOW + life)


def test_a_life_of_a_year_is_legal() -> None:
    """A token lives 366 days at most, and so long it may."""
    assert timedelta(days=366) == LONGEST_LIFE
    assert NOW + LONGEST_LIFE == a_token(expires_at=NOW + LONGEST_LIFE).expires_at


def test_a_token_has_a_name_in_the_journal() -> None:
    """What a program does is noted under its token's name."""
    assert "token:nightly" == a_token().actor


def test_a_token_ends_at_its_moment() -> None:
    """It is valid until the moment at which it expires, and not at that moment."""
    token = a_token()
    assert [True, False] == [
        token.is_valid(at) for at in (token.expires_at - timedelta(microseconds=1), token.expires_at)
    ]
