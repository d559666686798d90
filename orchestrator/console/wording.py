"""The words that pages take over from the command line: command lines, and what a journal says.

They have one table each, so that a page and a terminal say the same. This module alone looks over to the other face.
"""

from orchestrator.cli.formatting import moment
from orchestrator.cli.next_actions import line as command_line
from orchestrator.cli.timeline import describe, state, summary, times

__all__ = ["command_line", "describe", "moment", "state", "summary", "times"]
