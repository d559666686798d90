"""The verbs on silences: what people are not notified of for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.events import Listener, SilenceAdded, SilenceEnded, ignore
from persistence.store import Store
from states.alert import Alert, Kind
from states.ids import new_id
from states.ports import Clock, Random
from states.silence import Silence


@dataclass(frozen=True, slots=True)
class Listed:
    """A silence as a list shows it."""

    silence: Silence
    is_active: bool
    """Whether it silences anything now."""
    is_authentic: bool
    """Whether it is as Keyturn wrote it."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A silence, and what it does to the alerts that last."""

    silence: Silence
    silenced: Sequence[Alert]
    """Those that it covers."""
    not_silenced: Sequence[Alert]
    """Those about its connection that it does not cover: critical ones, where it names no kind."""


class Silences:
    """What people do with silences."""

    def __init__(self, store: Store, clock: Clock, random: Random, listener: Listener = ignore) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._publish = listener

    def now(self) -> datetime:
        """The time (UTC) from which a silence is counted."""
        return self._clock.now()

    def preview(
        self, connection: str | None, kind: Kind | None, *, until: datetime, reason: str, actor: str
    ) -> Preview:
        """Return what a silence that ends at ``until`` (UTC) would do; nothing is stored.

        Raises InvalidInput; NotFound without such a connection.
        """
        if connection is not None:
            self._store.connections.get(connection)
        now = self._clock.now()
        silence = Silence(
            id=new_id(now, self._random),
            connection=connection,
            kind=kind,
            reason=reason,
            created_at=now,
            created_by=actor,
            until=until,
        )
        lasting = self._store.alerts.lasting()
        return Preview(
            silence,
            [each for each in lasting if silence.covers_alert(each)],
            [
                each
                for each in lasting
                if kind is None and each.finding.connection == connection and not silence.covers_alert(each)
            ],
        )

    def add(self, preview: Preview) -> None:
        """Store the silence of ``preview``. Raises VaultLocked, SealBroken."""
        silence = preview.silence
        self._store.silences.add(silence)
        kind = silence.kind.value if silence.kind else None
        self._publish(
            SilenceAdded(silence.id, kind, silence.connection, silence.until, silence.reason, silence.created_by)
        )

    def all(self, *, ended: bool) -> list[Listed]:
        """The silences that are active, the one that ends first first; with ``ended`` those that are over, too.

        Raises VaultLocked, SealBroken.
        """
        now = self._clock.now()
        listed = [
            Listed(silence, is_authentic and silence.is_active(now), is_authentic)
            for silence, is_authentic in self._store.silences.all()
        ]
        return [each for each in listed if ended or each.silence.is_active(now)]

    def active(self) -> list[Silence]:
        """What silences anything now. Raises TryLater."""
        return self._store.silences.active(self._clock.now())

    def end(self, silence_id: str, *, actor: str) -> bool:
        """End a silence before its time: what lasts is reported at the next look. Return whether it silenced anything.

        One that was changed outside Keyturn silenced nothing. It is removed, and no end of it is published.

        Raises NotFound where no such silence is active; VaultLocked, SealBroken.
        """
        ended = self._store.silences.end(silence_id, by=actor, now=self._clock.now())
        if ended:
            self._publish(SilenceEnded(silence_id, actor))
        return ended is not None
