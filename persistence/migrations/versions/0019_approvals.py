"""requests for a second person's approval."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
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
    "'SavedToOpenAir>put_off>SavedToOpenAir', 'Failed>postponed>Failed', 'Failed>restore_refused>Failed', "
    "'Failed>approval_asked>Failed', 'Failed>approval_withdrawn>Failed')"
)
_INDEXES = {
    "ix_journal_at": ["at", "rotation_id", "seq"],
    "ix_journal_commit": ["commit_number", "rotation_id", "seq"],
}


def upgrade() -> None:
    """Apply the migration: the journal has requests for approval, and that they were withdrawn."""
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.drop_constraint(op.f("ck_journal_move"), "journal", type_="check")
        op.create_check_constraint(op.f("ck_journal_move"), "journal", _MOVES)


def _rebuild() -> None:
    """SQLite cannot change a constraint: copy the journal into a new table, as it is."""
    for name in _INDEXES:
        op.drop_index(name, "journal")
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
        sa.Column("commit_number", sa.BigInteger(), nullable=False, server_default="0"),
        sa.CheckConstraint("(seq = 1) = (event = 'request')", name=op.f("ck_journal_first")),
        sa.CheckConstraint(_MOVES, name=op.f("ck_journal_move")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_journal_seq")),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotations.id"], name=op.f("fk_journal_rotation_id")),
        sa.PrimaryKeyConstraint("rotation_id", "seq", name=op.f("pk_journal")),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO journal SELECT * FROM journal_before")
    op.drop_table("journal_before")
    for name, columns in _INDEXES.items():
        op.create_index(name, "journal", columns)
