"""Every bound of time, once: its value, its unit and its reason. How they are ordered is asserted in
tests/unit/states/test_timing.py.

A bound is a timedelta, except where its only use is a number of seconds; those say so. How often each step is retried
is a policy, not a bound: see orchestrator/retry.py. Mechanics of one module, such as a poll, stay in that module.
"""

from datetime import timedelta
from typing import Final

# --- clocks -----------------------------------------------------------------------------------------------------------

CLOCK_ERROR: Final = timedelta(minutes=1)
"""How far the clocks of two machines may disagree. Every bound that compares them allows for it, and the doctor
complains beyond it."""

# --- requests to NetSuite and OpenAir ---------------------------------------------------------------------------------

DEFAULT_CALL: Final = 20.0
"""Seconds for a whole HTTP call, from the look-up of the host's name to the last byte of the reply."""
LONGEST_CALL: Final = timedelta(minutes=2)
"""The longest HTTP call that the settings allow. A save that was allowed may be under way for that long, and the
hold-off must outlast it."""
LONGEST_RETRY_AFTER: Final = 900.0
"""Seconds. A system that asks for a longer wait is asked again after these: a wrong header must not stop a rotation for
days."""
INSTALL_WITHIN: Final = timedelta(minutes=2)
"""How late after its try began NetSuite may still begin an install; it refuses afterwards. Counted from before the look
that allowed the install, so that a worker that was suspended in between cannot send a request that was overtaken."""
HOLD_OFF: Final = timedelta(minutes=3)
"""How long after a lost answer the request may still take effect. NetSuite refuses an install after INSTALL_WITHIN, by
a clock that may be CLOCK_ERROR slow. Of a save in OpenAir it is an assumption (docs/explanation/assumptions.md)."""
FRESH: Final = timedelta(seconds=5)
"""How old a confirmation may be when OpenAir is saved to. An older one is proved again: another party may have
replaced the certificate in NetSuite since."""
READ_BACK_DELAY: Final = 2.0
"""Seconds between two looks after a write whose answer was lost: both systems may show a change late."""

# --- sign-in ----------------------------------------------------------------------------------------------------------

ASSERTION_BACKDATED: Final = timedelta(minutes=1)
"""How long before now an assertion becomes valid. NetSuite refuses one from the future of its own clock."""
ASSERTION_VALID_FOR: Final = timedelta(minutes=5)
"""NetSuite allows up to 60 minutes from `iat` to `exp`; an assertion is used at once."""
TOKEN_EXPIRY_MARGIN: Final = timedelta(minutes=1)
"""A token is not used in its last minute: it might expire while the request is on its way."""
ASSUMED_TOKEN_LIFE: Final = timedelta(minutes=5)
"""How long a token lives where the answer does not say so. RFC 6749 leaves that open."""
REFRESH_SPARE: Final = timedelta(seconds=30)
"""How much longer than its call the refresh of an OpenAir token may take, so that the new tokens can be stored. Other
workers take the refreshing worker for dead afterwards."""
REFRESH_FURTHEST: Final = LONGEST_CALL + REFRESH_SPARE + timedelta(minutes=4)
"""How far ahead the end of another worker's refresh may be: its clock may be four minutes ahead. A later end was
written by a clock that was wrong, and counts as one that is over."""
CERTIFICATE_BACKDATED: Final = timedelta(minutes=5)
"""How long before now a certificate becomes valid, so that a system whose clock is slow accepts it at once."""

# --- leases, postponement ---------------------------------------------------------------------------------------------

SHORTEST_LEASE: Final = timedelta(seconds=1)
DEFAULT_LEASE: Final = timedelta(seconds=15)
LONGEST_LEASE: Final = timedelta(minutes=10)
"""After a lease another worker takes over from a silent one. The settings allow a lease between the shortest and the
longest."""
DATABASE_WAIT: Final = 10
"""Whole seconds to wait for SQLite's one writer to finish, or for a PostgreSQL server to accept a connection. Shorter
than a lease, so that a worker can renew its lease when the wait is over."""
HELD_AT_MOST: Final = timedelta(minutes=15)
"""No lease ends, and no request is in flight, later than this from now. A later moment was written by a clock that was
ahead (persistence/clock_repair.py)."""
HEARTBEAT: Final = timedelta(seconds=10)
"""How often a process that carries rotations notes that it lives."""
SILENT_AFTER: Final = timedelta(seconds=35)
"""How long after its last note a worker still counts as alive: a busy machine or database may delay three of
them."""
WORKERS_KEPT: Final = timedelta(days=7)
"""How long a worker that was silent is remembered."""
WAIT_FOR_PERSON: Final = timedelta(hours=1)
"""How often a rotation that waits for a person is looked at again. The person's confirmation makes it available at
once."""
POSTPONED_AT_MOST: Final = timedelta(hours=2)
"""No rotation is postponed further than this from now. A later moment was written by a clock that was ahead."""

# --- commands and workers ---------------------------------------------------------------------------------------------

SCHEDULE_EVERY: Final = 60.0
"""Seconds between two passes over the schedule."""
CHECKPOINT_EVERY: Final = timedelta(days=1)
"""How often a worker makes a checkpoint of the journal. Histories that began since the newest copy of one can be
removed unseen, and each costs a pass over all rotations."""
STAY_WITH_OUTAGE: Final = timedelta(minutes=10)
"""How long, in all, a drain stays with rotations whose imports may be refused. The next call may be hours away."""
UNATTENDED_AFTER: Final = timedelta(hours=25)
"""How long work may lie before it counts as left alone: a daily timer begins it within a day, and takes its time."""
ATTENDED_WAIT: Final = timedelta(minutes=1)
"""How long a command waits for a postponed rotation. A rotation that is postponed for longer is left to the workers."""

OUTAGE_REPORTED_AFTER: Final = timedelta(minutes=1)
"""How long an outage lasts that no one gets an alert about while Keyturn is ending it: longer than an upload, a proof
and a save take, and the first retries of the save."""

STOP_WITHIN: Final = timedelta(minutes=1)
"""How long a process that is asked to stop goes on with a rotation that is between both sides: time for an install, a
proof and a save, each with a lost answer, and for the first round of the save's retry policy."""

# --- the window of automatic rotation ---------------------------------------------------------------------------------

ROTATE_EARLIEST: Final = timedelta(days=14)
ROTATE_LATEST: Final = timedelta(days=7)
"""Automatic rotation begins between these two before the certificate expires.
https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (real-time certificate rotation)"""
EXPIRING_DAYS: Final = (90, 30, 14, 7, 1)
"""Days before the certificate in use ends at which that is reported, where nothing renews it in time."""
CREDENTIAL_PROBLEM_WITHIN: Final = timedelta(days=30)
"""How long before its end the health check reports a sign-in certificate: an administrator of NetSuite has to map a new
one."""
CREDENTIAL_UNUSED_AFTER: Final = timedelta(days=90)
"""How long after its last use the end of an API token harms no one: what runs each quarter has used it since."""
SIGN_IN_GRACE: Final = timedelta(days=1)
"""How long a sign-in certificate that was replaced stays valid: tokens and requests that it began go on."""
SIGN_IN_HOLD_OFF: Final = timedelta(minutes=10)
"""After a sign-in certificate was sent: it is not sent again before. Longer than a call takes."""
SIGN_IN_RENEWED_BEFORE: Final = timedelta(days=100)
"""Before the first step of EXPIRING_DAYS: people are notified only where the renewal did not succeed."""
SIGN_IN_LOOKED_AT_EVERY: Final = timedelta(hours=1)
"""How often a process looks for sign-ins to renew."""
SIGN_IN_TRIED_EVERY: Final = timedelta(hours=23)
"""How often one connection is tried: once a day, whichever worker does it."""
APPROVED_WITHIN: Final = timedelta(hours=24)
"""How long a person's request waits for another person's approval: by then, what they saw may be over."""
READY_FOR: Final = timedelta(minutes=15)
"""How long a person who said that they are ready to save the certificate in OpenAir is taken to be there. NetSuite is
not sent the certificate later: imports would be refused until they come back."""
TRY_AGAIN_AFTER: Final = timedelta(days=1)
"""How long after OpenAir refused a certificate, and the previous one was restored, the next rotation begins."""
