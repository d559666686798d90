"""Dispatchers bring claimable rotations to workers. They are about liveness only: the store keeps the rules."""
