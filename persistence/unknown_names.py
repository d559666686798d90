"""What is said of a connection that is not known by the given name: the name that may have been meant."""

from difflib import get_close_matches
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import select as select_columns

from persistence import models
from states.errors import NotFound

_NAMES: Final = select_columns(models.connections.c.name).where(models.IN_USE)


def no_connection(tx: Transaction, name: str) -> NotFound:
    """Return the error for ``name``, with the name in use that is most like it, if one is."""
    near = get_close_matches(name, tx.execute(_NAMES).scalars(), n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return NotFound(f"There is no connection {name}.{meant}")
