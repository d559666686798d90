"""The room of the attempts to sign in: a bucket for each name and each address, shared by all processes.

A bucket is one moment: when it will be full again. An attempt moves it by one interval, and is refused where it would
be further away than the whole bucket. Keys are hashes: what people type as a name is now and then a password.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Text, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from persistence import access_models
from persistence.clock import UtcDateTime
from persistence.database import Database
from persistence.shared_commit import undo
from states.access import Bucket

_t: Final = access_models.attempts
_RACES: Final = 5
"""How often another process may be first with a new bucket before the attempt is refused."""
_wanted: Final = bindparam("wanted", type_=Text())
_full_at: Final = bindparam("full", type_=UtcDateTime())
_FIND: Final = select(_t.c.full_at).where(_t.c.key == _wanted).with_for_update()
_ADD: Final = insert(_t)
_MOVE: Final = update(_t).where(_t.c.key == _wanted).values(full_at=_full_at)
_PRUNE: Final = delete(_t).where(_t.c.full_at <= bindparam("now", type_=UtcDateTime()))


class Attempts:
    """The attempts to sign in: counted before a password is looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, bucket: Bucket, key: str, now: datetime) -> timedelta:
        """Count an attempt of ``key`` at ``now`` (UTC). Return how long to wait before one is allowed; zero: it is."""
        for _ in range(_RACES):
            if (wait := self._try(bucket, _digest(bucket, key), now)) is not None:
                return wait
        return bucket.interval

    def _try(self, bucket: Bucket, digest: str, now: datetime) -> timedelta | None:
        """Count an attempt; None where another process stored this bucket at the same moment."""
        with self._database.writing() as tx:
            full_at = tx.execute(_FIND, {"wanted": digest}).scalar()
            after = max(full_at or now, now) + bucket.interval
            if (wait := after - now - bucket.interval * bucket.size) > timedelta():
                return wait
            if full_at is not None:
                tx.execute(_MOVE, {"wanted": digest, "full": after})
                return timedelta()
            tx.execute(_PRUNE, {"now": now})
            try:
                tx.execute(_ADD, {"key": digest, "full_at": after})
            except IntegrityError:
                undo(tx)
                return None
            return timedelta()

    def give_back(self, bucket: Bucket, key: str) -> None:
        """Count one attempt less: it succeeded."""
        digest = _digest(bucket, key)
        with self._database.writing() as tx:
            full_at = tx.execute(_FIND, {"wanted": digest}).scalar()
            if full_at is not None:
                tx.execute(_MOVE, {"wanted": digest, "full": full_at - bucket.interval})


def _digest(bucket: Bucket, key: str) -> str:
    return hashlib.sha256(f"{bucket.name}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
