"""Somebody who does what Keyturn advises, and nothing else: the next safe action, really taken."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from support.environment import secrets

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from simulator import Pair
from simulator.openair import AUTHORIZE_PATH, SIGN_IN_PATH
from simulator.server import Request
from states.connection import Algorithm, Connection
from states.errors import IllegalMove, KeyturnError
from states.next_action import resolve
from states.timing import HOLD_OFF

_COMMAND = re.compile(r"`keyturn ([^`]*)`")
_REPLACE = "Put another certificate into the record"
_ABANDON = "rotation abandon"
_REDIRECT = "https://keyturn.invalid/consented"


@dataclass(frozen=True)
class Deed:
    """A command that was advised: what it is called, and what stands behind that."""

    verb: str
    words: tuple[str, ...]

    @classmethod
    def all_in(cls, sentence: str) -> list["Deed"]:
        """Every command that ``sentence`` names, in its order."""
        return [cls._read(command) for command in _COMMAND.findall(sentence)]

    @classmethod
    def _read(cls, command: str) -> "Deed":
        words = command.split()
        long = words[0] in ("rotation", "connection")
        return cls(" ".join(words[: 1 + long]), tuple(words[1 + long :]))

    def has(self, option: str) -> bool:
        return option in self.words


ENDS = ("rotation resume", "rotation adopt", "rotation restore", _ABANDON, "rotation confirm", "rotate")
"""What is done last. Of several such, one is chosen; what else is named prepares for it."""


MOST_REFUSALS = 4


class Person:
    """An administrator of both systems who reads what Keyturn says of one connection."""

    def __init__(self, app: Keyturn, pair: Pair, name: str, choose: Callable[[Sequence[Deed]], Deed]) -> None:
        self._app = app
        self._pair = pair
        self._name = name
        self._choose = choose
        self.done: list[str] = []
        """Which commands were taken."""

    def act(self) -> bool:
        """Take the next safe action, if there is any; tell whether there was."""
        rotation = self._app.store.open_rotation(self._name)
        if rotation:
            advice = self._app.rotations.explain(rotation.id).advice
            offered, named = Deed.all_in(f"`{advice.command}`"), Deed.all_in(advice.sentence)
            assert {deed.verb for deed in offered} <= {deed.verb for deed in named or offered}, f"they differ: {advice}"
            self.follow(advice.sentence if named else f"`{advice.command}`")
            return True
        problems = self._app.health.health(self._name).problems
        for problem in problems[:1]:
            self.follow(problem.next_action)
        return bool(problems)

    def follow(self, advice: str) -> None:
        """Do what is advised; where that is refused, what the refusal advises."""
        rotation = self._app.store.open_rotation(self._name)
        for _ in range(MOST_REFUSALS):
            deeds = Deed.all_in(resolve(advice, rotation.id) if rotation else advice)
            try:
                return self._take(deeds, must_repair="Recreate it" in advice, must_replace=_REPLACE in advice)
            except KeyturnError as error:
                self.done.append(error.code)
                advice = self._wait(error) or error.next_action
        raise AssertionError(f"refused again and again: {self.done}")

    def _take(self, deeds: Sequence[Deed], *, must_repair: bool, must_replace: bool) -> None:
        ends = [deed for deed in deeds if deed.verb in ENDS]
        is_open = self._app.store.open_rotation(self._name) is not None
        assert ends or (deeds and not is_open), f"nothing is named that could be done: {deeds}, after {self.done}"
        end = self._choose(ends or deeds[-1:])
        is_missing = self._pair.netsuite.record.held is None
        if (must_repair and is_missing and not end.has("--create-record")) or (must_replace and end.verb == _ABANDON):
            self._pair.netsuite.record.reset("placeholder")
        for deed in (*(deed for deed in deeds if deed.verb not in ENDS and deed != end), end):
            self.done.append(" ".join((deed.verb, *deed.words)))
            self._do(deed)

    def _wait(self, error: KeyturnError) -> str:
        """Where something may still be on its way, wait until it is not; what was refused is advised again then."""
        if not isinstance(error, IllegalMove) or "may still take effect" not in error.message:
            return ""
        self._app.clock.sleep((HOLD_OFF + timedelta(seconds=1)).total_seconds())
        return f"`keyturn {self.done[-2]}`"

    def _do(self, deed: Deed) -> None:
        app, name = self._app, self._name
        match deed.verb:
            case "doctor":
                list(app.doctor.examine(name))
            case "rotation explain":
                app.rotations.explain(deed.words[0])
            case "connection edit":
                app.connections.edit(self._edited(deed), self._asked(deed))
            case "rotation resume":
                overwrite, create = deed.has("--overwrite"), deed.has("--create-record")
                app.rotations.resume(deed.words[0], actor="ada", overwrite=overwrite, create_record=create)
            case "rotation adopt":
                self._let_the_stranger_finish()
                app.recovery.adopt(deed.words[0], actor="ada")
            case "rotation restore":
                app.recovery.restore(deed.words[0], actor="ada", overwrite=deed.has("--overwrite"))
            case "rotation abandon":
                app.recovery.abandon(deed.words[0], actor="ada")
            case "rotate":
                assert deed.words == (name,)
                app.rotations.request(name, actor="ada")
            case _:
                raise AssertionError(f"{deed} is not known here")

    def _edited(self, deed: Deed) -> Connection:
        """The connection, with another key algorithm where that is advised: another one each time."""
        connection = self._app.connections.show(self._name)
        if not deed.has("--algorithm"):
            return connection
        other = {Algorithm.EC_P256: Algorithm.EC_P384}.get(connection.policy.algorithm, Algorithm.EC_P256)
        return replace(connection, policy=replace(connection.policy, algorithm=other))

    def _asked(self, deed: Deed) -> dict[SecretName, str]:
        """The secrets for which the command asks."""
        if deed.has("--openair-refresh-token-file"):
            return {SecretName.OPENAIR_REFRESH_TOKEN: consent(self._pair)}
        if deed.has("--openair-client-secret-file"):
            wanted = SecretName.OPENAIR_CLIENT_SECRET
            return {wanted: secrets(self._pair.credentials)[wanted]}
        return {}

    def _let_the_stranger_finish(self) -> None:
        """Have whoever replaced NetSuite's certificate save it in OpenAir too."""
        held = self._pair.netsuite.record.held
        assert held
        if held.pair.fingerprint != self._pair.openair.settings.fingerprint:
            self._pair.openair.settings.save_outside(held.pair.certificate_pem())


def consent(pair: Pair) -> str:
    """Consent once more in OpenAir, as a person does in a browser; return the new refresh token."""
    known = pair.credentials
    asked = {"response_type": "code", "client_id": known.openair_client_id, "redirect_uri": _REDIRECT, "scope": "xml"}
    sent_back = pair.openair.serve(AUTHORIZE_PATH, Request("GET", AUTHORIZE_PATH, urlencode(asked), {}, b"")).reply
    assert sent_back
    (code,) = parse_qs(urlsplit(dict(sent_back.headers)["Location"]).query)["code"]
    client = base64.b64encode(f"{known.openair_client_id}:{known.openair_client_secret}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _REDIRECT}
    sent = Request("POST", SIGN_IN_PATH, "", {"authorization": f"Basic {client}"}, urlencode(form).encode())
    granted = pair.openair.serve(SIGN_IN_PATH, sent).reply
    assert granted
    token: str = json.loads(granted.body)["refresh_token"]
    return token
