"""Runs a module's tests against its mutants, each in a process of its own: a killed mutant leaves nothing behind.

A function is changed where it stands, in a fork of a process that has imported and collected everything already. That
takes milliseconds, and a test that fails then fails because of the mutant. What cannot be changed so (a table, a
decorator, a default) is imported anew with the change; so is a function that did its work on import, where the change
survives.
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
"""Seconds after which a test fails: by then the mutant runs for ever. Every test takes less than one."""
HEAVY: Final = ("cryptography.x509", "requests", "responses", "alembic.command", "sqlmodel", "tenacity")
"""Others' libraries that take long to import: once, not in each fork."""
PYTEST: Final = (
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # HEAVY is imported before pytest would rewrite it
    *("-o", "addopts=", "--import-mode=importlib", "--strict-config", "--capture=no", f"--timeout={LONGEST_TEST}"),
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not postgresql and not root and not node"),
)


class TestsFail(Exception):
    """A test fails without any change, so it proves nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said of one mutant."""

    mutant: Mutant
    killer: str
    """The test that failed, or how the run ended; empty where the mutant survived."""


@dataclass(slots=True)
class Trial:
    """One module's mutants and its tests."""

    file: Path
    mutants: Sequence[tuple[Mutant, CodeType]]
    """Each with its module's code."""
    tests: Sequence[str]
    killers: list[str] = field(default_factory=list)
    """The tests that killed, the latest one last: they are tried first."""

    def run(self) -> list[Verdict]:
        """Try every mutant. Raises TestsFail."""
        for library in HEAVY:
            importlib.import_module(library)
        settings.register_profile("mutants", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")
        killers = forked(self._change_where_they_stand, longest=None)
        self.killers += [killer for killer in killers if killer]
        return [
            Verdict(mutant, self._import_anew(mutant.module, code) if killer is None else killer)
            for (mutant, code), killer in zip(self.mutants, killers, strict=True)
        ]

    # --- in a fork that has collected the tests

    def _change_where_they_stand(self) -> list[str | None]:
        """Who killed each mutant, empty where it survived; None where it must be imported anew to tell."""
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
            gc.freeze()  # so that a fork need not copy what nobody changes
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

    def _import_anew(self, module: str, code: CodeType) -> str:
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
        """The tests that killed lately first, then those named for the module; random walks last."""
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
    """A pytest plugin that does something else than running the tests that were collected."""

    def __init__(self, loop: Callable[[pytest.Session], None]) -> None:
        self._loop = loop

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the loop, unless collecting failed."""
        if not session.testsfailed:
            self._loop(session)
        return True


def _first_failure(session: pytest.Session) -> str:
    """Run the collected tests until one fails; return its id, or nothing where all pass."""
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
    """The functions that were made from a file's code so far, whatever wraps them now."""
    found: dict[object, list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == str(file):
            found.setdefault(_key(each.__code__), []).append(each)
    return found


def _changed_functions(
    original: CodeType, mutated: CodeType, functions: dict[object, list[FunctionType]]
) -> list[tuple[FunctionType, CodeType]]:
    """The functions in which a mutant differs, with their changed code; none where it differs elsewhere too."""
    try:
        changes = list(_changes(original, mutated))
        found = [(function, code) for was, code in changes for function in functions[_key(was)]]
    except LookupError:
        return []
    same = all(function.__code__.co_freevars == code.co_freevars for function, code in found)
    return found if same else []


def _changes(original: CodeType, mutated: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The outermost functions that differ. Raises LookupError where something outside of functions does."""
    if original.co_flags & inspect.CO_OPTIMIZED:
        yield original, mutated
        return
    if _own(original) != _own(mutated):
        raise LookupError
    for was, code in zip(_nested(original), _nested(mutated), strict=True):
        if was != code:
            yield from _changes(was, code)


def _own(code: CodeType) -> object:
    """What a module's or class's code is, apart from the code nested in it."""
    constants = [None if isinstance(each, CodeType) else (type(each), each) for each in code.co_consts]
    return code.co_code, code.co_names, constants


def _nested(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutant in place of its module."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._module = module
        self._code = code

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The mutant's, or None for any other module."""
        if name != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec
        spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code."""
        exec(self._code, module.__dict__)  # noqa: S102 - that is what a loader does
