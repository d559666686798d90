"""first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# There is no way back: a downgrade would drop what only the newer tables hold. Restore a backup instead.


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_certificates")),
    )
    op.create_table(
        "datakeys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kek_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datakeys")),
    )
    op.create_table(
        "connections",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("netsuite", sa.JSON(), nullable=False),
        sa.Column("openair", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("bundles", sa.JSON(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("current_fingerprint", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_fingerprint", sa.Text(), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("latest_rotation", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(confirmed_fingerprint IS NULL) = (confirmed_by IS NULL) AND (confirmed_fingerprint IS NULL) = "
            "(confirmed_at IS NULL)",
            name=op.f("ck_connections_confirmed_fingerprint_together"),
        ),
        sa.CheckConstraint("version >= 0", name=op.f("ck_connections_version")),
        sa.ForeignKeyConstraint(
            ["confirmed_fingerprint"], ["certificates.fingerprint"], name=op.f("fk_connections_confirmed_fingerprint")
        ),
        sa.ForeignKeyConstraint(
            ["current_fingerprint"], ["certificates.fingerprint"], name=op.f("fk_connections_current_fingerprint")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connections")),
    )
    op.create_index(
        "ix_connections_due",
        "connections",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("automatic"),
        postgresql_where=sa.text("automatic"),
    )

    op.create_table(
        "rotations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("follows", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_fingerprint", sa.Text(), nullable=True),
        sa.Column("candidate_fingerprint", sa.Text(), nullable=True),
        sa.Column("confirmation_fingerprint", sa.Text(), nullable=True),
        sa.Column("challenge", sa.Text(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("saved_fingerprint", sa.Text(), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_fingerprint", sa.Text(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skew_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("doubt_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_flight_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("may_create_record", sa.Boolean(), nullable=False),
        sa.Column("may_overwrite", sa.Boolean(), nullable=False),
        sa.Column("waiting_for", sa.Text(), nullable=False),
        sa.Column("awaits_person", sa.Boolean(), nullable=False),
        sa.Column("failed_from", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("failure_next_action", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restoring_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ending", sa.Text(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("journal_seq", sa.Integer(), nullable=False),
        sa.Column("journal_hash", sa.Text(), nullable=False),
        sa.CheckConstraint("(state = 'Failed') = (failed_from IS NOT NULL)", name=op.f("ck_rotations_failed")),
        sa.CheckConstraint(
            "NOT (COALESCE(failed_from, state) IN ('Completed')) OR COALESCE(verified_fingerprint = "
            "candidate_fingerprint, FALSE)",
            name=op.f("ck_rotations_verified_proved"),
        ),
        sa.CheckConstraint(
            "NOT (COALESCE(failed_from, state) IN ('KeyGenerated', 'UploadedToNetSuite', 'SavedToOpenAir', "
            "'Completed')) OR COALESCE(candidate_fingerprint = candidate_fingerprint, FALSE)",
            name=op.f("ck_rotations_candidate_proved"),
        ),
        sa.CheckConstraint(
            "NOT (COALESCE(failed_from, state) IN ('SavedToOpenAir', 'Completed')) OR COALESCE(saved_fingerprint "
            "= candidate_fingerprint, FALSE)",
            name=op.f("ck_rotations_saved_proved"),
        ),
        sa.CheckConstraint(
            "NOT (COALESCE(failed_from, state) IN ('UploadedToNetSuite', 'SavedToOpenAir', 'Completed')) OR "
            "COALESCE(confirmation_fingerprint = candidate_fingerprint, FALSE)",
            name=op.f("ck_rotations_confirmation_proved"),
        ),
        sa.CheckConstraint(
            "NOT (state IN ('Requested', 'KeyGenerated', 'UploadedToNetSuite', 'SavedToOpenAir')) OR closed_at IS NULL",
            name=op.f("ck_rotations_active_is_open"),
        ),
        sa.CheckConstraint(
            "failed_from IN ('Requested', 'KeyGenerated', 'UploadedToNetSuite', 'SavedToOpenAir')",
            name=op.f("ck_rotations_failed_from"),
        ),
        sa.CheckConstraint(
            "state <> 'Completed' OR closed_at IS NOT NULL", name=op.f("ck_rotations_completed_is_closed")
        ),
        sa.CheckConstraint(
            "state IN ('Requested', 'KeyGenerated', 'UploadedToNetSuite', 'SavedToOpenAir', 'Completed', 'Failed')",
            name=op.f("ck_rotations_state"),
        ),
        sa.CheckConstraint(
            "(confirmation_fingerprint IS NULL) = (challenge IS NULL) AND (confirmation_fingerprint IS NULL) = "
            "(signature IS NULL) AND (confirmation_fingerprint IS NULL) = (asked_at IS NULL)",
            name=op.f("ck_rotations_confirmation_fingerprint_together"),
        ),
        sa.CheckConstraint(
            "(failed_from IS NULL) = (failure_code IS NULL) AND (failed_from IS NULL) = (failure_message IS NULL) "
            "AND (failed_from IS NULL) = (failure_next_action IS NULL) AND (failed_from IS NULL) = (failed_at IS "
            "NULL)",
            name=op.f("ck_rotations_failed_from_together"),
        ),
        sa.CheckConstraint(
            "(saved_fingerprint IS NULL) = (saved_at IS NULL)", name=op.f("ck_rotations_saved_fingerprint_together")
        ),
        sa.CheckConstraint(
            "(verified_fingerprint IS NULL) = (verified_at IS NULL)",
            name=op.f("ck_rotations_verified_fingerprint_together"),
        ),
        sa.CheckConstraint(
            "(ending IS NOT NULL) = (state = 'Failed' AND closed_at IS NOT NULL)",
            name=op.f("ck_rotations_ending_told"),
        ),
        sa.CheckConstraint("ending IN ('abandoned', 'restored', 'adopted')", name=op.f("ck_rotations_ending")),
        sa.CheckConstraint(
            "restoring_since IS NULL OR (state = 'Failed' AND closed_at IS NULL)",
            name=op.f("ck_rotations_restoring_is_parked"),
        ),
        sa.CheckConstraint("(worker IS NULL) = (lease_until IS NULL)", name=op.f("ck_rotations_worker_together")),
        sa.CheckConstraint(
            "version >= 0 AND attempt >= 1 AND tries >= 0 AND fence >= 0", name=op.f("ck_rotations_counters")
        ),
        sa.ForeignKeyConstraint(
            ["candidate_fingerprint"], ["certificates.fingerprint"], name=op.f("fk_rotations_candidate_fingerprint")
        ),
        sa.ForeignKeyConstraint(["connection"], ["connections.name"], name=op.f("fk_rotations_connection")),
        sa.ForeignKeyConstraint(["follows"], ["rotations.id"], name=op.f("fk_rotations_follows")),
        sa.ForeignKeyConstraint(
            ["previous_fingerprint"], ["certificates.fingerprint"], name=op.f("fk_rotations_previous_fingerprint")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rotations")),
    )
    op.create_index("ix_rotations_connection", "rotations", ["connection", "id"], unique=False)
    active = sa.text("state IN ('Requested', 'KeyGenerated', 'UploadedToNetSuite', 'SavedToOpenAir')")
    op.create_index(
        "ix_rotations_claimable",
        "rotations",
        [sa.literal_column("(state <> 'UploadedToNetSuite')"), "available_at"],
        sqlite_where=active,
        postgresql_where=active,
    )
    op.create_index(
        "uq_rotations_open",
        "rotations",
        ["connection"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )

    op.create_table(
        "secrets",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["connection"], ["connections.name"], name=op.f("fk_secrets_connection")),
        sa.PrimaryKeyConstraint("connection", "name", name=op.f("pk_secrets")),
    )
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
        sa.CheckConstraint(
            "COALESCE(source, '') || '>' || event || '>' || target IN ('>request>Requested', "
            "'Requested>generate_key>KeyGenerated', 'KeyGenerated>upload_to_netsuite>UploadedToNetSuite', "
            "'UploadedToNetSuite>save_to_openair>SavedToOpenAir', 'SavedToOpenAir>verify>Completed', "
            "'Requested>fail>Failed', 'KeyGenerated>fail>Failed', 'UploadedToNetSuite>fail>Failed', "
            "'SavedToOpenAir>fail>Failed', 'Failed>resume>Requested', 'Failed>resume>KeyGenerated', "
            "'Failed>resume>UploadedToNetSuite', 'Failed>resume>SavedToOpenAir', 'Requested>put_off>Requested', "
            "'KeyGenerated>put_off>KeyGenerated', 'UploadedToNetSuite>put_off>UploadedToNetSuite', "
            "'SavedToOpenAir>put_off>SavedToOpenAir', 'Requested>taken_over>Requested', "
            "'KeyGenerated>taken_over>KeyGenerated', 'UploadedToNetSuite>taken_over>UploadedToNetSuite', "
            "'SavedToOpenAir>taken_over>SavedToOpenAir', 'Requested>unknown>Requested', "
            "'KeyGenerated>unknown>KeyGenerated', 'UploadedToNetSuite>unknown>UploadedToNetSuite', "
            "'SavedToOpenAir>unknown>SavedToOpenAir', 'Requested>confirmed_by_person>Requested', "
            "'KeyGenerated>confirmed_by_person>KeyGenerated', "
            "'UploadedToNetSuite>confirmed_by_person>UploadedToNetSuite', "
            "'SavedToOpenAir>confirmed_by_person>SavedToOpenAir', 'Failed>restoring>Failed', 'Failed>abandon>Failed', "
            "'Failed>restore>Failed', 'Failed>adopt>Failed')",
            name=op.f("ck_journal_move"),
        ),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_journal_seq")),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotations.id"], name=op.f("fk_journal_rotation_id")),
        sa.PrimaryKeyConstraint("rotation_id", "seq", name=op.f("pk_journal")),
        sqlite_with_rowid=False,
    )
