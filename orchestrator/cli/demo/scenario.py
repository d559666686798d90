"""What happens in the demo, and what is printed."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from orchestrator.cli.demo import evidence
from orchestrator.cli.demo.environment import CONNECTION, IMPORTS_A_SECOND, Environment
from orchestrator.cli.demo.evidence import Imports
from orchestrator.cli.live import Show, showing
from orchestrator.cli.output import Output
from orchestrator.views import formatting, timeline
from orchestrator.views.health import health_json
from orchestrator.views.rotation import rotation_json
from orchestrator.views.values import Json
from simulator import Fault
from states.errors import TryLater
from states.next_action import by_hand
from states.rotation import Rotation
from states.state import State

T = TypeVar("T")

_LIMIT: Final = 90.0
"""Seconds after which the demo gives up on a rotation."""
_LOOK: Final = 0.05
"""Seconds between two looks at what is waited for."""
_AWHILE: Final = 0.6
"""Seconds for which imports are watched between the acts."""
_HELD: Final = 200.0
"""Seconds for which OpenAir holds a request back: longer than the demo lasts."""


def _until(look: Callable[[], T | None]) -> T:
    """What ``look`` finds, as soon as it finds something. Raises TryLater when that takes too long."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(_LOOK)
    raise TryLater(
        f"The demo's worker made no progress within {_LIMIT:.0f} s.",
        next_action=by_hand("Repeat it with --keep, and look at worker.log in the folder that it names.", None),
    )


class Story:
    """Plays the demo, prints what happens, and keeps the result."""

    def __init__(self, out: Output, on: Environment) -> None:
        self._out = out
        self._on = on
        self._result: Json = {"rotations": [], "health": [], "imports": []}

    def play(self) -> Json:
        """Play it. Returns ``rotations``, ``health`` (before, between, after), ``imports`` (before, first, second),
        ``order`` (what both systems saw), ``killed`` (the worker's process id), ``entries`` (of the journal), ``well``.

        Raises TryLater when a rotation does not end in time.
        """
        self._on.simulator.import_requests.start(IMPORTS_A_SECOND)
        self._head("A connection that still has the placeholder certificate")
        self._look_around(Imports(0, 0))

        self._head("The initial set-up: a worker finds it due")
        self._fact("worker", f"`keyturn worker` is process {self._on.start_worker()}")
        first = self._act(self._newest, lambda _rotation, _show: None)

        self._head("The next rotation: its worker is killed in the middle")
        self._on.simulator.faults.add(Fault("openair.api", "delay", action="Modify", seconds=_HELD))
        second = self._act(self._request, self._kill)
        self._fact("killed", f"process {self._result['killed']}, by SIGKILL, while OpenAir was being saved to")

        self._on.simulator.import_requests.stop()
        self._head("What both systems saw, by their own history")
        self._judge(first, second)
        return self._result

    # --- acts

    def _act(self, begin: Callable[[], Rotation], meanwhile: Callable[[Rotation, Show], None]) -> Rotation:
        """Follow one rotation to its end, and look around afterwards."""
        before = Imports.so_far(self._on.simulator)
        with showing(self._out, self._on.app, result_only=True) as show:
            rotation = self._follow(begin(), show, meanwhile)
        now = self._on.app.rotations.now()
        self._out.say(f"   {timeline.summary(rotation, now)}", style="green")
        self._result["rotations"].append(rotation_json(rotation, now))
        self._look_around(before)
        return rotation

    def _follow(self, rotation: Rotation, show: Show, meanwhile: Callable[[Rotation, Show], None]) -> Rotation:
        seen = -1

        def ended() -> Rotation | None:
            nonlocal seen
            now = self._on.app.rotations.show(rotation.id)
            if now.version != seen:
                seen = now.version
                show.moved(now)
                meanwhile(now, show)
            return None if now.is_open and now.state is not State.FAILED else now

        return _until(ended)

    def _newest(self) -> Rotation:
        """The rotation that the worker's schedule begins."""
        rotations = self._on.app.rotations
        return _until(
            lambda: next((rotations.show(each.id) for each in self._on.app.lists.rotations(limit=1).items), None)
        )

    def _request(self) -> Rotation:
        return self._on.app.rotations.request(CONNECTION, actor="demo", reason="to be interrupted")

    def _kill(self, rotation: Rotation, show: Show) -> None:
        """Kill the worker as soon as its request to OpenAir is under way, and start another."""
        if rotation.state is not State.UPLOADED_TO_NETSUITE or "killed" in self._result:
            return
        _until(lambda: not self._on.simulator.faults.pending() or None)
        self._result["killed"] = self._on.kill_worker()
        another = self._on.start_worker()
        show.retrying(
            f"kill -9 {self._result['killed']}: its request to OpenAir is lost. Process {another} takes over …"
        )

    # --- printing

    def _head(self, text: str) -> None:
        self._out.say(f"\n{text}", style="bold")

    def _fact(self, label: str, text: str) -> None:
        self._out.say(f"   {label:10}{text}")

    def _look_around(self, before: Imports) -> None:
        """Print the health, and the imports that were accepted and refused since ``before``."""
        time.sleep(_AWHILE)
        health = self._on.app.health.health(CONNECTION)
        imports = Imports.so_far(self._on.simulator).since(before)
        self._fact("health", health.sentence)
        self._fact("imports", str(imports))
        self._result["health"].append(health_json(CONNECTION, health, self._on.app.rotations.now()))
        self._result["imports"].append(imports.record())

    def _judge(self, first: Rotation, second: Rotation) -> None:
        """Print what the simulated systems saw, and whether the rules were kept."""
        sights = evidence.order(self._on.simulator)
        for sight in sights:
            self._out.say(f"   {sight.line()}")
        entries = self._on.app.journal.verify().entries
        proved = evidence.netsuite_came_first(sights)
        assert second.proofs.candidate
        uploads = evidence.installs(sights, second.proofs.candidate.fingerprint)
        self._out.say()
        self._check(proved, "OpenAir was never given a certificate before NetSuite had signed with that very one")
        self._check(
            uploads == 1, f"the interrupted rotation made one candidate, uploaded {formatting.count(uploads, 'time')}"
        )
        self._check(entries, f"the journal's {entries} entries are unchanged")
        well = proved and uploads == 1 and all(each.state is State.COMPLETED for each in (first, second))
        self._result |= {"order": [sight.record() for sight in sights], "entries": entries, "well": well}

    def _check(self, holds: object, text: str) -> None:
        self._out.say(f"   {'✓' if holds else '✗'} {text}", style="green" if holds else "bold red")
