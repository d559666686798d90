"""A new world for each test."""

import pytest
from unit.states.fake_world import World
from unit.states.rotations import Pair, a_pair


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pair() -> Pair:
    return a_pair()
