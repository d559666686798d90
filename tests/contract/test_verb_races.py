"""Two verbs at the same moment, on two machines: what comes of them is what comes of them one after the other.

RACES=all       race each pair 200 times
RACES=1000      race each pair so often
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from contract.race_stages import PARTS, STAGES, Machine, Races
from support import postgresql as postgres
from support.migrated import migrate
from support.stores import open_store

from orchestrator.leases import LeaseRenewer

_WANTED: Final = os.environ.get("RACES", "")
ROUNDS: Final = 200 if _WANTED == "all" else int(_WANTED or len(STAGES))
"""How often each pair is raced, over all stages."""
PAIRS: Final = list(itertools.combinations_with_replacement(PARTS, 2))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def races(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Races]:
    """Two machines on a database of their own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('races') / 'keyturn.db'}"
    else:
        url = postgres.new_database(request.getfixturevalue("postgresql"))
    migrate(url)
    with ExitStack() as opened:
        machines = []
        for name in "ab":
            store = open_store(url)
            opened.callback(store.close)
            leases = opened.enter_context(LeaseRenewer(store, lease=60))
            machines.append(Machine(store, name, leases))
        yield Races((machines[0], machines[1]), store)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["+".join(pair) for pair in PAIRS])
def test_two_verbs_at_once_are_two_verbs_in_turn(races: Races, first: str, second: str) -> None:
    """Both end as in one order or the other, or the one that lost the race is Stale and changed nothing. None finds a
    broken journal, a removed rotation or a database that is not available.
    """
    for stage in STAGES:
        allowed = races.allowed(stage, first, second)
        for _ in range(-(-ROUNDS // len(STAGES))):
            assert races.at_once(stage, first, second) in allowed, stage
