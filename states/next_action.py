"""The next action: the safe thing to do next, as a value. Each face renders it: as a command, or as a button."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class Verb(StrEnum):
    """What can be done next."""

    WAIT = "wait"
    """Nothing: Keyturn goes on by itself, or all is well."""
    BY_HAND = "by_hand"
    """A person does what `because` says, outside Keyturn."""
    REPEAT = "repeat"
    """The same operation again."""

    INIT = "init"
    WORKER = "worker"
    DOCTOR = "doctor"
    CLOSE_FILES = "close_files"
    INSTALL_EXTRA = "install_extra"
    STORE_KEK = "store_kek"
    TEST_ALERTS = "test_alerts"
    DUMP_POSTGRESQL = "dump_postgresql"
    EXPORT_SUITESCRIPT = "export_suitescript"

    SETUP = "setup"
    LIST_CONNECTIONS = "list_connections"
    SHOW_CONNECTION = "show_connection"
    EDIT_CONNECTION = "edit_connection"
    AUTHORIZE = "authorize"
    ROTATE = "rotate"

    ADD_TOKEN = "add_token"  # noqa: S105 - a verb
    REVOKE_TOKEN = "revoke_token"  # noqa: S105 - a verb

    LIST_SILENCES = "list_silences"

    LIST_ROTATIONS = "list_rotations"
    SHOW_ROTATION = "show_rotation"
    EXPLAIN = "explain"
    WATCH = "watch"
    PARK = "park"
    CARRY = "carry"
    RESUME = "resume"
    BEGIN = "begin"
    CONFIRM = "confirm"
    RESTORE = "restore"
    ADOPT = "adopt"
    ABANDON = "abandon"
    WITHDRAW = "withdraw"
    """Take back a request for a second person's approval."""


RECOVERY: Final = frozenset({Verb.RESUME, Verb.RESTORE, Verb.ADOPT, Verb.ABANDON})
"""The verbs that get a parked rotation going again, or end it."""
ON_ROTATION: Final = RECOVERY | {
    *(Verb.SHOW_ROTATION, Verb.EXPLAIN, Verb.WATCH),
    *(Verb.PARK, Verb.CARRY, Verb.BEGIN, Verb.CONFIRM, Verb.WITHDRAW),
}
ON_CONNECTION: Final = frozenset(
    {
        *(Verb.SETUP, Verb.SHOW_CONNECTION, Verb.EDIT_CONNECTION),
        *(Verb.AUTHORIZE, Verb.ROTATE, Verb.DOCTOR),
    }
)

Value = str | bool | tuple[str, ...] | None
"""An option's value; None where a person has to supply it."""


@dataclass(frozen=True, slots=True)
class NextAction:
    """What to do next, why, what follows it, and what could be done instead."""

    verb: Verb
    options: Mapping[str, Value] = field(default_factory=dict, hash=False)
    """What the verb is applied to (``rotation``, ``connection``) and how; read-only."""
    because: str = ""
    """The reason, or a person's part, in whole sentences; never a command line."""
    then: "NextAction | None" = None
    alternatives: "tuple[NextAction, ...]" = ()
    """What could be done instead of all this. They have no alternatives of their own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def walk(self) -> "Iterator[NextAction]":
        """Yield this action, those that follow it, and those of each alternative."""
        yield self
        if self.then:
            yield from self.then.walk()
        for each in self.alternatives:
            yield from each.walk()

    @property
    def choices(self) -> "tuple[NextAction, ...]":
        """This action and its alternatives, each on its own."""
        return (replace(self, alternatives=()), *self.alternatives)

    def leads_to(self, verb: Verb) -> bool:
        """Whether this action, or one that follows it, is ``verb``."""
        return self.verb is verb or (self.then is not None and self.then.leads_to(verb))

    @property
    def replaces_others(self) -> bool:
        """Whether this action, or one that follows it, may replace a certificate that another party put there."""
        return bool(self.options.get("overwrite")) or (self.then is not None and self.then.replaces_others)

    def mapped(self, change: "Callable[[NextAction], NextAction]") -> "NextAction":
        """Return the action with ``change`` applied to every action in it."""
        return replace(
            change(self),
            then=self.then and self.then.mapped(change),
            alternatives=tuple(each.mapped(change) for each in self.alternatives),
        )

    def about(self, *, rotation: str | None = None, connection: str | None = None) -> "NextAction":
        """Return the action about this rotation and connection. What an action names already, it keeps."""

        def name(action: NextAction) -> NextAction:
            options = dict(action.options)
            if rotation and action.verb in ON_ROTATION:
                options.setdefault("rotation", rotation)
            if connection and action.verb in ON_CONNECTION:
                options.setdefault("connection", connection)
            return replace(action, options=options)

        return self.mapped(name)

    def renamed(self, before: str, after: str) -> "NextAction":
        """Return the action with the connection ``before`` named ``after``."""

        def name(action: NextAction) -> NextAction:
            is_meant = action.options.get("connection") == before
            return replace(action, options={**action.options, "connection": after}) if is_meant else action

        return self.mapped(name)

    def resuming(self) -> "NextAction":
        """Return the action for a parked rotation: resume it instead of repeating the operation."""
        resumed = self.mapped(
            lambda each: replace(each, verb=Verb.RESUME) if each.verb in (Verb.REPEAT, Verb.WAIT) else each
        )
        if any(each.verb in RECOVERY for each in resumed.walk()):
            return resumed
        return resumed.followed_by(NextAction(Verb.RESUME))

    def without(self, verb: Verb) -> "NextAction":
        """Return the action without ``verb``, each of which is replaced by what follows it, if anything does."""
        then = self.then and self.then.without(verb)
        alternatives = tuple(each.without(verb) for each in self.alternatives)
        if self.verb is verb and then:
            return replace(then, alternatives=(*then.alternatives, *alternatives))
        return replace(self, then=then, alternatives=alternatives)

    def outside_rotation(self) -> "NextAction":
        """Return the action without what needs a rotation, for an error that occurred outside one."""

        def is_allowed(action: NextAction) -> bool:
            return action.verb not in ON_ROTATION or "rotation" in action.options

        then = self.then.outside_rotation() if self.then and is_allowed(self.then) else None
        alternatives = tuple(each.outside_rotation() for each in self.alternatives if is_allowed(each))
        return replace(self, then=then, alternatives=alternatives)

    def followed_by(self, last: "NextAction") -> "NextAction":
        """Return the action with ``last`` at its end."""
        return replace(self, then=self.then.followed_by(last) if self.then else last)

    def to_data(self) -> dict[str, Any]:
        """Return the action in JSON's types. Empty fields are left out, except ``options``."""
        data: dict[str, Any] = {
            "verb": self.verb.value,
            "options": {
                name: list(value) if isinstance(value, tuple) else value for name, value in self.options.items()
            },
        }
        if self.because:
            data["because"] = self.because
        if self.then:
            data["then"] = self.then.to_data()
        if self.alternatives:
            data["alternatives"] = [each.to_data() for each in self.alternatives]
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "NextAction":
        """Read what ``to_data`` returned. Raises ValueError, KeyError or TypeError for anything else."""
        options = dict(data["options"])
        return cls(
            Verb(data["verb"]),
            {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()},
            str(data.get("because", "")),
            then=cls.from_data(data["then"]) if "then" in data else None,
            alternatives=tuple(cls.from_data(each) for each in data.get("alternatives", ())),
        )


REPEAT: Final = NextAction(Verb.REPEAT)
ADOPT: Final = NextAction(Verb.ADOPT, because="You can adopt the foreign certificate once OpenAir holds it too.")
OVERWRITE: Final = NextAction(Verb.RESUME, {"overwrite": True})
"""Resume, and replace the certificate that NetSuite or OpenAir holds with Keyturn's. A choice, never the first one: it
destroys what another party did."""
LOOK_AGAIN: Final = NextAction(Verb.RESUME, because="Resuming looks again, and replaces nothing.")
"""Resume without permission to replace another party's certificate."""


def by_hand(task: str, then: NextAction | None = REPEAT, *, alternatives: tuple[NextAction, ...] = ()) -> NextAction:
    """Make the action of a person who does ``task`` outside Keyturn, followed by ``then``."""
    return NextAction(Verb.BY_HAND, because=task, then=then, alternatives=alternatives)


SAVE_THEN_ADOPT: Final = by_hand(
    "Have the person who changed NetSuite's certificate save it in OpenAir too.", NextAction(Verb.ADOPT)
)
"""Where OpenAir does not hold the foreign certificate, so that adopting is refused until it does."""
