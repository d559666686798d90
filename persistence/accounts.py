"""The room of the accounts: the people who sign in to the console with a password, and what each of them may do.

Who can write the database and has no key cannot make an account, nor give one another role or password: each row has a
code that covers all of it. Only the password's hash is stored.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Text, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from persistence import access_models, authenticity
from persistence.database import Database
from persistence.mapping import NOT_OURS, Row
from persistence.vault import Vault
from states.access import Account, Role
from states.errors import AlreadyExists, LastAdministrator, NotFound, Tampered
from states.next_action import by_hand

_t: Final = access_models.accounts
_s: Final = access_models.sessions

ALL: Final = select(_t).order_by(_t.c.name)
_FIND: Final = select(_t).where(_t.c.name == bindparam("wanted", type_=Text()))
_ANY: Final = select(_t.c.name).limit(1)
_LOCK: Final = select(_t).order_by(_t.c.name).with_for_update()
"""All of them, in one order: two administrators who remove each other at the same moment wait for one another."""
_ADD: Final = insert(_t)
_CHANGE: Final = update(_t).where(_t.c.name == bindparam("of"))
_REMOVE: Final = delete(_t).where(_t.c.name == bindparam("of"))
_END: Final = delete(_s).where(_s.c.account == bindparam("of"))
_SEE_LIST: Final = by_hand("See the list of accounts.", None)


class Accounts:
    """The accounts: added, found by name, changed, removed. A change of password and a removal end the sessions."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def add(self, account: Account) -> None:
        """Store a new account. Raises AlreadyExists where there is one of that name; VaultLocked, SealBroken."""
        values = self._values(account)
        with self._database.writing() as tx:
            try:
                tx.execute(_ADD, values)
            except IntegrityError as error:
                raise AlreadyExists(
                    f"There is an account {account.name} already.",
                    next_action=by_hand("Choose another name, or remove that account first."),
                ) from error

    def exist(self) -> bool:
        """Whether there is any account."""
        with self._database.reading() as tx:
            return tx.execute(_ANY).first() is not None

    def find(self, name: str) -> Account | None:
        """Return the account of this name; None without one.

        Raises Tampered where it was changed outside Keyturn; VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            row = tx.execute(_FIND, {"wanted": name}).mappings().first()
        return None if row is None else self._checked(row)

    def all(self) -> list[tuple[Account, bool]]:
        """Every account by name, and whether it is as Keyturn wrote it; one that cannot be read is left out.

        Raises VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            rows = tx.execute(ALL).mappings().all()
        found = ((to_account(row), authentic(self._vault, row) is not None) for row in rows)
        return [(account, is_authentic) for account, is_authentic in found if account]

    def set_password(self, name: str, password: str, at: datetime) -> None:
        """Store another password's hash, set ``at`` this moment (UTC), and end the account's sessions.

        Raises NotFound, Tampered.
        """
        with self._database.writing() as tx:
            self._store(tx, self._one(tx, name).with_password(password, at))
            tx.execute(_END, {"of": name})

    def set_role(self, name: str, role: Role) -> None:
        """Store another role; the account's sessions have it from their next request on.

        Raises NotFound, Tampered; LastAdministrator where no administrator would be left.
        """
        with self._database.writing() as tx:
            account = self._one(tx, name, keeps_administrator=role is not Role.ADMINISTRATOR)
            self._store(tx, account.with_role(role))

    def remove(self, name: str, *, keeps_administrator: bool) -> None:
        """Remove an account and its sessions: it signs no one in any more. One that was tampered with can be removed.

        Raises NotFound; with ``keeps_administrator`` LastAdministrator where no administrator would be left.
        """
        with self._database.writing() as tx:
            rows = tx.execute(_LOCK).mappings().all()
            if name not in [row["name"] for row in rows]:
                raise _none(name)
            if keeps_administrator:
                self._keep_administrator(rows, name)
            tx.execute(_END, {"of": name})
            tx.execute(_REMOVE, {"of": name})

    def _one(self, tx: Transaction, name: str, *, keeps_administrator: bool = False) -> Account:
        """The account, locked with all others."""
        rows = tx.execute(_LOCK).mappings().all()
        row = next((each for each in rows if each["name"] == name), None)
        if row is None:
            raise _none(name)
        if keeps_administrator:
            self._keep_administrator(rows, name)
        return self._checked(row)

    def _keep_administrator(self, rows: Any, name: str) -> None:
        """Raise LastAdministrator where no account but ``name`` is an administrator's."""
        left = (authentic(self._vault, row) for row in rows if row["name"] != name)
        was = next(to_account(row) for row in rows if row["name"] == name)
        if was and was.role is not Role.ADMINISTRATOR:
            return
        if not any(each and each.role is Role.ADMINISTRATOR for each in left):
            raise LastAdministrator(f"{name} is the last administrator.")

    def _store(self, tx: Transaction, account: Account) -> None:
        tx.execute(_CHANGE, {"of": account.name, **self._values(account)})

    def _values(self, account: Account) -> dict[str, Any]:
        code = self._vault.authenticate(authenticity.of_account(account))
        names = ("name", "password", "created_at", "created_by", "password_at")
        return {**{name: getattr(account, name) for name in names}, "role": account.role.value, "code": code}

    def _checked(self, row: Row) -> Account:
        account = authentic(self._vault, row)
        if account is None:
            raise tampered(row)
        return account


def _none(name: str) -> NotFound:
    return NotFound(f"There is no account {name}.", next_action=_SEE_LIST)


def tampered(row: Row) -> Tampered:
    """The error for an account that was changed outside Keyturn."""
    return Tampered(
        f"Account {row['name']} was changed outside Keyturn; it signs no one in.",
        next_action=by_hand("Remove the account, add it again, and find out who can write the database.", None),
    )


def to_account(row: Row) -> Account | None:
    """The account of a row; None where it holds what Keyturn never wrote."""
    try:
        return Account(
            name=row["name"],
            role=Role(row["role"]),
            password=row["password"],
            created_at=row["created_at"],
            created_by=row["created_by"],
            password_at=row["password_at"],
        )
    except NOT_OURS:
        return None


def authentic(vault: Vault, row: Row) -> Account | None:
    """The account of a row, if it is as Keyturn wrote it. Raises VaultLocked, SealBroken."""
    account = to_account(row)
    return account if account and vault.is_authentic(authenticity.of_account(account), str(row["code"])) else None
