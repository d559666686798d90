"""Each fault at each call of `keyturn rotate`: the commands that Keyturn prints are accepted as they are printed, and
end the rotation; the first line is the outage, where there is one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.request_history import assert_openair_came_second

from simulator import KINDS, Pair
from states.rotation import Rotation
from tests.faults.environment import Call, FaultEnvironment, name_of, open_environment
from tests.faults.error_codes import codes
from tests.faults.printed_commands import WORKER, Printed, Terminal, Typist
from tests.faults.summary import COUNTS, WHOLE

MOST_ROUNDS = 8
GIVES = ("keyturn connection edit", "keyturn connection authorize")
"""Commands that give Keyturn a secret."""
BY_OTHERS = ("missing", "foreign")
"""Faults by which another party changes a system: Keyturn does not know of that before it looks."""
SLOW = ("delay", "drip")
ALIKE = ("throttle", "500", "502", "403", "truncate")
"""Faults that are reported as others are; tried where all is tried, as the last choice of every fault is."""
CHOSEN = [kind for kind in KINDS if kind not in SLOW and (WHOLE or kind not in ALIKE)]
LAST = CHOSEN if WHOLE else ["error", "401", "missing", "foreign"]

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultEnvironment]:
    with open_environment(tmp_path, monkeypatch, 20.0) as opened:
        yield opened


@pytest.fixture
def terminal(environment: FaultEnvironment, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch, environment.virtual_time)


@pytest.mark.parametrize(
    ("kind", "last"),
    [*((kind, False) for kind in CHOSEN), *((kind, True) for kind in LAST)],
    ids=[*CHOSEN, *(f"{kind}, last choice" for kind in LAST)],
)
def test_printed_commands_end_a_rotation(
    environment: FaultEnvironment, terminal: Terminal, kind: str, *, last: bool
) -> None:
    """From each failure on, typing what is printed completes, restores, adopts or abandons the rotation."""
    pair, _ = environment.case(rotated=True)
    calls = environment.calls(lambda: terminal.type(f"keyturn rotate {name_of(pair)}"))
    for call in calls:
        if not WHOLE and call.nth:
            continue
        _break(environment, terminal, call, kind, last=last)


def _break(environment: FaultEnvironment, terminal: Terminal, call: Call, kind: str, *, last: bool) -> None:
    pair, _ = environment.case(rotated=True)
    name, typist = name_of(pair), Typist(terminal, pair)
    code = next(iter(codes(call.endpoint, call.action)), None) if kind == "error" else None
    environment.simulator.faults.add(environment.fault(call, kind, KINDS[kind].when[0], pair, lasting=True, code=code))
    printed = typist.type(f"keyturn rotate {name}")
    COUNTS[f"rotate exits with {printed.exit_code}"] += 1
    for place in range(MOST_ROUNDS):
        rotation = environment.app.store.rotations.open_for(name)
        if rotation is None:
            break
        if printed.exit_code:
            _assert_outage_first(environment, pair, rotation, printed, kind)
        explained, status = typist.type(f"keyturn rotation explain {name}"), typist.type(f"keyturn status {name}")
        _assert_outage_first(environment, pair, rotation, explained, kind)
        _assert_outage_first(environment, pair, rotation, status, kind)
        if place == 1:  # a person did in a minute what was to be done by hand
            environment.simulator.faults.clear()
            environment.virtual_time.go_on(60)
            if kind == "foreign":
                _agree(pair)
        if WORKER in explained.out:  # which waits that long
            environment.virtual_time.until(rotation.available_at)
        printed = _follow(typist, explained, last=last)
    environment.simulator.faults.clear()
    ended = environment.app.store.rotations.newest(connection=name)[0]
    assert not ended.is_open, f"{call}, {kind}: {typist}"
    assert_openair_came_second(environment.history(pair))


def _agree(pair: Pair) -> None:
    """Let the party that changed a system see to it that both hold the same: no arrow replaces what is its own."""
    held = pair.netsuite.record.held
    if held and held.pair.fingerprint != pair.openair.settings.fingerprint:
        pair.openair.settings.save_outside(held.pair.certificate_pem())


def _follow(typist: Typist, explained: Printed, *, last: bool) -> Printed:
    """Type the command after the arrow and those that it prints in turn, or those of the last choice; return the last.

    The doctor prints what follows it, as what gives a secret does.
    """
    if last:
        for line in explained.sequences[-1]:
            printed = _until_accepted(typist, line)
        return printed
    printed = typist.type(explained.arrow)
    if printed.line.startswith("keyturn doctor"):
        printed = typist.type(printed.sequences[0][0])
    if printed.line.startswith(GIVES):
        printed = typist.type(printed.sequences[0][-1])
    return printed


def _until_accepted(typist: Typist, line: str) -> Printed:
    """Type the line; where it is refused for a secret, give that as the refusal says, and repeat the command."""
    printed = typist.type(line)
    first = printed.sequences[0][0] if printed.exit_code and printed.sequences else ""
    if first.startswith(GIVES) and "Then repeat the command." in printed.err:
        typist.type(first)
        return typist.type(line)
    return printed


def _assert_outage_first(
    environment: FaultEnvironment, pair: Pair, rotation: Rotation, printed: Printed, kind: str
) -> None:
    answer = str(environment.simulator.import_requests.send(pair.netsuite.account))
    if answer.startswith("Error:") and kind not in BY_OTHERS:
        assert "Imports " in printed.first_line, (rotation.position, printed)
