"""rotations that a person begins."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: where a person saves the certificate in OpenAir, no rotation begins unattended."""
    op.add_column("rotations", sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE connections SET automatic = FALSE WHERE openair ->> 'kind' = 'export'")
