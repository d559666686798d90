"""Authenticates what an earlier Keyturn stored, in the transaction of the migration that adds the codes.

Until then nothing was authenticated, so what is stored is taken as it is. It is done once: an attacker who sets the
database back to before that migration does not have the secrets as they were sealed then, and a connection whose
secrets do not open so gets no code, nor do its rotations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import RowMapping, bindparam, select, update

from persistence import authenticity, connection_rows, mapping, models, rotation_mapping
from persistence.journal import Head
from persistence.queries import CONNECTION, ROTATION
from persistence.vault import Vault
from states.connection import Connection
from states.errors import InvalidInput, JournalBroken, SealBroken

Reseal = Callable[[Connection, Mapping[str, bytes]], Mapping[str, bytes]]
"""Seals a connection's secrets, given by name as they were sealed, for the hosts that they may be sent to.

Raises SealBroken where one does not open, or one is missing that the connection needs: who removes them could have them
given again for other hosts.
"""

_MIGRATION: Final = "0012"
"""It adds the codes."""

_c: Final = models.connections
_r: Final = models.rotations
_s: Final = models.secrets
_EVERY: Final = CONNECTION.where(models.IN_USE)
_ROTATIONS: Final = ROTATION.where(_r.c.connection == bindparam("connection"))
_SECRETS: Final = select(_s.c.name, _s.c.sealed).where(_s.c.connection == bindparam("connection"))


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Which connections were authenticated with their rotations, by their names, and which were not."""

    connections: tuple[str, ...]
    refused: tuple[str, ...]


def is_wanted(before: str | None) -> bool:
    """Whether a database whose newest migration was ``before`` has connections without codes; None for a new one."""
    return before is not None and before < _MIGRATION


def as_it_was(_connection: Connection, sealed: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The secrets as they were sealed."""
    return sealed


def authenticate(tx: Transaction, vault: Vault, reseal: Reseal = as_it_was) -> Authenticated:
    """Authenticate every connection whose secrets open, and its rotations. The vault is unlocked."""
    taken: list[str] = []
    refused: list[str] = []
    for row in tx.execute(_EVERY).mappings().all():
        try:
            _authenticate(tx, vault, row, reseal)
        except (SealBroken, JournalBroken, InvalidInput):
            refused.append(row["name"])
        else:
            taken.append(row["name"])
    return Authenticated(tuple(taken), tuple(refused))


def _authenticate(tx: Transaction, vault: Vault, row: RowMapping, reseal: Reseal) -> None:
    connection, name = mapping.to_connection(row), row["name"]
    sealed = reseal(connection, {row.name: row.sealed for row in tx.execute(_SECRETS, {"connection": name})})
    for secret, blob in sealed.items():
        tx.execute(update(_s).where(_s.c.connection == name, _s.c.name == secret).values(sealed=blob))
    settings = authenticity.of_connection(connection, is_automatic=row["automatic"])
    codes: dict[str, str | None] = {
        **connection_rows.codes(vault, connection, row["latest_rotation"]),
        "code": vault.authenticate(settings),
    }
    if row["confirmed_fingerprint"] is not None:
        said = authenticity.of_export(name, *(row[f"confirmed_{each}"] for each in ("fingerprint", "by", "at")))
        codes["confirmed_code"] = vault.authenticate(said)
    tx.execute(update(_c).where(_c.c.name == name).values(codes))
    for stored in tx.execute(_ROTATIONS, {"connection": name}).mappings().all():
        rotation = rotation_mapping.to_rotation({**stored, "code": ""})
        code = authenticity.authenticate_rotation(vault, rotation, Head(stored["journal_seq"], stored["journal_hash"]))
        tx.execute(update(_r).where(_r.c.id == rotation.id).values(code=code))
