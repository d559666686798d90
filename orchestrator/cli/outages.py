"""The first line of every command in an outage: since when imports are refused."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from orchestrator.cli.output import Output
from states.outage import Outage

STYLE: Final = "bold white on red"
NOT_CHECKED: Final = "Not checked: changes made outside Keyturn, which only show with the key-encryption key."
_SHOWN: Final = 10
"""So many outages are named, the longest first; the others are counted."""


def announce(out: Output, outages: Sequence[Outage], now: datetime, *, names: bool = True) -> None:
    """Print one line for each outage at ``now`` (UTC), for people; ``names`` says of which connection it is."""
    if not out.is_for_people:
        return
    for outage in outages[:_SHOWN]:
        label = f"{outage.connection}: " if names else ""
        out.text(f"{outage.sentence(now)}: {outage.reason}", label=label, style=STYLE)
    if len(outages) > _SHOWN:
        out.text(f"{len(outages) - _SHOWN} more connections have an outage.", style=STYLE)
