"""The room of the saved views: which lists of the console each person keeps, under which names."""

from typing import Final

from sqlalchemy import Text, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from persistence import access_models
from persistence.database import Database
from states.errors import AlreadyExists, InvalidInput
from states.next_action import by_hand

_t: Final = access_models.saved_views
_OF: Final = select(_t.c.name, _t.c.address).where(_t.c.person == bindparam("of", type_=Text())).order_by(_t.c.name)
_REMOVE: Final = delete(_t).where(_t.c.person == bindparam("of"), _t.c.name == bindparam("wanted"))


class SavedViews:
    """The saved views: kept, listed, removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, person: str) -> list[tuple[str, str]]:
        """Return the names of a person's views, in order, with their addresses."""
        with self._database.reading() as tx:
            return [(row.name, row.address) for row in tx.execute(_OF, {"of": person})]

    def add(self, person: str, name: str, address: str, *, most: int) -> None:
        """Keep a view. Raises AlreadyExists for a name that is taken; InvalidInput where there are ``most`` already."""
        with self._database.writing() as tx:
            if len(tx.execute(_OF, {"of": person}).all()) >= most:
                raise InvalidInput(
                    f"You keep {most} views, which is the most.", next_action=by_hand("Remove one of them first.")
                )
            try:
                tx.execute(insert(_t), {"person": person, "name": name, "address": address})
            except IntegrityError as error:
                raise AlreadyExists(
                    f"You keep a view {name} already.", next_action=by_hand("Choose another name, or remove that view.")
                ) from error

    def remove(self, person: str, name: str) -> None:
        """Remove a view. Safe to repeat."""
        with self._database.writing() as tx:
            tx.execute(_REMOVE, {"of": person, "wanted": name})
