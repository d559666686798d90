"""Where upload_to_netsuite begins, and the calls by which it is told what it did."""

from states.state import State

AT = State.KEY_GENERATED
INSTALLED = ["netsuite.sign", "openair.read", "netsuite.install"]
"""The calls of a step that goes well."""
