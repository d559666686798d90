"""The model and the code do not drift apart: what the model does is replayed with the real engine and store."""

import importlib.util
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType

import pytest
from support.factories import a_connection
from support.stores import open_store

from orchestrator import retry
from persistence.store import Store
from tests.model.replay import CALLS, MODEL, Event, Replay
from tests.model.trace_worker import Diverged

BATCHES, RUNS = 6, 38
"""Random runs: so many batches of so many."""
FIRST = 96
"""The seed of the first run; from there on, each event comes in some run, however rare."""
MISFORTUNES = 7
STEPS = 4000
"""Where a random run is cut off: a person may resume for ever."""
RARE = {"release %d stale", "install %d late"}
"""Hardly ever come by chance. The way to the violation without FENCE has the one; the other has a test of its own."""

_names = itertools.count(1)

pytestmark = [
    pytest.mark.spin,
    pytest.mark.skipif(
        not (shutil.which("spin") and shutil.which("gcc")) and os.environ.get("REQUIRE") != "all",
        reason="spin or gcc is missing (Debian: apt-get install spin gcc); REQUIRE=all makes this a failure",
    ),
]


def command(seed: int) -> list[str]:
    """What makes spin print one random run; up to so many calls go by between two misfortunes."""
    return ["spin", "-T", f"-n{seed}", f"-u{STEPS}", f"-DMISFORTUNES={MISFORTUNES}", f"-DLULL={seed % 16}", str(MODEL)]


@cache
def a_run(seed: int) -> list[Event]:
    """The events of one random run."""
    with tempfile.TemporaryDirectory() as folder:  # spin keeps a file of its own where it runs
        run = subprocess.run(command(seed), check=True, capture_output=True, text=True, cwd=folder)
    return Event.parse(run.stdout.splitlines())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('model') / 'keyturn.db'}"


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[Store]:
    """One store for all runs; each run has a connection of its own."""
    opened = open_store(url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def replay(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Event]], None]:
    """Replays a run with a connection of its own. Raises Diverged."""
    bounds = dict(re.findall(r"^#define (TRIES|POSTPONEMENTS) +(\d+)", MODEL.read_text(), re.MULTILINE))
    for step, usual in retry.TABLE.items():
        bounded = replace(
            usual, attempts=int(bounds["TRIES"]), most_postponements=int(bounds["POSTPONEMENTS"]), postponements=(0.0,)
        )
        monkeypatch.setitem(retry.TABLE, step, bounded)

    def run(events: list[Event]) -> None:
        name = f"run-{next(_names)}"
        store.connections.add(a_connection(name=name))
        replayed = Replay(store, url, name)
        try:
            replayed.run(events)
        finally:
            replayed.close()

    return run


@pytest.fixture(scope="module")
def explorer() -> ModuleType:
    """model/run.py, which is a script and no module of a package."""
    spec = importlib.util.spec_from_file_location("model_run", MODEL.with_name("run.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_code_does_what_the_model_does(replay: Callable[[list[Event]], None], batch: int) -> None:
    """The real engine does what the model does: the same calls in the same order, the same rows, the same endings."""
    for seed in range(FIRST + batch * RUNS, FIRST + (batch + 1) * RUNS):
        try:
            replay(a_run(seed))
        except Diverged as error:
            pytest.fail(f"The code and the model differ in the run of `{shlex.join(command(seed))}`: {error}")


def test_the_runs_show_all_that_the_model_can_do() -> None:
    """Each event that the model can print, but for violations, is in one of the runs that are replayed."""
    seen = {str(event) for seed in range(FIRST, FIRST + BATCHES * RUNS) for event in a_run(seed)}
    model = "".join(part.read_text() for part in MODEL.parent.glob("*.pml"))
    printed = set(re.findall(r'printf\("@ ([^"]+?)\\n"', model)) - {"violated %e", *RARE}
    patterns = {form: re.compile(re.sub("%[de]", r"\\w+", form)) for form in printed}
    assert set() == {form for form, pattern in patterns.items() if not any(map(pattern.fullmatch, seen))}
    troubles = {f"{call} {trouble}" for call in CALLS for trouble in ("later", "refused", "broke", "gone")}
    assert set() == troubles - {re.sub(r" \d ", " ", event) for event in seen}


def test_the_code_has_the_models_guards(replay: Callable[[list[Event]], None], explorer: ModuleType) -> None:
    """The real code refuses each run that goes wrong in the model when a guard is removed: it has that guard."""
    # The replay has no worker that restores by itself: tests/integration/recovery/test_restore_by_itself.py does that.
    left_out = (*explorer.NOT_IN_THE_CODE, *explorer.BY_ITSELF)
    violations = explorer.violations()
    assert set(explorer.MUTANTS) == set(violations)
    for (guards, _), trail in violations.items():
        if guards not in left_out:
            with pytest.raises(Diverged):
                replay(Event.parse(trail))


def test_the_recorded_violations_are_the_models(explorer: ModuleType) -> None:
    """Without a guard, the model explores its way to the violation that is recorded for it; `make model` tries all."""
    guards, expected = ("PROOF",), "openair_second"
    found = explorer.explore(explorer.mutated(guards, expected), "-O0")
    assert (expected, explorer.violations()[guards, expected]) == (found.violated, found.trail)


def test_a_late_install_is_refused(replay: Callable[[list[Event]], None], explorer: ModuleType) -> None:
    """A worker that stood still between its check and its install is refused by NetSuite, for its deadline is over.

    The way there is the one on which, without deadlines, the next rotation would be overtaken.
    """
    *way, about, install, violated = Event.parse(explorer.violations()[("DEADLINE",), "none_overtaken"])
    worker = about.words[0]
    assert (f"install {worker} done", "violated none_overtaken") == (str(install), str(violated))
    replay([*way, about, Event("install", (worker, "late"))])
