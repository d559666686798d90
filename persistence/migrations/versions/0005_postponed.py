"""the event postponed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOVES = (
    "COALESCE(source, '') || '>' || event || '>' || target IN ('>request>Requested', "
    "'Requested>generate_key>KeyGenerated', 'KeyGenerated>upload_to_netsuite>UploadedToNetSuite', "
    "'UploadedToNetSuite>save_to_openair>SavedToOpenAir', 'SavedToOpenAir>verify>Completed', "
    "'Requested>fail>Failed', 'KeyGenerated>fail>Failed', 'UploadedToNetSuite>fail>Failed', "
    "'SavedToOpenAir>fail>Failed', 'Failed>resume>Requested', 'Failed>resume>KeyGenerated', "
    "'Failed>resume>UploadedToNetSuite', 'Failed>resume>SavedToOpenAir', 'Failed>restoring>Failed', "
    "'Failed>abandon>Failed', 'Failed>restore>Failed', 'Failed>adopt>Failed', 'Requested>postponed>Requested', "
    "'KeyGenerated>postponed>KeyGenerated', 'UploadedToNetSuite>postponed>UploadedToNetSuite', "
    "'SavedToOpenAir>postponed>SavedToOpenAir', 'Requested>taken_over>Requested', "
    "'KeyGenerated>taken_over>KeyGenerated', 'UploadedToNetSuite>taken_over>UploadedToNetSuite', "
    "'SavedToOpenAir>taken_over>SavedToOpenAir', 'Requested>unknown>Requested', "
    "'KeyGenerated>unknown>KeyGenerated', 'UploadedToNetSuite>unknown>UploadedToNetSuite', "
    "'SavedToOpenAir>unknown>SavedToOpenAir', 'Requested>confirmed_by_person>Requested', "
    "'KeyGenerated>confirmed_by_person>KeyGenerated', "
    "'UploadedToNetSuite>confirmed_by_person>UploadedToNetSuite', "
    "'SavedToOpenAir>confirmed_by_person>SavedToOpenAir', 'Requested>put_off>Requested', "
    "'KeyGenerated>put_off>KeyGenerated', 'UploadedToNetSuite>put_off>UploadedToNetSuite', "
    "'SavedToOpenAir>put_off>SavedToOpenAir')"
)


def upgrade() -> None:
    """Apply the migration: the journal may say ``postponed``, which was ``put_off`` before.

    Older entries keep the old name, and are read with the new one. An entry's hash covers its event, and every later
    hash covers that hash: to rename an event is to rewrite the journal, which the chain is there to show.
    """
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.drop_constraint(op.f("ck_journal_move"), "journal", type_="check")
        op.create_check_constraint(op.f("ck_journal_move"), "journal", _MOVES)


def _rebuild() -> None:
    """SQLite cannot change a constraint: copy the journal into a new table, as it is."""
    op.rename_table("journal", "journal_before")
    op.create_table(
        "journal",
        sa.Column("rotation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint("(seq = 1) = (event = 'request')", name=op.f("ck_journal_first")),
        sa.CheckConstraint(_MOVES, name=op.f("ck_journal_move")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_journal_seq")),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotations.id"], name=op.f("fk_journal_rotation_id")),
        sa.PrimaryKeyConstraint("rotation_id", "seq", name=op.f("pk_journal")),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO journal SELECT * FROM journal_before")
    op.drop_table("journal_before")
