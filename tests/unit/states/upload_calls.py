"""The calls of upload_to_netsuite, and rotations at its beginning."""

from states.state import State

AT = State.KEY_GENERATED
INSTALLED = ["netsuite.sign", "openair.read", "netsuite.install"]
"""The calls of a successful step."""
