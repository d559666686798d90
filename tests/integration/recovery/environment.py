"""What remedies are tried with: a fault that parks a rotation between both sides, a clock to put forward."""

from simulator import Fault

NO_SAVE = Fault("openair.api", "401", action="Modify", times=None)
"""OpenAir can be read, but not saved to."""
