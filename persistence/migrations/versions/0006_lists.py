"""indexes for lists."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: lists are ordered by id, so each filter of a list has an index that ends with the id."""
    for name, where in (
        ("ix_rotations_open_states", "closed_at IS NULL"),
        ("ix_rotations_closed_states", "closed_at IS NOT NULL"),
    ):
        op.create_index(
            name, "rotations", ["state", "id"], sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
