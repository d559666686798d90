"""one connection per place in OpenAir."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from states.errors import InvalidSettings
from states.next_action import REPEAT, NextAction, Verb, by_hand

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration. Raises InvalidSettings where connections share a place: which to keep, a person knows."""
    openair = sa.column("openair", sa.JSON())
    url, preference = openair["url"].as_string(), openair["preference"].as_string()
    canonical = sa.func.rtrim(sa.func.replace(sa.func.lower(url) + "/", ":443/", "/"), "/")
    place = sa.func.nullif(canonical, "")
    _refuse_shared(url, place, preference)
    op.create_index("uq_connections_place", "connections", [place, preference], unique=True)


def _refuse_shared(url: sa.ColumnElement[str], place: sa.ColumnElement[str], preference: sa.ColumnElement[str]) -> None:
    name = sa.column("name", sa.Text())
    found = defaultdict(list)
    every = sa.select(name, url, place, preference).select_from(sa.table("connections")).where(place.is_not(None))
    for connection, written, *key in op.get_bind().execute(every.order_by(name)):
        found[tuple(key)].append((connection, written))
    for sharing in found.values():
        if len(sharing) > 1:
            names = " and ".join(connection for connection, _ in sharing)
            raise InvalidSettings(
                f"The connections {names} are both for the OpenAir company at {sharing[0][1]} and one preference, "
                "which holds one certificate: they replace each other's. The database was left as it was.",
                next_action=by_hand(
                    "With the previous version of Keyturn, give each connection its own OpenAir company.",
                    NextAction(Verb.EDIT_CONNECTION, {"connection": sharing[0][0], "openair_url": None}, then=REPEAT),
                ),
            )
