"""What every table is made with: how tables and constraints are named, and the rules that several of them have."""

from sqlalchemy import CheckConstraint, MetaData
from sqlmodel import SQLModel


class TableModel(SQLModel):
    """A table, named as its class is, in lower case."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def is_in(column: str, values: tuple[str, ...]) -> str:
    """The condition that a column has one of these values, or none."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


def together(*columns: str) -> CheckConstraint:
    """All of them, or none."""
    first, *others = columns
    rules = (f"({first} IS NULL) = ({other} IS NULL)" for other in others)
    return CheckConstraint(" AND ".join(rules), name=f"{first}_together")
