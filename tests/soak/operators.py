"""The people: they request one rotation after another, and an operator recovers parked rotations."""

from collections import Counter
from random import Random
from typing import Final

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from simulator import Simulator
from states.errors import KeyturnError, RotationOpen, SignInRefused
from states.next_action import RECOVERY, NextAction, Verb
from states.rotation import Rotation

ALL: Final = 1_000_000
RESTORES: Final = 0.25
"""How often the operator goes back to the previous certificate where that is possible."""


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
        return self._app.rotations.unfinished()

    def look_after(self, rotation: Rotation) -> None:
        """Take a parked rotation's next safe action, as it is named."""
        assert rotation.failure
        self.parked[rotation.failure.code] += 1
        if rotation.failure.code == SignInRefused.code:
            self._consent(rotation.connection)
        for action in self._actions(rotation):
            try:
                self._run(rotation.id, action)
            except KeyturnError:
                continue  # a system is away, or it does not help here: another action now, or the next time
            self.taken[" ".join([action.verb, *(name for name in action.options if name != "rotation")])] += 1
            return

    def _actions(self, rotation: Rotation) -> list[NextAction]:
        """The verbs of recovery that are advised, in any order."""
        explanation = self._app.rotations.explain(rotation.id)
        actions = [each for each in explanation.next_action.walk() if each.verb in RECOVERY]
        self._random.shuffle(actions)
        can_restore = any(action.verb is Verb.RESTORE and not why_not for action, why_not in explanation.verbs)
        if can_restore and self._random.random() < RESTORES:
            actions.insert(0, NextAction(Verb.RESTORE, {"overwrite": True}))
        return actions

    def _run(self, rotation_id: str, action: NextAction) -> None:
        create, overwrite = bool(action.options.get("create_record")), bool(action.options.get("overwrite"))
        match action.verb:
            case Verb.RESUME:
                self._app.rotations.resume(rotation_id, actor="soak", create_record=create, overwrite=overwrite)
            case Verb.RESTORE:
                self._app.recovery.restore(rotation_id, actor="soak", overwrite=overwrite)
            case Verb.ADOPT:
                self._app.recovery.adopt(rotation_id, actor="soak")
            case _:
                self._app.recovery.abandon(rotation_id, actor="soak")

    def _consent(self, name: str) -> None:
        """What is advised where a refresh token was lost: consent in OpenAir, and store the new token."""
        token = self._simulator.pairs[self._accounts[name]].openair.consent()
        self._app.connections.edit(
            self._app.connections.show(name), {SecretName.OPENAIR_REFRESH_TOKEN: token}, actor="tester"
        )
