"""workers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: each process that carries rotations is stored, with the lock that shows that it lives."""
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("lock_key", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ended_at IS NULL OR lock_key IS NULL", name=op.f("ck_workers_ended_has_no_lock")),
        sa.CheckConstraint("role IN ('worker', 'run-due', 'command')", name=op.f("ck_workers_role")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    present = sa.text("ended_at IS NULL")
    op.create_index("ix_workers_present", "workers", ["name"], sqlite_where=present, postgresql_where=present)
