"""How Alembic runs the migrations: always within the caller's transaction, with no logging set up of its own."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.types import TypeDecorator

from persistence.models import for_postgresql


def _plain(kind: str, item: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """A migration stays as it was written, so it names the database's types and not ours, which may change."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=for_postgresql(),
    render_item=_plain,
    render_as_batch=True,  # SQLite cannot alter a table; Alembic copies it instead
)
with context.begin_transaction():
    context.run_migrations()
