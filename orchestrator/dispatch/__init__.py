"""Gets claimed rotations to workers. Liveness only: whatever a dispatcher does, the store keeps the rules."""
