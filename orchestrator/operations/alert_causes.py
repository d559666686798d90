"""What is to be reported that only time brings: what needs a person, and what ends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.operations.credentials import Credentials
from orchestrator.operations.status import Status
from states import alert, credential
from states.alert import Finding
from states.concern import Concern


class AlertCauses:
    """The causes of alerts, looked for in the store at each call."""

    def __init__(self, status: Status, credentials: Credentials, *, steps: Sequence[int]) -> None:
        """``steps`` are the days before its end at which a credential is reported."""
        self._status = status
        self._credentials = credentials
        self.steps = steps

    def at(self, now: datetime) -> Mapping[str, Finding]:
        """What is to be reported ``now`` (UTC), by subject. Raises TryLater.

        That a certificate ends is one alert with what else needs a person for its connection, which goes first: two
        would say the same at 14 and at 7 days. Each credential of Keyturn's own is a subject.
        """
        overview = self._status.overview(compares_all=True)
        concerns = (*overview.expiring.values(), *overview.report.concerns)
        found = {_subject(each): alert.of_concern(each) for each in concerns}
        for name, days in overview.steps.items():
            if finding := found.get(subject := f"connection {name}"):
                found[subject] = replace(finding, days=days)
        for each in self._credentials.ending():
            if ends := credential.finding_of(each, self.steps, now):
                found[f"credential {each.connection or ''} {each.id}"] = ends
        return found


def _subject(concern: Concern) -> str:
    """The subject of the alert about what needs a person."""
    is_of_rotation = concern.rotation and not (concern.outage and concern.outage.rotation is None)
    if is_of_rotation:
        return f"rotation {concern.rotation}"
    if concern.connection:
        return f"connection {concern.connection}"
    return f"installation {concern.harm.name}"
