"""The tables. Their constraints are derived from the transition table: no move and no proof is spelled out twice."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnClause,
    ColumnElement,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import Field

from persistence import access_models, alert_models  # noqa: F401 - their tables belong to the same database
from persistence.boolean import StrictBoolean
from persistence.clock import UtcDateTime
from persistence.journal import MOVES, REQUEST
from persistence.model_base import TableModel, is_in, together
from states import table
from states.rotation import Ending
from states.state import State


def _proof(proof: str) -> CheckConstraint:
    """Rule 1: no rotation gets to a position that needs a proof without that proof of its own candidate."""
    needs = is_in(POSITION, table.positions_with(proof))
    return CheckConstraint(
        f"NOT ({needs}) OR COALESCE({proof}_fingerprint = candidate_fingerprint, FALSE)", name=f"{proof}_proved"
    )


POSITION: Final = "COALESCE(failed_from, state)"
"""How far a rotation got."""
ACTIVE: Final = text(is_in("state", table.ACTIVE))
"""A rotation that has a step left. Query and partial index must say it in the same text, or the index is not used."""
CLAIMABLE: Final = text(f"({ACTIVE.text} OR (state = '{State.FAILED}' AND closed_at IS NULL AND NOT awaits_person))")
"""A rotation that a worker carries on: it has a step left, or Keyturn restores its previous certificate by itself."""
OPEN: Final = text("closed_at IS NULL")
CLOSED: Final = text("closed_at IS NOT NULL")
PRESENT: Final = text("ended_at IS NULL")
"""A worker that was not seen to end."""
AUTOMATIC: Final = text("automatic")
"""A connection whose certificates are rotated by the schedule."""
BY_HAND: Final = text("NOT automatic")
"""One whose rotations a person begins."""
CALM: Final[ColumnClause[bool]] = literal_column(f"(state NOT IN ('{table.OUTAGE}', '{State.FAILED}'))")
"""Sorts the claimable rotations in UploadedToNetSuite first, and those that are restored: each of their seconds is an
outage."""


class Certificates(TableModel, table=True):
    """The certificates that rotations made or found; each with its sealed private key while that is kept."""

    fingerprint: str = Field(primary_key=True, sa_type=Text)
    pem: str = Field(sa_type=Text, repr=False)
    not_before: datetime = Field(sa_type=UtcDateTime)
    not_after: datetime = Field(sa_type=UtcDateTime)
    sealed_key: bytes | None = Field(default=None, sa_type=LargeBinary, repr=False)


class Connections(TableModel, table=True):
    """The connections, and what Keyturn knows of their certificates."""

    __table_args__ = (
        CheckConstraint("version >= 0", name="version"),
        together("confirmed_fingerprint", "confirmed_by", "confirmed_at"),
        Index("ix_connections_due", "due_at", sqlite_where=AUTOMATIC),
    )

    name: str = Field(primary_key=True, sa_type=Text)
    version: int
    netsuite: dict[str, Any] = Field(sa_type=JSON)
    openair: dict[str, Any] = Field(sa_type=JSON)
    options: dict[str, Any] = Field(sa_type=JSON)
    policy: dict[str, Any] = Field(sa_type=JSON)
    bundles: dict[str, str] = Field(sa_type=JSON)
    automatic: bool = Field(sa_type=StrictBoolean)
    current_fingerprint: str | None = Field(default=None, sa_type=Text, foreign_key="certificates.fingerprint")
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    confirmed_fingerprint: str | None = Field(default=None, sa_type=Text, foreign_key="certificates.fingerprint")
    """The certificate that a person said OpenAir holds."""
    confirmed_by: str | None = Field(default=None, sa_type=Text)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    code: str | None = Field(default=None, sa_type=Text)
    """Authenticates the settings (persistence/authenticity.py). Three codes, because three writers know no more of the
    connection than what each covers: who changes the settings, who moves a rotation, and a person's confirmation."""
    current_code: str | None = Field(default=None, sa_type=Text)
    """Authenticates the current certificate and the latest rotation."""
    confirmed_code: str | None = Field(default=None, sa_type=Text)
    latest_rotation: str | None = Field(default=None, sa_type=Text)
    """The newest rotation: the next one continues its journal. No foreign key, as the two tables would need each
    other before either exists; the journal's verification follows it instead."""


class Rotations(TableModel, table=True):
    """The rotations, who works on each, and where its journal ends."""

    __table_args__ = (
        CheckConstraint(is_in("state", tuple(State)), name="state"),
        CheckConstraint("version >= 0 AND attempt >= 1 AND tries >= 0 AND fence >= 0", name="counters"),
        CheckConstraint(f"(state = '{State.FAILED}') = (failed_from IS NOT NULL)", name="failed"),
        CheckConstraint(is_in("failed_from", table.ACTIVE), name="failed_from"),
        CheckConstraint(f"state <> '{State.COMPLETED}' OR closed_at IS NOT NULL", name="completed_is_closed"),
        CheckConstraint(f"NOT ({ACTIVE.text}) OR closed_at IS NULL", name="active_is_open"),
        CheckConstraint(
            f"(ending IS NOT NULL) = (state = '{State.FAILED}' AND closed_at IS NOT NULL)",
            name="ending_told",
        ),
        CheckConstraint(is_in("ending", tuple(Ending)), name="ending"),
        CheckConstraint(
            f"restoring_since IS NULL OR (state = '{State.FAILED}' AND closed_at IS NULL)", name="restoring_is_parked"
        ),
        *(_proof(proof) for proof in table.PROOFS),
        together("confirmation_fingerprint", "challenge", "signature", "asked_at"),
        together("saved_fingerprint", "saved_at"),
        together("verified_fingerprint", "verified_at"),
        together("failed_from", "failure_code", "failure_message", "failure_next_action", "failed_at"),
        together("worker", "lease_until"),
        # Rule 3: one open rotation for each connection.
        Index("uq_rotations_open", "connection", unique=True, sqlite_where=OPEN),
        Index("ix_rotations_claimable", CALM, "available_at", sqlite_where=CLAIMABLE),
        Index("ix_rotations_connection", "connection", "id"),
        # Lists are ordered by id within a state. One index for both would serve the claim too, as SQLite's planner sees
        # it, and have it sort what it finds; and most rotations are closed, where a move has no reason to look.
        Index("ix_rotations_open_states", "state", "id", sqlite_where=OPEN),
        Index("ix_rotations_closed_states", "state", "id", sqlite_where=CLOSED),
    )

    id: str = Field(primary_key=True, sa_type=Text)
    connection: str = Field(sa_type=Text, foreign_key="connections.name")
    follows: str | None = Field(default=None, sa_type=Text, foreign_key="rotations.id")
    """The connection's rotation before this one."""
    cause: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    policy: dict[str, Any] = Field(sa_type=JSON)
    state: str = Field(sa_type=Text)
    version: int
    attempt: int
    tries: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    available_at: datetime = Field(sa_type=UtcDateTime)

    previous_fingerprint: str | None = Field(default=None, sa_type=Text, foreign_key="certificates.fingerprint")
    candidate_fingerprint: str | None = Field(default=None, sa_type=Text, foreign_key="certificates.fingerprint")
    confirmation_fingerprint: str | None = Field(default=None, sa_type=Text)
    challenge: str | None = Field(default=None, sa_type=Text)
    signature: str | None = Field(default=None, sa_type=Text)
    asked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    saved_fingerprint: str | None = Field(default=None, sa_type=Text)
    saved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    verified_fingerprint: str | None = Field(default=None, sa_type=Text)
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    skew_from: datetime | None = Field(default=None, sa_type=UtcDateTime)
    doubt_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    in_flight_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    may_create_record: bool = Field(sa_type=StrictBoolean)
    may_overwrite: bool = Field(sa_type=StrictBoolean)
    waiting_for: str = Field(sa_type=Text)
    awaits_person: bool = Field(sa_type=StrictBoolean)
    begun_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failed_from: str | None = Field(default=None, sa_type=Text)
    failure_code: str | None = Field(default=None, sa_type=Text)
    failure_message: str | None = Field(default=None, sa_type=Text)
    failure_next_action: str | None = Field(default=None, sa_type=Text)
    """The NextAction as JSON, written and read as a whole."""
    failed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    restoring_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ending: str | None = Field(default=None, sa_type=Text)

    worker: str | None = Field(default=None, sa_type=Text)
    """Who holds the rotation, or held it when the lease ran out; None after a release."""
    fence: int
    """The fencing token: counts the claims. A write with a lower number is refused."""
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """By the database's clock."""
    journal_seq: int
    journal_hash: str = Field(sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text)
    """Authenticates the rotation and the end of its journal (persistence/authenticity.py)."""


class Journal(TableModel, table=True):
    """The entries of the rotations' journals."""

    __table_args__ = (
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint(f"(seq = 1) = (event = '{REQUEST}')", name="first"),
        CheckConstraint(is_in("COALESCE(source, '') || '>' || event || '>' || target", MOVES), name="move"),
        Index("ix_journal_at", "at", "rotation_id", "seq"),
        Index("ix_journal_commit", "commit_number", "rotation_id", "seq"),
        {"sqlite_with_rowid": False},  # one tree to write instead of two, with a rotation's entries next to each other
    )

    rotation_id: str = Field(primary_key=True, sa_type=Text, foreign_key="rotations.id")
    seq: int = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(sa_type=Text)
    event: str = Field(sa_type=Text)
    source: str | None = Field(default=None, sa_type=Text)
    target: str = Field(sa_type=Text)
    attempt: int
    detail: dict[str, Any] = Field(sa_type=JSON)
    previous_hash: str = Field(sa_type=Text)
    hash: str = Field(sa_type=Text)
    commit_number: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    """Orders the entries of all rotations (persistence/journal_feed.py); no hash covers it."""


class Checkpoints(TableModel, table=True):
    """The whole journal at some moments."""

    number: int = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    entries: int = Field(sa_type=BigInteger)
    rotations: int = Field(sa_type=BigInteger)
    head: str = Field(sa_type=Text)
    code: str = Field(sa_type=Text)


class CheckpointHeads(TableModel, table=True):
    """Where the journal of a rotation ended when a checkpoint was made, if it went on since the one before.

    No foreign keys: a worker would wait for them while a checkpoint is made, and the verification follows them.
    """

    __table_args__ = (
        Index("ix_checkpointheads_checkpoint", "checkpoint", "rotation_id"),
        {"sqlite_with_rowid": False},
    )

    rotation_id: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    checkpoint: int


class Secrets(TableModel, table=True):
    """The connections' secrets, sealed by the vault."""

    connection: str = Field(primary_key=True, sa_type=Text, foreign_key="connections.name")
    name: str = Field(primary_key=True, sa_type=Text)
    sealed: bytes = Field(sa_type=LargeBinary, repr=False)
    version: int


class DataKeys(TableModel, table=True):
    """The vault's data keys, wrapped by the key-encryption key."""

    id: int = Field(primary_key=True)
    kek_id: str = Field(sa_type=Text)
    wrapped: bytes = Field(sa_type=LargeBinary, repr=False)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """From then on the row has the authentication key alone."""


class Workers(TableModel, table=True):
    """The processes that carry rotations, and those that did lately."""

    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR lock_key IS NULL", name="ended_has_no_lock"),
        CheckConstraint(is_in("role", ("worker", "run-due", "command")), name="role"),
        Index("ix_workers_present", "name", sqlite_where=PRESENT),
    )

    name: str = Field(primary_key=True, sa_type=Text)
    role: str = Field(sa_type=Text)
    host: str = Field(sa_type=Text)
    version: str = Field(sa_type=Text)
    threads: int
    lock_key: int | None = Field(default=None, sa_type=BigInteger)
    """Of the lock that ends with the process; None where its death does not show at once."""
    started_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Monitoring(TableModel, table=True):
    """What monitoring asks and no other table has: one row."""

    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: int = Field(primary_key=True)
    place: str = Field(sa_type=Text)
    """Up to which place in the feed `counts` counts."""
    counts: dict[str, float] = Field(sa_type=JSON)
    passed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When everything that was due was last started."""


def attribute(column: object) -> QueryableAttribute[Any]:
    """A model's column as loader options need it. SQLModel declares its type as the type of the value."""
    assert isinstance(column, QueryableAttribute)
    return column


WITHOUT_KEY: Final = defer(attribute(Certificates.sealed_key), raiseload=True)
"""Reads a certificate without its sealed key, which only a rotation's step needs; to touch it is an error."""

METADATA: Final[MetaData] = TableModel.metadata
certificates: Final[Table] = METADATA.tables["certificates"]
connections: Final[Table] = METADATA.tables["connections"]
rotations: Final[Table] = METADATA.tables["rotations"]
journal: Final[Table] = METADATA.tables["journal"]
checkpoints: Final[Table] = METADATA.tables["checkpoints"]
checkpoint_heads: Final[Table] = METADATA.tables["checkpointheads"]
secrets: Final[Table] = METADATA.tables["secrets"]
data_keys: Final[Table] = METADATA.tables["datakeys"]
workers: Final[Table] = METADATA.tables["workers"]
monitoring: Final[Table] = METADATA.tables["monitoring"]


def canonical(account: ColumnElement[str]) -> ColumnElement[str]:
    """An account's id as NetSuite's host names have it: 1234567_SB1 and 1234567-sb1 are one account."""
    return func.lower(func.replace(account, "_", "-"))


ACCOUNT: Final = canonical(connections.c.netsuite["account"].as_string())
Index("uq_connections_account", ACCOUNT, unique=True)
"""One connection for each NetSuite account, which has one certificate record."""
IN_USE: Final = connections.c.netsuite["account"].as_string().is_not(None)
"""A connection that was neither removed nor renamed: see `connection_rows`."""


def canonical_url(url: ColumnElement[str]) -> ColumnElement[str]:
    """A base URL in the one form that tells places apart: case, a slash at its end and https's own port say nothing."""
    return func.rtrim(func.replace(func.lower(url) + "/", ":443/", "/"), "/")


PLACE: Final = (
    func.nullif(canonical_url(connections.c.openair["url"].as_string()), ""),
    connections.c.openair["preference"].as_string(),
)
"""Where the certificate is kept in OpenAir: each company has a base URL of its own. Only a connection
whose certificate a person saves by hand can be without a URL, and then the place is not known."""
Index("uq_connections_place", *PLACE, unique=True)
"""One connection for each place in OpenAir, which holds one certificate."""


def for_postgresql() -> MetaData:
    """The tables with PostgreSQL's own clause on each partial index, to create or compare them there.

    SQLAlchemy has a clause per database. Naming PostgreSQL's above would import its whole dialect, two megabytes, into
    every worker.
    """
    for index in (index for each in METADATA.tables.values() for index in each.indexes):
        index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
    return METADATA
