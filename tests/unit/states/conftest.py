"""A new world for each test."""

import pytest
from support.pairs import Pair, a_pair
from unit.states.fake_world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pair() -> Pair:
    return a_pair()
