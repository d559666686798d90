"""The fault that parks a rotation in the outage."""

from simulator import Fault

NO_SAVE = Fault("openair.api", "401", action="Modify", times=None)
"""OpenAir can be read but not saved to."""
