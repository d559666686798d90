"""The lists of the console that a person keeps under names: their own, a few, and never an address elsewhere."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from persistence.store import Store
from states.errors import InvalidInput

MOST: Final = 20
"""How many views a person keeps."""
LONGEST_NAME: Final = 40
LONGEST_ADDRESS: Final = 1000
LISTS: Final = ("/connections", "/rotations", "/journal")
"""The pages whose address holds a search."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """One list, by its name."""

    name: str
    address: str

    @property
    def path(self) -> str:
        """The page that it is a search of."""
        return self.address.partition("?")[0]


class SavedViews:
    """What people do with their own views."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, person: str) -> list[SavedView]:
        """Return a person's views, by name. One that someone else made lead elsewhere is left out."""
        found = [SavedView(*each) for each in self._store.saved_views.of(person)]
        return [each for each in found if each.path in LISTS]

    def add(self, person: str, name: str, address: str) -> None:
        """Keep the list at ``address`` under ``name``.

        Raises InvalidInput for a name or an address that cannot be kept, or where there are too many; AlreadyExists.
        """
        if not 1 <= len(name) <= LONGEST_NAME:
            raise InvalidInput(f"The name of a view has 1 to {LONGEST_NAME} characters.")
        if len(address) > LONGEST_ADDRESS or SavedView(name, address).path not in LISTS:
            raise InvalidInput("Only a list of connections, rotations or journal entries can be kept.")
        self._store.saved_views.add(person, name, address, most=MOST)

    def remove(self, person: str, name: str) -> None:
        """Forget a view. Safe to repeat."""
        self._store.saved_views.remove(person, name)


def address_of(path: str, fields: dict[str, str]) -> str:
    """Return the address of a list from its beginning: what it asks for, without the place in it."""
    kept = {name: each for name, each in fields.items() if each and name != "after"}
    return f"{path}?{urlencode(kept)}" if kept else path
