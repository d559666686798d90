"""checkpoints of the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: the whole journal at some moments, and where each rotation's journal ended then.

    The entries so far get keyed hashes afterwards (persistence/journal_upgrade.py), for which the vault is needed.
    """
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("rotations", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "checkpointheads",
        sa.Column("rotation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("checkpoint", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rotation_id", "seq", name=op.f("pk_checkpointheads")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_checkpointheads_checkpoint", "checkpointheads", ["checkpoint", "rotation_id"])
