"""the journal by time."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: the journal of all rotations is read in the order of time, a page at a time."""
    op.create_index("ix_journal_at", "journal", ["at", "rotation_id", "seq"])
