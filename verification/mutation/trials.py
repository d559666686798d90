"""Runs a module's tests against its mutants, each in a separate process, so that a killed mutant leaves nothing behind.

A mutant of a function replaces the function's code in a fork of a process that has already imported and collected
everything. That takes milliseconds, and a test that fails then fails because of the mutant. Other mutants (of a table,
a decorator, a default) need a new import. So does a surviving mutant of a function that was called during the import.
"""

import gc
import importlib
import importlib.abc
import importlib.machinery
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final

import pytest
from forks import forked
from hypothesis import Phase, settings
from mutants import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
LONGEST_TEST: Final = 30
"""Seconds after which a test fails, because the mutant loops forever. Every test takes less than one second."""
HEAVY: Final = ("cryptography.x509", "requests", "responses", "alembic.command", "sqlmodel", "tenacity")
"""Libraries that take long to import: imported once, not in each fork."""
PYTEST: Final = (
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # HEAVY is imported before pytest can rewrite it
    *("-o", "addopts=", "--import-mode=importlib", "--strict-config", "--capture=no", f"--timeout={LONGEST_TEST}"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not postgresql and not root and not node"),
)


class TestsFail(Exception):
    """A test fails without a change, so it proves nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The tests' verdict on one mutant."""

    mutant: Mutant
    killer: str
    """The test that failed, or how the run ended; empty if the mutant survived."""


@dataclass(slots=True)
class Trial:
    """One module's mutants and its tests."""

    file: Path
    mutants: Sequence[tuple[Mutant, CodeType]]
    """Each mutant with its module's code."""
    tests: Sequence[str]
    killers: list[str] = field(default_factory=list)
    """The tests that killed a mutant, the latest one last. They run first."""

    def run(self) -> list[Verdict]:
        """Try every mutant. Raises TestsFail."""
        for library in HEAVY:
            importlib.import_module(library)
        settings.register_profile("mutants", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")
        killers = forked(self._replace_functions, longest=None)
        self.killers += [killer for killer in killers if killer]
        return [
            Verdict(mutant, self._import_mutant(mutant.module, code) if killer is None else killer)
            for (mutant, code), killer in zip(self.mutants, killers, strict=True)
        ]

    # --- in a fork that has collected the tests

    def _replace_functions(self) -> list[str | None]:
        """Return the killer of each mutant; empty if it survived, None if it needs a new import."""
        killers: list[str | None] = []
        failed = ["cannot be collected"]
        called: set[CodeType] = set()

        def note(frame: FrameType, _event: str, _argument: object) -> None:
            if frame.f_code.co_filename == str(self.file):
                called.add(frame.f_code)

        def loop(session: pytest.Session) -> None:
            sys.setprofile(None)
            failed[:] = filter(None, [forked(lambda: _first_failure(session))])
            functions = _functions_of(self.file)
            original = compile(self.file.read_text(), str(self.file), "exec", dont_inherit=True)
            gc.freeze()  # so that a fork does not copy unchanged objects
            for _, code in [] if failed else self.mutants:
                changed = _changed_functions(original, code, functions)
                killer = forked(partial(self._try, session, changed)) if changed else None
                if not killer and any(function.__code__ in called for function, _ in changed):
                    killer = None
                self._remember(killer)
                killers.append(killer)

        sys.setprofile(note)
        self._pytest(loop)
        if failed:
            raise TestsFail(f"The tests of {self.file.name} fail without any change: {failed[0]}")
        return killers

    def _try(self, session: pytest.Session, changed: Sequence[tuple[FunctionType, CodeType]]) -> str:
        for function, code in changed:
            function.__code__ = code
        self._order(session)
        return _first_failure(session)

    # --- in a fork that has imported nothing

    def _import_mutant(self, module: str, code: CodeType) -> str:
        killer = forked(partial(self._collect_and_try, _Importer(module, code)))
        self._remember(killer)
        return killer

    def _collect_and_try(self, importer: "_Importer") -> str:
        sys.meta_path.insert(0, importer)
        killers = ["cannot be imported"]

        def loop(session: pytest.Session) -> None:
            self._order(session)
            killers[0] = _first_failure(session)

        self._pytest(loop)
        return killers[0]

    # --- both

    def _pytest(self, loop: Callable[[pytest.Session], None]) -> None:
        sys.path.insert(0, str(ROOT))  # the checkout, not an installed wheel
        os.chdir(ROOT)
        pytest.main([*PYTEST, *self.tests], plugins=[_Loop(loop)])

    def _order(self, session: pytest.Session) -> None:
        """Order the tests: recent killers first, then tests named after the module, random walks last."""
        ranks = {killer: rank for rank, killer in enumerate(reversed(self.killers))}

        def order(item: pytest.Item) -> tuple[int, bool, bool]:
            is_slow, is_other = "hypothesis" in item.keywords, self.file.stem not in item.path.stem
            return ranks.get(item.nodeid, len(ranks)), is_slow, is_other

        session.items.sort(key=order)

    def _remember(self, killer: str | None) -> None:
        if killer in self.killers:
            self.killers.remove(killer)
        if killer:
            self.killers.append(killer)


class _Loop:
    """A pytest plugin that replaces the loop over the collected tests."""

    def __init__(self, loop: Callable[[pytest.Session], None]) -> None:
        self._loop = loop

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the loop, unless collection failed."""
        if not session.testsfailed:
            self._loop(session)
        return True


def _first_failure(session: pytest.Session) -> str:
    """Run the collected tests until one fails. Returns its id, or an empty text if all pass."""
    items = session.items
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return item.nodeid
    return ""


# --- changing functions -----------------------------------------------------------------------------------------------


def _key(code: CodeType) -> object:
    return code.co_qualname, code.co_firstlineno, tuple(code.co_positions())


def _functions_of(file: Path) -> dict[object, list[FunctionType]]:
    """Return the existing functions whose code comes from a file, even if other objects wrap them now."""
    found: dict[object, list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == str(file):
            found.setdefault(_key(each.__code__), []).append(each)
    return found


def _changed_functions(
    original: CodeType, mutated: CodeType, functions: dict[object, list[FunctionType]]
) -> list[tuple[FunctionType, CodeType]]:
    """Return the functions that a mutant changes, with their new code; empty if it changes other code too."""
    try:
        changes = list(_changes(original, mutated))
        found = [(function, code) for was, code in changes for function in functions[_key(was)]]
    except LookupError:
        return []
    same = all(function.__code__.co_freevars == code.co_freevars for function, code in found)
    return found if same else []


def _changes(original: CodeType, mutated: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield the outermost functions that differ. Raises LookupError if code outside of functions differs."""
    if original.co_flags & inspect.CO_OPTIMIZED:
        yield original, mutated
        return
    if _own(original) != _own(mutated):
        raise LookupError
    for was, code in zip(_nested(original), _nested(mutated), strict=True):
        if was != code:
            yield from _changes(was, code)


def _own(code: CodeType) -> object:
    """Return the code of a module or class without the code nested in it."""
    constants = [None if isinstance(each, CodeType) else (type(each), each) for each in code.co_consts]
    return code.co_code, code.co_names, constants


def _nested(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutant instead of its module."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._module = module
        self._code = code

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Return the mutant's spec, or None for any other module."""
        if name != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec
        spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Execute the changed code."""
        exec(self._code, module.__dict__)  # noqa: S102 - that is what a loader does
