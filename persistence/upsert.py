"""INSERT … ON CONFLICT, which SQLAlchemy has for each database apart.

Only the dialect in use is imported; the other one would cost each worker two megabytes.
"""

from importlib import import_module
from typing import Any

from sqlalchemy import Table


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT with the ON CONFLICT clauses of ``dialect``: "sqlite" or "postgresql"."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
