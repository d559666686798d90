"""what was written without the key is not acted on."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: rotations and connections have codes, which persistence/upgrade.py makes."""
    for table, column in (
        ("rotations", "code"),
        ("connections", "code"),
        ("connections", "current_code"),
        ("connections", "confirmed_code"),
    ):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=True))
