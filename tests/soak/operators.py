"""The people: those who ask for one rotation after another, and the operator who ends what is parked."""

import re
from collections import Counter
from random import Random
from typing import Final

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from simulator import Simulator
from states import table
from states.errors import KeyturnError, RotationOpen, SignInRefused
from states.rotation import Rotation
from states.state import State

ALL: Final = 1_000_000
RESTORES: Final = 0.25
"""How often the operator goes back to the previous certificate where that is possible."""
_COMMAND: Final = re.compile(r"keyturn rotation (\w+) \w+((?: --[\w-]+)*)")
"""A verb on a rotation, and its options, as the next safe action names them."""


class People:
    """All of them, one after another, in one thread."""

    def __init__(self, app: Keyturn, simulator: Simulator, random: Random) -> None:
        self.asked: set[str] = set()
        """The ids of the rotations that were asked for here; workers start those that are due by themselves."""
        self.parked: Counter[str] = Counter()
        """How often a rotation was found parked, by code."""
        self.taken: Counter[str] = Counter()
        """Which commands ended a rotation or set it going again."""
        self._app = app
        self._simulator = simulator
        self._random = random
        self._accounts = {each.name: each.netsuite.account for each in app.connections.all()}

    @property
    def accounts(self) -> dict[str, str]:
        """The NetSuite account of every connection, by the connection's name."""
        return dict(self._accounts)

    def ask(self, name: str) -> bool:
        """Ask for a rotation of this connection; tell whether it could be begun."""
        try:
            self.asked.add(self._app.rotations.request(name, actor="soak").id)
        except RotationOpen:
            return False
        return True

    def open(self) -> list[Rotation]:
        """The rotations that are under way or parked."""
        states = [*table.ACTIVE, State.FAILED]
        return [each for each in self._app.rotations.recent(states=states, limit=ALL) if each.is_open]

    def look_after(self, rotation: Rotation) -> None:
        """Take a parked rotation's next safe action, as it is named."""
        assert rotation.failure
        self.parked[rotation.failure.code] += 1
        if rotation.failure.code == SignInRefused.code:
            self._consent(rotation.connection)
        if "Delete all but one" in rotation.failure.next_action:
            self._simulator.pairs[self._accounts[rotation.connection]].openair.settings.delete_duplicates()
        for verb, options in self._commands(rotation):
            try:
                self._run(rotation.id, verb, options)
            except KeyturnError:
                continue  # a system is away, or it does not help here: another command now, or the next time
            self.taken[" ".join([verb, *options])] += 1
            return

    def _commands(self, rotation: Rotation) -> list[tuple[str, list[str]]]:
        """The verbs that are named, with their options, in any order."""
        told = self._app.rotations.explain(rotation.id)
        named = _COMMAND.findall(told.advice.sentence) or _COMMAND.findall(told.advice.command)
        commands = [(verb, options.split()) for verb, options in named]
        self._random.shuffle(commands)
        can_restore = any(verb.name == "restore" and not why_not for verb, why_not in told.verbs)
        if can_restore and self._random.random() < RESTORES:
            commands.insert(0, ("restore", ["--overwrite"]))
        return commands

    def _run(self, rotation_id: str, verb: str, options: list[str]) -> None:
        if verb == "resume":
            create, overwrite = "--create-record" in options, "--overwrite" in options
            self._app.rotations.resume(rotation_id, actor="soak", create_record=create, overwrite=overwrite)
        elif verb == "restore":
            self._app.recovery.restore(rotation_id, actor="soak", overwrite="--overwrite" in options)
        elif verb == "adopt":
            self._app.recovery.adopt(rotation_id, actor="soak")
        elif verb == "abandon":
            self._app.recovery.abandon(rotation_id, actor="soak")

    def _consent(self, name: str) -> None:
        """What is advised where a refresh token was lost: consent in OpenAir, and store the new token."""
        token = self._simulator.pairs[self._accounts[name]].openair.consent()
        self._app.connections.edit(self._app.connections.show(name), {SecretName.OPENAIR_REFRESH_TOKEN: token})
