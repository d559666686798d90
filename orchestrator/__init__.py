"""How a rotation is carried along: engine, retries, schedule, and the adapters that reach the two systems."""
