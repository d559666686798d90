"""Values are immutable."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import is_dataclass
from types import ModuleType

import pytest

import orchestrator
import persistence
import states


def dataclasses_of(package: ModuleType) -> Iterator[type]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith("__main__") or ".demo" in found.name or ".migrations" in found.name:
            continue
        module = importlib.import_module(found.name)
        for _, each in inspect.getmembers(module, inspect.isclass):
            if is_dataclass(each) and each.__module__ == found.name:
                yield each


@pytest.mark.parametrize("package", [states, persistence, orchestrator], ids=lambda package: package.__name__)
def test_values_are_frozen(package: ModuleType) -> None:
    """Every dataclass is frozen, so that no thread changes a value that another one uses."""
    found = list(dataclasses_of(package))
    assert found
    assert [] == [each.__qualname__ for each in found if not each.__dataclass_params__.frozen]  # type: ignore[attr-defined]
