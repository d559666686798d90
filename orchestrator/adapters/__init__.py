"""The outside world: implementations of states/ports.py, each built with explicit arguments, in bootstrap.py only."""
