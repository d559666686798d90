"""The tables of alerts: those that last, the messages about them, whose turn it is to send, and silences."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, CheckConstraint, Index, Table, Text, text
from sqlmodel import Field

from persistence.clock import UtcDateTime
from persistence.model_base import TableModel, is_in
from states.alert import Phase

UNSENT: Final = text("done_at IS NULL")
"""Messages that not every receiver has."""


class Alerts(TableModel, table=True):
    """The alerts that last: one of each subject."""

    subject: str = Field(primary_key=True, sa_type=Text)
    id: str = Field(sa_type=Text)
    finding: dict[str, Any] = Field(sa_type=JSON)
    began_at: datetime = Field(sa_type=UtcDateTime)
    reported: int
    reported_at: datetime = Field(sa_type=UtcDateTime)


class Outbox(TableModel, table=True):
    """The messages, written in the transactions of what they tell."""

    __table_args__ = (
        CheckConstraint(is_in("phase", tuple(Phase)), name="phase"),
        Index("uq_outbox_message", "alert", "seq", unique=True),
        Index("ix_outbox_unsent", "number", sqlite_where=UNSENT),
        Index("ix_outbox_connection", "connection", "number"),
    )

    number: int | None = Field(default=None, primary_key=True)
    """Orders the messages about one alert, and about one rotation: their transactions exclude each other."""
    alert: str = Field(sa_type=Text)
    seq: int
    phase: str = Field(sa_type=Text)
    connection: str | None = Field(default=None, sa_type=Text)
    finding: dict[str, Any] = Field(sa_type=JSON)
    at: datetime = Field(sa_type=UtcDateTime)
    delivered: list[str] = Field(sa_type=JSON)
    """The routes whose receiver has it."""
    error: str = Field(sa_type=Text)
    """Why a route's receiver does not have it, as a sentence; empty where nothing failed."""
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When it was sent on every route, given up, or silenced."""
    silence: str | None = Field(default=None, sa_type=Text)
    """The id of the silence that kept it from being sent."""


class Senders(TableModel, table=True):
    """Whose turn it is to send: one row. With one sender at a time, messages keep their order."""

    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: int = Field(primary_key=True)
    holder: str = Field(sa_type=Text)
    until: datetime = Field(sa_type=UtcDateTime)
    """By the database's clock."""


class Silences(TableModel, table=True):
    """What people are not notified of for a while."""

    id: str = Field(primary_key=True, sa_type=Text)
    connection: str | None = Field(default=None, sa_type=Text)
    kind: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str = Field(sa_type=Text)
    until: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_by: str | None = Field(default=None, sa_type=Text)
    code: str = Field(sa_type=Text)
    """Authenticates the silence (persistence/authenticity.py)."""


alerts: Final[Table] = TableModel.metadata.tables["alerts"]
outbox: Final[Table] = TableModel.metadata.tables["outbox"]
senders: Final[Table] = TableModel.metadata.tables["senders"]
silences: Final[Table] = TableModel.metadata.tables["silences"]
