"""tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: programs sign in to the API with tokens, of which hashes are stored."""
    op.create_table(
        "tokens",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'administrator')", name=op.f("ck_tokens_role")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tokens")),
    )
    op.create_index("uq_tokens_digest", "tokens", ["digest"], unique=True)
