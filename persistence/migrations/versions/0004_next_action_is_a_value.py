"""next action is a value."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration: the sentence for a parked rotation becomes the reason to resume it.

    The commands in a sentence stay readable, with the rotation's id; its explanation shows what else is possible.
    """
    rotations = sa.table("rotations", sa.column("id", sa.Text()), sa.column("failure_next_action", sa.Text()))
    column = rotations.c.failure_next_action
    bind = op.get_bind()
    for rotation_id, sentence in bind.execute(sa.select(rotations.c.id, column).where(column.is_not(None))).all():
        because = sentence.replace(" ID`", f" {rotation_id}`").replace(" ID --", f" {rotation_id} --")
        stored = json.dumps({"verb": "resume", "options": {}, "because": because}, ensure_ascii=False)
        bind.execute(sa.update(rotations).where(rotations.c.id == rotation_id).values({column: stored}))
