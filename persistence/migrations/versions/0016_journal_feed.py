"""the journal in the order of commits."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: the entries of all rotations are read in the order of their commits, without gaps.

    What was written before comes first, in the order of rotations.
    """
    op.add_column("journal", sa.Column("commit_number", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_journal_commit", "journal", ["commit_number", "rotation_id", "seq"])
