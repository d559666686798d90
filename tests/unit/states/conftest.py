"""New systems for each test."""

import pytest
from support.pairs import Pair, a_pair
from unit.states.step_systems import StepSystems


@pytest.fixture
def systems() -> StepSystems:
    return StepSystems()


@pytest.fixture
def pair() -> Pair:
    return a_pair()
