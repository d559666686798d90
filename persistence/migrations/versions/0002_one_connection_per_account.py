"""one connection per account."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from states.errors import InvalidSettings
from states.next_action import REPEAT, NextAction, Verb, by_hand

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration. Raises InvalidSettings where connections share an account: which to keep, a person knows."""
    account = sa.column("netsuite", sa.JSON())["account"].as_string()
    canonical = sa.func.lower(sa.func.replace(account, "_", "-"))
    _refuse_shared(account, canonical)
    op.create_index("uq_connections_account", "connections", [canonical], unique=True)


def _refuse_shared(account: sa.ColumnElement[str], canonical: sa.ColumnElement[str]) -> None:
    name = sa.column("name", sa.Text())
    found = defaultdict(list)
    every = sa.select(name, account, canonical).select_from(sa.table("connections")).order_by(name)
    for connection, written, key in op.get_bind().execute(every):
        found[key].append((connection, written))
    for sharing in found.values():
        if len(sharing) > 1:
            names = " and ".join(connection for connection, _ in sharing)
            raise InvalidSettings(
                f"The connections {names} are both for NetSuite account {sharing[0][1]}, which has one certificate "
                "record: they replace each other's certificate. The database was left as it was.",
                next_action=by_hand(
                    "With the previous version of Keyturn, give each connection its own account.",
                    NextAction(Verb.EDIT_CONNECTION, {"connection": sharing[0][0], "account": None}, then=REPEAT),
                ),
            )
