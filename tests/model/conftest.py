"""The marker of these tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "spin: needs the model checker spin, and gcc")
