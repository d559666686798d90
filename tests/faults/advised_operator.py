"""A person who does what Keyturn advises and nothing else: takes each next safe action."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from support.environment import described, secrets

from orchestrator.bootstrap import Keyturn
from orchestrator.operations import suitescript
from orchestrator.secrets import SecretName
from orchestrator.views import next_actions
from simulator import Pair
from simulator.openair import AUTHORIZE_PATH
from simulator.server import Request
from states.connection import Algorithm, Connection
from states.errors import CertificateRecordMissing, Drift, IllegalMove, KeyturnError
from states.next_action import RECOVERY, REPEAT, NextAction, Verb
from states.timing import HOLD_OFF

_REPLACE = "Put another certificate into the record"
_REDIRECT = "https://keyturn.invalid/consented"
ENDS = RECOVERY | {Verb.CONFIRM, Verb.ROTATE}
"""What a choice leads to. Of several such choices, one is taken."""
MOST_REFUSALS = 3 + len(SecretName)
"""An attacker may have spoiled each of a connection's secrets: one after the other is refused."""


class Person:
    """An administrator of both systems who does what Keyturn advises for one connection."""

    def __init__(
        self, app: Keyturn, pair: Pair, name: str, choose: Callable[[Sequence[NextAction]], NextAction]
    ) -> None:
        self._app = app
        self._pair = pair
        self._name = name
        self._choose = choose
        self._last = REPEAT
        """The action that was taken last."""
        self.done: list[str] = []
        """Which commands were taken, and which errors they met."""

    def act(self) -> bool:
        """Take the next safe action, if there is any; return whether there was."""
        rotation = self._app.store.rotations.open_for(self._name)
        if rotation:
            self.follow(self._app.rotations.explain(rotation.id).next_action)
            return True
        self._last = NextAction(Verb.DOCTOR, {"connection": self._name})
        problems = self._app.health.report(self._name).problems
        for problem in problems[:1]:
            self.follow(problem.next_action)
        return bool(problems)

    def follow(self, advice: NextAction) -> None:
        """Do what is advised; where that is refused, what the refusal advises."""
        rotation = self._app.store.rotations.open_for(self._name)
        for _ in range(MOST_REFUSALS):
            named = advice.about(rotation=rotation.id if rotation else None, connection=self._name)
            try:
                return self._take(self._with_repeated(named))
            except KeyturnError as error:
                self.done.append(error.code)
                advice = REPEAT if self._has_waited(error) else error.next_action
        raise AssertionError(f"refused again and again: {self.done}")

    def _with_repeated(self, advice: NextAction) -> NextAction:
        """The advice with the last command, and what was to follow it, where it says to repeat that."""
        if advice.verb is Verb.REPEAT:
            return self._last
        following = advice.then and self._with_repeated(advice.then)
        return replace(advice, then=following, alternatives=tuple(map(self._with_repeated, advice.alternatives)))

    def _take(self, advice: NextAction) -> None:
        ends = [each for each in advice.choices if ENDS & {it.verb for it in each.walk()}]
        is_open = self._app.store.rotations.open_for(self._name) is not None
        assert ends or not is_open, f"nothing is advised that could be done: {advice}, after {self.done}"
        for each in self._choose(ends or advice.choices[-1:]).walk():
            if line := next_actions.line(each):
                self._last = replace(each, alternatives=())  # what follows it was not reached where it is refused
                self.done.append(line.removeprefix("keyturn "))
            self._do(each)

    def _has_waited(self, error: KeyturnError) -> bool:
        """Where something may still take effect, wait until it cannot; return whether that was so."""
        if not isinstance(error, IllegalMove) or "may still take effect" not in error.message:
            return False
        self._app.clock.sleep((HOLD_OFF + timedelta(seconds=1)).total_seconds())
        return True

    def _do(self, action: NextAction) -> None:
        app, name, options = self._app, self._name, action.options
        rotation, overwrite = str(options.get("rotation")), bool(options.get("overwrite"))
        match action.verb:
            case Verb.BY_HAND:
                self._do_by_hand(action.because)
            case Verb.DOCTOR | Verb.EXPLAIN | Verb.EXPORT_SUITESCRIPT:
                self._read(action)
            case Verb.EDIT_CONNECTION | Verb.AUTHORIZE:
                self._edit(action)
            case Verb.RESUME:
                create = bool(options.get("create_record"))
                app.rotations.resume(rotation, actor="ada", overwrite=overwrite, create_record=create)
            case Verb.ADOPT:
                self._let_the_stranger_finish()
                app.recovery.adopt(rotation, actor="ada")
            case Verb.RESTORE:
                app.recovery.restore(rotation, actor="ada", overwrite=overwrite)
            case Verb.ABANDON:
                app.recovery.abandon(rotation, actor="ada")
            case Verb.ROTATE:
                assert {"connection": name} == options
                app.rotations.request(name, actor="ada")
            case _:
                raise AssertionError(f"{action} is not known here")

    def _read(self, action: NextAction) -> None:
        match action.verb:
            case Verb.DOCTOR:
                list(self._app.doctor.examine(self._name))
            case Verb.EXPLAIN:
                self._app.rotations.explain(str(action.options.get("rotation")))
            case _:
                assert suitescript.files()  # the simulator has deployed them already

    def _do_by_hand(self, task: str) -> None:
        """What a person does in NetSuite; the rest is done by ending the fault, or with the command that follows."""
        is_missing = self._pair.netsuite.record.held is None
        if (task == CertificateRecordMissing.repair and is_missing) or _REPLACE in task:
            self._pair.netsuite.record.reset("placeholder")
        if task == Drift.repair:
            self._let_the_stranger_finish()

    def _edit(self, action: NextAction) -> None:
        if action.verb is Verb.AUTHORIZE:
            self._authorize()
        elif self._app.connections.is_authentic(self._name):
            self._app.connections.edit(self._edited(action), self._asked(action), actor="tester")
        else:
            self.give_again()

    def _authorize(self) -> None:
        asked = self._app.consents.ask(self._name, _REDIRECT)
        self._app.consents.complete(asked, browse(self._pair, asked.address), actor="ada")

    def give_again(self) -> None:
        """Give all of the connection, which was changed outside Keyturn, with all its secrets."""
        version = self._app.connections.show(self._name).version
        given = secrets(self._pair.credentials)
        del given[SecretName.OPENAIR_REFRESH_TOKEN]  # it was used; the doctor or a step asks for a consent
        again = replace(described(self._pair.credentials, self._name), version=version)
        self._app.connections.edit(again, given, actor="tester", is_given_again=True)

    def _edited(self, action: NextAction) -> Connection:
        """The connection, with another key algorithm where that is advised: another one each time."""
        connection = self._app.connections.show(self._name)
        if "algorithm" not in action.options:
            return connection
        other = {Algorithm.EC_P256: Algorithm.EC_P384}.get(connection.policy.algorithm, Algorithm.EC_P256)
        return replace(connection, policy=replace(connection.policy, algorithm=other))

    def _asked(self, action: NextAction) -> dict[SecretName, str]:
        """The secret that is asked for."""
        if "secret" not in action.options:
            return {}
        wanted = SecretName[str(action.options["secret"]).upper()]
        return {wanted: secrets(self._pair.credentials)[wanted]}

    def _let_the_stranger_finish(self) -> None:
        """Let the party that changed one side put into OpenAir what NetSuite holds, if that has a record."""
        held = self._pair.netsuite.record.held
        if held and held.pair.fingerprint != self._pair.openair.settings.fingerprint:
            self._pair.openair.settings.save_outside(held.pair.certificate_pem())


def browse(pair: Pair, address: str) -> str:
    """Consent in OpenAir, as a person does in a browser; return the address that OpenAir sends the browser to."""
    query = urlsplit(address).query
    sent_back = pair.openair.serve(AUTHORIZE_PATH, Request("GET", AUTHORIZE_PATH, query, {}, b"")).reply
    assert sent_back
    return dict(sent_back.headers)["Location"]
