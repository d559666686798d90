"""retired data keys."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: a data key can be retired, and leaves its authentication key."""
    op.add_column("datakeys", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
