"""The verbs on accounts, with which people sign in to the console."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.events import AccountAdded, AccountChanged, AccountRemoved, Listener, ignore
from persistence.store import Store
from states.access import Account, Role
from states.ports import Clock

if TYPE_CHECKING:
    from orchestrator.passwords import Passwords


@dataclass(frozen=True, slots=True)
class Listed:
    """An account as a list shows it."""

    account: Account
    is_authentic: bool
    """Whether it is as Keyturn wrote it; otherwise it signs no one in."""


class Accounts:
    """What administrators do with accounts."""

    def __init__(self, store: Store, clock: Clock, passwords: "Passwords", listener: Listener = ignore) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._listener = listener

    def exist(self) -> bool:
        """Whether anyone can sign in with a password."""
        return self._store.accounts.exist()

    def all(self) -> list[Listed]:
        """Every account, by name. Raises VaultLocked, SealBroken."""
        return [Listed(*each) for each in self._store.accounts.all()]

    def add(self, name: str, role: Role, password: str, *, actor: str) -> Account:
        """Make an account. Raises InvalidInput for a name or a password that cannot be; AlreadyExists, Busy."""
        now = self._clock.now()
        account = Account(name=name, role=role, password="", created_at=now, created_by=actor, password_at=now)
        account = account.with_password(self._passwords.hash(password), now)
        self._store.accounts.add(account)
        self._listener(AccountAdded(name, role, actor))
        return account

    def set_password(self, name: str, password: str, *, actor: str) -> None:
        """Give an account another password; its person is signed out everywhere.

        Raises NotFound, InvalidInput, Tampered, Busy.
        """
        hashed = self._passwords.hash(password)
        self._store.accounts.set_password(name, hashed, self._clock.now())
        self._listener(AccountChanged(name, "password", actor))

    def set_role(self, name: str, role: Role, *, actor: str) -> None:
        """Give an account another role, from its next request on.

        Raises NotFound, Tampered; LastAdministrator where no administrator would be left.
        """
        self._store.accounts.set_role(name, role)
        self._listener(AccountChanged(name, role, actor))

    def remove(self, name: str, *, actor: str, keeps_administrator: bool = True) -> None:
        """Remove an account: its person is signed out.

        Raises NotFound; LastAdministrator where no administrator would be left, unless ``keeps_administrator`` is
        false, as for a person at the computer itself, who can add another.
        """
        self._store.accounts.remove(name, keeps_administrator=keeps_administrator)
        self._listener(AccountRemoved(name, actor))
