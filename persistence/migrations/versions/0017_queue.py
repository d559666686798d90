"""the queue of hints, on PostgreSQL."""

from alembic import op

from persistence import queue_schema

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: Procrastinate's tables, in a schema of their own."""
    queue_schema.bring_up_to_date(op.get_bind())
