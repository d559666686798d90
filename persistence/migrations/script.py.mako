"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

# There is no way back: a downgrade would drop what only the newer tables hold. Restore a backup instead.


def upgrade() -> None:
    """Apply the migration."""
    ${upgrades if upgrades else "pass"}
