"""Implementations of the ports in states/ports.py: HTTP, keys, clock. adapters/factory.py wires them together."""
