"""The lists that people keep under names, on both databases."""

import pytest
from sqlalchemy import text

from orchestrator.operations.saved_views import LONGEST_ADDRESS, LONGEST_NAME, MOST, SavedViews, address_of
from persistence.store import Store
from states.errors import AlreadyExists, InvalidInput

MINE = "/rotations?q=acme"


def test_views_are_a_persons_own(store: Store) -> None:
    """Each person has views of their own, by name; one that was removed is gone, also when it is removed again."""
    views = SavedViews(store)
    for person, name, address in (("ada", "b", MINE), ("ada", "a", "/journal"), ("bob", "b", "/connections?group=due")):
        views.add(person, name, address)
    assert [("a", "/journal"), ("b", MINE)] == [(each.name, each.address) for each in views.of("ada")]
    with pytest.raises(AlreadyExists):
        views.add("ada", "b", "/journal")
    for _ in range(2):
        views.remove("ada", "b")
    assert (["a"], ["b"], []) == tuple([each.name for each in views.of(person)] for person in ("ada", "bob", "carl"))


def test_views_are_bounded(store: Store) -> None:
    """A person keeps a few views, with short names and addresses."""
    views = SavedViews(store)
    long = f"/rotations?q={'x' * LONGEST_ADDRESS}"
    for name, address in (("", MINE), ("x" * (LONGEST_NAME + 1), MINE), ("x", long)):
        with pytest.raises(InvalidInput):
            views.add("ada", name, address)
    for number in range(MOST):
        views.add("ada", str(number), MINE)
    with pytest.raises(InvalidInput, match="which is the most"):
        views.add("ada", "one more", MINE)
    assert MOST == len(views.of("ada"))
    views.add("bob", "first", MINE)


@pytest.mark.parametrize(
    "address", ["https://evil.example/rotations", "//evil.example", "/rotationsx?q=1", "/sign-out", ""]
)
def test_a_view_never_leads_elsewhere(store: Store, address: str) -> None:
    """An address that is not of a list is not kept; where someone wrote it into the database, it is not shown."""
    views = SavedViews(store)
    with pytest.raises(InvalidInput):
        views.add("ada", "x", address)
    views.add("ada", "x", MINE)
    with store._database.writing() as tx:
        tx.execute(text("UPDATE savedviews SET address = :address"), {"address": address})
    assert [] == views.of("ada")


def test_the_address_of_a_list() -> None:
    """A view begins at the beginning of its list, and leaves out what asks for nothing."""
    assert "/rotations?q=a+%26&group=open" == address_of(
        "/rotations", {"q": "a &", "group": "open", "after": "x", "s": ""}
    )
    assert "/journal" == address_of("/journal", {"after": "x"})
