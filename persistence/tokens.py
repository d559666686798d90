"""The room of the tokens: with which programs sign in to the API, and what each of them may do.

Who can write the database and has no key cannot make a token, nor give one another role or a longer life: each row has
a code that covers all of it but the last use.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from persistence import access_models, authenticity
from persistence.database import Database
from persistence.mapping import NOT_OURS, Row
from persistence.vault import Vault
from states.access import Role, Token
from states.errors import AlreadyExists, NotFound, Tampered
from states.next_action import by_hand

_t: Final = access_models.tokens
_USES: Final = timedelta(minutes=1)
"""How exactly the last use is known: a program that asks every second writes no oftener than this."""

ALL: Final = select(_t).order_by(_t.c.name)
_FIND: Final = select(_t).where(_t.c.digest == bindparam("wanted"))
_ADD: Final = insert(_t)
_USED: Final = (
    update(_t)
    .where(
        _t.c.name == bindparam("of"),
        or_(_t.c.used_at.is_(None), _t.c.used_at <= bindparam("before")),
    )
    .values(used_at=bindparam("at"))
)
_REMOVE: Final = delete(_t).where(_t.c.name == bindparam("of"))


class Tokens:
    """The tokens: added, found by their secret's hash, removed."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def add(self, token: Token) -> None:
        """Store a new token. Raises AlreadyExists where there is one of that name; VaultLocked, SealBroken."""
        code = self._vault.authenticate(authenticity.of_token(token))
        values: dict[str, Any] = {
            **{name: getattr(token, name) for name in ("name", "digest", "created_at", "created_by", "expires_at")},
            "role": token.role.value,
            "code": code,
        }
        with self._database.writing() as tx:
            try:
                tx.execute(_ADD, values)
            except IntegrityError as error:
                raise AlreadyExists(
                    f"There is a token {token.name} already.",
                    next_action=by_hand("Choose another name, or revoke that token first."),
                ) from error

    def find(self, digest: str) -> Token | None:
        """Return the token whose secret has this hash; None without one. Whether it has expired is for the caller.

        Raises Tampered where it was changed outside Keyturn; VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            row = tx.execute(_FIND, {"wanted": digest}).mappings().first()
        if row is None:
            return None
        token = authentic(self._vault, row)
        if token is None:
            raise Tampered(
                f"Token {row['name']} was changed outside Keyturn; it is not accepted.",
                next_action=by_hand("Revoke the token, and find out who can write the database.", None),
            )
        return token

    def all(self) -> list[tuple[Token, bool]]:
        """Every token by name, and whether it is as Keyturn wrote it; one that cannot be read is left out.

        Raises VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            rows = list(tx.execute(ALL).mappings())
        found = ((to_token(row), authentic(self._vault, row) is not None) for row in rows)
        return [(token, is_authentic) for token, is_authentic in found if token]

    def shown(self) -> list[Token]:
        """Every token by name, to show it: whether it is as Keyturn wrote it is not checked, which needs the key."""
        with self._database.reading() as tx:
            return [token for row in tx.execute(ALL).mappings() if (token := to_token(row))]

    def note_use(self, token: Token, at: datetime) -> None:
        """Store that ``token`` was used ``at`` this moment (UTC), unless it was within the last minute."""
        if token.used_at and at - token.used_at < _USES:
            return
        with self._database.writing() as tx:
            tx.execute(_USED, {"of": token.name, "before": at - _USES, "at": at})

    def remove(self, name: str) -> None:
        """Remove a token: it signs no one in any more. Raises NotFound."""
        with self._database.writing() as tx:
            if not tx.execute(_REMOVE, {"of": name}).rowcount:
                raise NotFound(f"There is no token {name}.", next_action=by_hand("See the list of tokens.", None))


def to_token(row: Row) -> Token | None:
    """The token of a row; None where it holds what Keyturn never wrote."""
    try:
        return Token(
            name=row["name"],
            digest=row["digest"],
            role=Role(row["role"]),
            created_at=row["created_at"],
            created_by=row["created_by"],
            expires_at=row["expires_at"],
            used_at=row["used_at"],
        )
    except NOT_OURS:
        return None


def authentic(vault: Vault, row: Row) -> Token | None:
    """The token of a row, if it is as Keyturn wrote it. Raises VaultLocked, SealBroken."""
    token = to_token(row)
    return token if token and vault.is_authentic(authenticity.of_token(token), str(row["code"])) else None
